"""A recipe: all settings of a training run, read from TOML into frozen dataclasses.

Each component defines its own settings and their ranges. This module assembles them and checks them together.
"""

import dataclasses
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from equipoise.errors import RecipeError
from equipoise.scenes.comparison.settings import COMPARISON_RANGES, ComparisonRecipe
from equipoise.scenes.config.ranges import Range, check_ranges
from equipoise.scenes.config.toml import from_table, read_toml
from equipoise.scenes.data.augmentation import AUGMENTATION_RANGES, Augmentation, check_augmentation
from equipoise.scenes.data.settings import DATA_RANGES, SET_RANGES, DataRecipe, SetRecipe, check_set
from equipoise.scenes.networks.settings import IMAGENET, MODEL_RANGES, ModelRecipe, check_model
from equipoise.scenes.tasks import DEFAULT_TASKS
from equipoise.scenes.tasks.settings import LIKELIHOOD_RANGES, LikelihoodRecipe
from equipoise.scenes.training.settings import OPTIMIZER_RANGES, TRAINING_RANGES, OptimizerRecipe, TrainingRecipe
from equipoise.scenes.training.weighting_settings import WeightingRecipe, check_weighting

S = TypeVar("S", bound=SetRecipe)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All settings of a run.

    Attributes:
        data: the first data set.
        training: how to train.
        also: further data sets for the same network, under names of your choice.
        tasks: the tasks to train, any of those listed under *Tasks*.
        model: the network.
        augmentation: random changes of training samples.
        likelihood: a table for each task; tasks without one use the defaults.
        optimizer: the optimizer.
        weighting: how the tasks' losses are weighed.
        comparison: what ``equipoise compare`` compares; it has no effect on a run.
    """

    data: DataRecipe
    training: TrainingRecipe
    also: dict[str, SetRecipe] = field(default_factory=dict)
    tasks: tuple[str, ...] = DEFAULT_TASKS
    model: ModelRecipe = field(default_factory=ModelRecipe)
    augmentation: Augmentation = field(default_factory=Augmentation)
    likelihood: dict[str, LikelihoodRecipe] = field(default_factory=dict)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)
    weighting: WeightingRecipe = field(default_factory=WeightingRecipe)
    comparison: ComparisonRecipe = field(default_factory=ComparisonRecipe)

    @property
    def sets(self) -> dict[str, SetRecipe]:
        """All data sets by name; the first one is called ``data``."""
        return {"data": self.data, **self.also}

    def with_training(self, **values: Any) -> "Recipe":
        """Return a copy with other training settings; ``None`` keeps a setting."""
        given = {key: value for key, value in values.items() if value is not None}
        recipe = dataclasses.replace(self, training=dataclasses.replace(self.training, **given))
        check_recipe(recipe, "command line")
        return recipe

    def as_table(self) -> dict[str, Any]:
        """Return the recipe as plain JSON values, to record and compare it."""
        table: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return table


def read_recipe(path: Path) -> Recipe:
    """Read and check the recipe in a TOML file, and make its paths absolute.

    Raises ``RecipeError`` with a message of one line.
    """
    recipe = from_table(Recipe, read_toml(path), str(path))
    check_recipe(recipe, str(path))
    here = path.resolve().parent
    also = {name: _absolute(one, here) for name, one in recipe.also.items()}
    model = recipe.model
    if model.encoder_weights not in (None, IMAGENET):
        model = dataclasses.replace(model, encoder_weights=str(here / str(model.encoder_weights)))
    return dataclasses.replace(recipe, data=_absolute(recipe.data, here), also=also, model=model)


def _absolute(data: S, here: Path) -> S:
    """Return a copy with absolute paths."""
    given = {key: getattr(data, key, "") for key in ("path", "root", "cache_folder")}
    paths: dict[str, Any] = {key: str(here / value) for key, value in given.items() if value}
    return dataclasses.replace(data, **paths)


RANGES: dict[str, Range] = {
    "tasks": (lambda v: 0 < len(v) == len(set(v)), "at least one task, each once"),
    **{
        f"{table}.{key}": each
        for table, ranges in (
            ("data", DATA_RANGES),
            ("also.NAME", SET_RANGES),
            ("model", MODEL_RANGES),
            ("augmentation", AUGMENTATION_RANGES),
            ("likelihood.NAME", LIKELIHOOD_RANGES),
            ("optimizer", OPTIMIZER_RANGES),
            ("training", TRAINING_RANGES),
            ("comparison", COMPARISON_RANGES),
        )
        for key, each in ranges.items()
    },
}
"""The ranges of all components by dotted key, for the reference page."""


def check_recipe(recipe: Recipe, where: str) -> None:
    """Raise ``RecipeError`` for mistakes that types cannot rule out; ``where`` is the file."""
    check_tasks(recipe.tasks, recipe.likelihood, where)
    if not all(re.fullmatch(r"[A-Za-z][\w-]*", name) and name != "data" for name in recipe.also):
        raise RecipeError(f"{where}: also: expected names of letters and digits, not 'data', found {list(recipe.also)}")
    for name, data in recipe.sets.items():
        key = _key(name)
        check_set(data, key, where)
        if data.weight != 1 and not recipe.also:
            raise RecipeError(
                f"{where}: {key}.weight: expected it only with several data sets, found {data.weight} with one: "
                "leave it out"
            )
    check_model(recipe.model, where)
    check_augmentation(recipe.augmentation, recipe.data.size, where)
    check_ranges(recipe.optimizer, OPTIMIZER_RANGES, "optimizer", where)
    check_ranges(recipe.training, TRAINING_RANGES, "training", where)
    training = recipe.training
    if training.init_tasks and not set(recipe.tasks) <= set(training.init_tasks):
        raise RecipeError(
            f"{where}: training.init_tasks: expected all of the tasks {', '.join(recipe.tasks)} among them, found "
            f"{', '.join(training.init_tasks)}"
        )
    check_weighting(recipe.weighting, recipe.tasks, where, accumulate=training.accumulate, compiled=training.compile)
    check_ranges(recipe.comparison, COMPARISON_RANGES, "comparison", where)
    _check_accumulation(recipe, where)
    _check_validation(recipe, where)


def check_tasks(tasks: tuple[str, ...], likelihood: dict[str, LikelihoodRecipe], where: str) -> None:
    """Raise ``RecipeError`` for repeated tasks, likelihoods of other tasks, and settings out of range."""
    is_allowed, expected = RANGES["tasks"]
    if not is_allowed(tasks):
        raise RecipeError(f"{where}: tasks: expected {expected}, found {tasks}")
    for name, settings in likelihood.items():
        if name not in tasks:
            raise RecipeError(f"{where}: likelihood.{name}: expected one of the tasks {', '.join(tasks)}")
        check_ranges(settings, LIKELIHOOD_RANGES, f"likelihood.{name}", where)


def _key(name: str) -> str:
    """Return the name of a data set's TOML table."""
    return name if name == "data" else f"also.{name}"


