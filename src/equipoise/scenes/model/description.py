"""The description of a model: all that is needed to build it, apart from its weights."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.cameras.camera import Camera, camera_fault
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.config.ranges import check_ranges
from equipoise.scenes.config.recipe import Recipe, check_tasks
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.data.settings import DATA_RANGES
from equipoise.scenes.io.json import read_format
from equipoise.scenes.io.run_files import DESCRIPTION, RECIPE
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary
from equipoise.scenes.networks.encoders import find_encoder
from equipoise.scenes.networks.encoders.encoder import IMAGENET, Preprocessing
from equipoise.scenes.networks.settings import MODEL_RANGES, ModelRecipe
from equipoise.scenes.tasks.settings import LikelihoodRecipe

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class ModelDescription:
    """All that is needed to build a model, apart from its weights.

    Attributes:
        format: of the file, ``FORMAT``.
        tasks: by name, in the order of the network's decoders.
        vocabulary: classes and the unit of depth.
        input_size: height and width of the images that it takes, whole, px.
        crop: height and width of the parts of them that it was trained on, px; ``None``: all of them.
        model: the network.
        likelihood: of each task; one that is absent has the defaults.
        preprocessing: how pixels are normalised; a file without it means ImageNet's statistics.
        camera: that of the training images.
        camera_spread: how much the cameras of the training images differ, see ``ModelCamera``.
    """

    format: int = FORMAT
    tasks: tuple[str, ...]
    vocabulary: SceneVocabulary
    input_size: tuple[int, int]
    crop: tuple[int, int] | None = None
    model: ModelRecipe
    likelihood: dict[str, LikelihoodRecipe]
    preprocessing: Preprocessing = IMAGENET
    camera: Camera | None = None
    camera_spread: float = 0.0

    @property
    def training_size(self) -> tuple[int, int]:
        """Height and width of the network's input in training, from which the dilations of ASPP follow."""
        return self.crop or self.input_size


def describe(recipe: Recipe, vocabulary: SceneVocabulary, known: ModelCamera | None = None) -> ModelDescription:
    """The model that a recipe asks for, for data of this vocabulary and camera; raises ``RecipeError``."""
    known = known or ModelCamera()
    return ModelDescription(
        tasks=recipe.tasks,
        vocabulary=vocabulary,
        input_size=recipe.data.size,
        crop=recipe.augmentation.crop,
        model=dataclasses.replace(recipe.model, encoder_weights=None),  # The model's own weights hold them.
        likelihood=recipe.likelihood,
        preprocessing=find_encoder(recipe.model.encoder_name).preprocessing,
        camera=known.camera,
        camera_spread=known.spread,
    )


def read_description(folder: Path) -> ModelDescription:
    """Read ``model.json`` of a run or export; raises ``RunError`` where it is missing or damaged."""
    path = folder / DESCRIPTION
    try:
        table = read_format(path, FORMAT, "model")
    except (FileNotFoundError, NotADirectoryError):
        raise RunError(f"expected a model at {folder}, found no {DESCRIPTION}: {_hint(folder)}") from None
    try:
        description = from_table(ModelDescription, table, str(path))
        check_description(description, str(path))
    except RecipeError as error:
        raise RunError(str(error)) from None
    return description


def check_description(description: ModelDescription, where: str) -> None:
    """Raise ``RecipeError`` for values that types cannot rule out."""
    check_tasks(description.tasks, description.likelihood, where)
    is_allowed, expected = DATA_RANGES["size"]
    for key, size in (("input_size", description.input_size), ("crop", description.crop or description.input_size)):
        if not is_allowed(size):
            raise RecipeError(f"{where}: {key}: expected {expected}, found {size}")
    check_ranges(description.model, MODEL_RANGES, "model", where)
    classes, sky = description.vocabulary.classes, description.vocabulary.sky
    if len(classes) > IGNORE or not (sky is None or 0 <= sky < len(classes)):
        raise RecipeError(f"{where}: vocabulary: expected at most {IGNORE} classes, one of them the sky, found others")
    if not all(0 <= value <= 255 for c in classes for value in c.color):
        raise RecipeError(f"{where}: vocabulary: expected colours of 0 … 255, found others")
    _check_preprocessing(description.preprocessing, where)
    if description.camera is not None:
        if (fault := camera_fault(description.camera)) is not None:
            raise RecipeError(f"{where}: camera.{fault}")
        if description.camera.size is None or not 0 <= description.camera_spread < math.inf:
            raise RecipeError(f"{where}: camera: expected its size, and a spread of 0 or more, found others")
    if len({c.name for c in classes}) != len(classes):
        raise RecipeError(f"{where}: vocabulary: expected classes with different names, found two with the same")


def _check_preprocessing(preprocessing: Preprocessing, where: str) -> None:
    values = (*preprocessing.mean, *preprocessing.std, preprocessing.input_max)
    if not all(map(math.isfinite, values)) or min(*preprocessing.std, preprocessing.input_max) <= 0:
        raise RecipeError(
            f"{where}: preprocessing: expected finite numbers, std and input_max above 0, found {preprocessing}"
        )


def _hint(folder: Path) -> str:
    if (folder / RECIPE).exists():
        return "the run is not finished: continue it with equipoise train RECIPE --resume"
    return "name the folder of a run"
