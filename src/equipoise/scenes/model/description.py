"""What a model is, apart from its weights: enough to build it, and nothing that runs."""

import math
from dataclasses import dataclass
from pathlib import Path

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.cameras.camera import Camera, camera_fault
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.config.recipe import LikelihoodRecipe, ModelRecipe, Recipe, check_range
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.data.sample import IGNORE, SceneVocabulary
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.run_files import DESCRIPTION, RECIPE

FORMAT = 1


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
    if (folder / RECIPE).exists():
        return "the run is not finished: go on with equipoise train RECIPE --resume"
    return "name the folder of a run"
