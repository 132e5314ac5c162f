"""The joint model: network, likelihood and tasks as one module, and its form on disk.

On disk a model is two files: ``model.safetensors`` (weights, noise, units) and ``model.json`` (what to build). Loading
runs no code from them: architectures come from a closed list.
"""

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from equipoise.errors import RecipeError, RunError
from equipoise.multitask import MultiTaskLikelihood
from equipoise.scenes.cameras.camera import Camera, camera_fault
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.config.recipe import LikelihoodRecipe, ModelRecipe, Recipe, check_range
from equipoise.scenes.config.toml import from_table, read_json
from equipoise.scenes.data.sample import IGNORE, SceneVocabulary
from equipoise.scenes.io.files import there
from equipoise.scenes.networks.network import SceneNetwork
from equipoise.scenes.tasks import make_tasks

FORMAT = 1
WEIGHTS, DESCRIPTION = "model.safetensors", "model.json"


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """All that is needed to build a model, apart from its weights.

    ``camera`` is that of its training images, and ``camera_spread`` how much they differ: see ``ModelCamera``.
    """

    format: int = FORMAT
    tasks: tuple[str, ...]
    vocabulary: SceneVocabulary
    input_size: tuple[int, int]
    model: ModelRecipe
    likelihood: dict[str, LikelihoodRecipe]
    camera: Camera | None = None
    camera_spread: float = 0.0


class SceneModel(nn.Module):
    """Images in, the location of each task's distribution out.

    Shapes: images ``uint8`` or float 0…255 ``(B, 3, H, W)``; outputs ``(B, C_task, H, W)``, or as many as a task has
    ``rows``.
    """

    def __init__(self, description: ModelDescription) -> None:
        super().__init__()
        self.description = description
        self.tasks = make_tasks(description.tasks, description.vocabulary)
        self.network = SceneNetwork(
            **dataclasses.asdict(description.model),
            heads={name: task.channels for name, task in self.tasks.items()},
            input_size=description.input_size,
        )
        recipes = {name: description.likelihood.get(name, LikelihoodRecipe()) for name in self.tasks}
        for name, task in self.tasks.items():
            if recipes[name].kind and recipes[name].kind not in task.kinds:
                raise RecipeError(
                    f"likelihood.{name}.kind: expected one of {', '.join(task.kinds)}, found {recipes[name].kind!r}"
                )
        likelihoods = {}
        for name, task in self.tasks.items():
            try:
                likelihoods[name] = task.likelihood(recipes[name])
            except ValueError as error:
                raise RecipeError(f"likelihood.{name}: {error}") from None
        self.likelihood = MultiTaskLikelihood(likelihoods)

    def forward(self, images: Tensor, rows: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The network's outputs, as the likelihood takes them."""
        outputs: dict[str, Tensor] = self.network(images, rows)
        return outputs

    @torch.no_grad()
    def locations(self, images: Tensor) -> dict[str, Tensor]:
        """Logits, and regressions in the unit of their targets, float32."""
        outputs = self(images)
        return {name: self.likelihood[name].location(output.float()) for name, output in outputs.items()}


def describe(recipe: Recipe, vocabulary: SceneVocabulary, known: ModelCamera | None = None) -> ModelDescription:
    """The model that a recipe asks for, on data of this vocabulary, taken by this camera."""
    known = known or ModelCamera()
    return ModelDescription(
        tasks=recipe.tasks,
        vocabulary=vocabulary,
        input_size=recipe.data.size,
        model=recipe.model,
        likelihood=recipe.likelihood,
        camera=known.camera,
        camera_spread=known.spread,
    )


def model_files(model: SceneModel) -> dict[str, bytes]:
    """The two files of a model, by name."""
    return {WEIGHTS: tensors_as_bytes(model.state_dict()), DESCRIPTION: as_json(model.description)}


def as_json(value: Any) -> bytes:
    """A dataclass or plain value as indented JSON."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return (json.dumps(plain, indent=1) + "\n").encode()


def tensors_as_bytes(tensors: Mapping[str, Tensor]) -> bytes:
    """Named tensors in the safetensors format."""
    return safetensors.torch.save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Tensors from a safetensors file; raises ``RunError`` in one line."""
    if not there(path):
        raise RunError(f"expected weights at {path}, found none: was the run finished?")
    if not path.is_file():
        raise RunError(f"{path}: expected safetensors, found no regular file")
    try:
        with path.open("rb"):
            pass  # Rust's own message of a file that may not be read says that there is none.
        return safetensors.torch.load_file(path)
    except OSError as error:
        raise RunError(f"{path}: expected safetensors that may be read, found: {error.strerror or error}") from None
    except SafetensorError as error:
        raise RunError(f"{path}: expected safetensors, found something else: {error}") from None


def read_description(folder: Path) -> ModelDescription:
    """``model.json`` of a run or export."""
    path = folder / DESCRIPTION
    try:
        table = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"expected a model at {folder}, found no {DESCRIPTION}: {_hint(folder)}") from None
    except OSError as error:
        raise RunError(f"{path}: expected JSON that may be read, found: {error.strerror}") from None
    except ValueError as error:
        raise RunError(f"{path}: expected JSON, found a mistake: {error}") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        found = table.get("format") if isinstance(table, dict) else None
        raise RunError(
            f"{path}: expected model format {FORMAT}, found {found!r:.40}: load it with the version that wrote it"
        )
    try:
        description = from_table(ModelDescription, table, str(path))
        check_description(description, str(path))
    except RecipeError as error:
        raise RunError(str(error)) from None
    return description


