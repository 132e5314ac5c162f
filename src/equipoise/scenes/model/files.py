"""A model's form on disk: ``model.safetensors`` (weights, noise, units) and ``model.json`` (what to build).

Loading runs no code from these files: architectures come from a closed list.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.io.json import as_json
from equipoise.scenes.io.tensors import read_tensors, tensors_as_bytes
from equipoise.scenes.model.description import DESCRIPTION, read_description
from equipoise.scenes.model.joint import SceneModel

WEIGHTS = "model.safetensors"


def model_files(model: SceneModel) -> dict[str, bytes]:
    """The two files of a model, by name."""
    return {WEIGHTS: tensors_as_bytes(model.state_dict()), DESCRIPTION: as_json(model.description)}


def load_weights(model: SceneModel, path: Path) -> None:
    """Load saved weights into a model; raises ``RunError`` where names, shapes or dtypes differ."""
    fit(model, read_tensors(path), path)


def fit(model: SceneModel, tensors: Mapping[str, Tensor], path: Path, *, only_try: bool = False) -> None:
    """Load tensors into a model; with ``only_try``, check only that they fit a model on the meta device."""
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
    """Raise ``RunError`` for weights that are infinite or NaN."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise RunError(f"{path}: expected finite weights, found infinity or NaN in {name}: train the run again")


def load_model(folder: Path) -> SceneModel:
    """Load the model of a run or export, in evaluation mode and float32.

    No memory is allocated before the weights are known to fit, since a damaged description may ask for any amount.

    Raises:
        RunError: the folder has no model, or a damaged one.
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