def _check_accumulation(recipe: Recipe, where: str) -> None:
    """Refuse more parts than images, and noises that would follow each part by itself."""
    training = recipe.training
    if training.accumulate == 1:
        return
    if training.accumulate > training.batch_size:
        raise RecipeError(
            f"{where}: training.accumulate: expected at most batch_size = {training.batch_size} parts, found "
            f"{training.accumulate}"
        )
    for name, settings in recipe.likelihood.items():
        for key, whole in (("init", "first_batch"), ("update", "closed_form")):
            if getattr(settings, key) == whole:
                raise RecipeError(
                    f"{where}: training.accumulate: expected 1 with likelihood.{name}.{key} = {whole!r}, which takes σ "
                    f"from whole batches, found {training.accumulate}"
                )


def _check_validation(recipe: Recipe, where: str) -> None:
    """Refuse options that have no effect without validation, and a test split for choosing the model."""
    training = recipe.training
    if not training.validate_every:
        for key in ("best_by", "early_stopping"):
            if value := getattr(training, key):
                raise RecipeError(
                    f"{where}: training.{key}: expected it only with training.validate_every above 0, found {value!r} "
                    "without: set how often to validate, or leave it out"
                )
        return
    for name, data in recipe.sets.items():
        if Path(data.validation).stem.lower() == "test":
            raise RecipeError(
                f"{where}: {_key(name)}.validation: expected a split other than {data.validation!r}, since "
                "training.validate_every uses it to choose the best model: use a validation split here, and evaluate "
                "with --split test afterwards"
            )