def check_description(description: ModelDescription, where: str) -> None:
    """What types cannot rule out; raises ``RecipeError``."""
    check_range("tasks", description.tasks, where)
    check_range("data.size", description.input_size, where)
    for key in ("aspp_channels", "decoder_channels"):
        check_range(f"model.{key}", getattr(description.model, key), where)
    classes, sky = description.vocabulary.classes, description.vocabulary.sky
    if len(classes) > IGNORE or not (sky is None or 0 <= sky < len(classes)):
        raise RecipeError(f"{where}: vocabulary: expected at most {IGNORE} classes, one of them the sky, found others")
    if not all(0 <= value <= 255 for c in classes for value in c.color):
        raise RecipeError(f"{where}: vocabulary: expected colours of 0 … 255, found others")
    if description.camera is not None:
        if (fault := camera_fault(description.camera)) is not None:
            raise RecipeError(f"{where}: camera.{fault}")
        if description.camera.size is None or not 0 <= description.camera_spread < math.inf:
            raise RecipeError(f"{where}: camera: expected its size, and a spread of 0 or more, found others")
    if len({c.name for c in classes}) != len(classes) or not description.likelihood.keys() <= set(description.tasks):
        raise RecipeError(f"{where}: expected different classes, and likelihoods of its tasks alone, found others")


def _hint(folder: Path) -> str:
    if (folder / "recipe.json").exists():
        return "the run is not finished: go on with equipoise train RECIPE --resume"
    return "name the folder of a run"


def load_weights(model: SceneModel, path: Path) -> None:
    """Put saved weights into a model; raises ``RunError`` where names or shapes differ."""
    fit(model, read_tensors(path), path)


def fit(model: SceneModel, tensors: Mapping[str, Tensor], path: Path, *, only_try: bool = False) -> None:
    """Put tensors into a model, or, on a model without memory (torch's device meta), only try whether they fit."""
    for name, wanted in model.state_dict().items():
        if name in tensors and tensors[name].dtype != wanted.dtype:
            raise RunError(f"{path}: expected {name} as {wanted.dtype}, found {tensors[name].dtype}")
    known = {name: value.shape for name, value in model.state_dict().items()}
    odd = sorted(known.keys() ^ tensors.keys()) or [n for n, shape in known.items() if tensors[n].shape != shape]
    if odd:
        shapes = [list(group[odd[0]].shape) if odd[0] in group else "none" for group in (model.state_dict(), tensors)]
        raise RunError(
            f"{path}: expected the weights of this model, found others: {odd[0]:.100} as {shapes[1]} instead of "
            f"{shapes[0]}"
        )
    try:
        model.load_state_dict(tensors, assign=only_try)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise RunError(f"{path}: expected the weights of this model, found others: {reason}") from None


def expect_finite(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Raise ``RunError`` for weights that are infinite or no numbers."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise RunError(f"{path}: expected finite weights, found infinity or NaN in {name}: train the run again")


def load_model(folder: Path) -> SceneModel:
    """The model of a run, ready to predict.

    It gets no memory before its weights are known to fit: a damaged description may ask for any amount.
    """
    description = read_description(folder)
    try:
        with torch.device("meta"):
            blank = SceneModel(description)
    except RecipeError as error:
        raise RunError(f"{folder / DESCRIPTION}: {error}") from None
    tensors = read_tensors(folder / WEIGHTS)
    fit(blank, tensors, folder / WEIGHTS, only_try=True)
    expect_finite(tensors, folder / WEIGHTS)
    model = SceneModel(description)
    fit(model, tensors, folder / WEIGHTS)
    for name, sigma in model.likelihood.sigmas().items():
        if not np.all((np.asarray(sigma) > 0) & np.isfinite(sigma)):
            raise RunError(f"{folder / WEIGHTS}: expected a finite σ above 0, found {sigma} for {name}: train it again")
    return model.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]
