"""A recipe: everything that decides a training run, read from TOML into frozen dataclasses."""

import dataclasses
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import from_table, read_toml
from equipoise.scenes.data.transforms import Augmentation


@dataclass(frozen=True, kw_only=True)
class SetRecipe:
    """One data set.

    Attributes:
        kind: ``cityscapes`` (the official layout), ``streets`` (the same layout, from ``equipoise generate``), or
            ``folder`` (your own files, as a data description says).
        path: the root of the data set; for ``folder`` the description's TOML file. Relative to the recipe.
        root: for ``folder``: where the described files lie, if not beside the description. Relative to the recipe.
        train: the split to train on.
        validation: the split to evaluate on.
        sky_is_zero: give pixels of the class sky zero inverse depth (as the paper does); ``false``: they have no
            depth label.
        classes: new names for some of its classes in this run. Two classes with one name become one class; an empty
            name removes the label.
        repeat: how often each of its images is used in an epoch, 1 … 1,000,000.
        weight: how much each of its images counts in the losses beside those of other data sets, above 0.
        optional_labels: accept images that lack a label which others have; otherwise a missing label ends the run.
        skip_broken: leave out images that cannot be read with all their labels, and report them; otherwise they end
            the run.
    """

    kind: Literal["cityscapes", "streets", "folder"]
    path: str
    root: str = ""
    train: str = "train"
    validation: str = "val"
    sky_is_zero: bool = True
    classes: dict[str, str] = field(default_factory=dict)
    repeat: int = 1
    weight: float = 1.0
    optional_labels: bool = False
    skip_broken: bool = False


@dataclass(frozen=True, kw_only=True)
class DataRecipe(SetRecipe):
    """The first data set, the size at which the network sees images, and where resized ones are kept.

    Attributes:
        size: height and width of the network's input, px.
        cache: keep resized samples in memory-mapped files, so that each image is decoded once.
        cache_folder: the folder of these files; empty: the user's cache folder. Relative to the recipe.
    """

    size: tuple[int, int]
    cache: bool = True
    cache_folder: str = ""


S = TypeVar("S", bound=SetRecipe)


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """The network: an encoder, ASPP, and a decoder for each task.

    Attributes:
        encoder_name: the encoder, one of those listed under *Encoders*.
        output_stride: how much smaller than the image the encoder's features are: 8 (the paper's) or 16.
        aspp_channels: channels of each ASPP branch (256 in the paper).
        decoder_channels: channels of each decoder's 3×3 convolution; left out: as many as ``aspp_channels``.
        normalization: ``batch``; ``group`` (does not depend on the batch); ``frozen`` (stored statistics).
    """

    encoder_name: str = "small"
    output_stride: int = 8
    aspp_channels: int = 128
    decoder_channels: int | None = None
    normalization: Literal["batch", "group", "frozen"] = "batch"


@dataclass(frozen=True, kw_only=True)
class LikelihoodRecipe:
    """The likelihood of one task, and how its noise σ is found.

    Attributes:
        kind: the likelihood, one of those listed under *Tasks*; empty: the task's default.
        init: the first log σ² (of dimensionless targets where ``standardize``), or ``first_batch``.
        update: ``gradient`` (the paper) or ``closed_form`` (a running mean of the loss gives σ).
        momentum: of the running mean, with ``closed_form`` only; 0.99 by default.
        standardize: the likelihood owns its target's unit, gathered from the first batches. Regressions only; by
            default all but ``laplace-paper``.
        floor: the least σ, as a fraction of the target's spread (of a coin flip's σ for classes); 0 turns it off.
            0.01 by default, with the target's own unit 0.0001 of the first batch's σ.
        class_weights: how much each class counts, by name; 1 where it is not named, 0: no label. Semantic task only.
        label_smoothing: how much of each label is spread evenly over the classes, 0 or more, below 1. Semantic task,
            not ``categorical-exact``.
    """

    kind: str = ""
    init: float | Literal["first_batch"] = 0.0
    update: Literal["gradient", "closed_form"] = "gradient"
    momentum: float | None = None
    standardize: bool | None = None
    floor: float | None = None
    class_weights: dict[str, float] = field(default_factory=dict)
    label_smoothing: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OptimizerRecipe:
    """The optimizer and its learning rates.

    Attributes:
        name: ``adamw`` or ``sgd`` (with Nesterov momentum).
        lr: the network's learning rate, before the schedule's factor.
        log_variance_lr: the learning rate of the log-variances, which follows the same schedule; left out: ten times
            ``lr``.
        weight_decay: of the network's parameters; log-variances have none.
        momentum: of ``sgd``.
        schedule: with p = step / steps, the factor is (1 − p)^power for ``polynomial`` (the paper's), (1 + cos πp) / 2
            for ``cosine``, and 1 for ``constant``.
        power: of the ``polynomial`` schedule.
        warmup_steps: during so many first steps the rate rises linearly from nearly 0.
        gradient_clip: the largest norm of the network's gradient, beyond which it is scaled down; left out: none.
    """

    name: Literal["adamw", "sgd"] = "adamw"
    lr: float = 1e-3
    log_variance_lr: float | None = None
    weight_decay: float = 1e-2
    momentum: float = 0.9
    schedule: Literal["polynomial", "cosine", "constant"] = "cosine"
    power: float = 0.9
    warmup_steps: int = 0
    gradient_clip: float | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """How long, how many at once, and what is written when.

    Attributes:
        steps: optimizer steps in all.
        batch_size: images in a step, of all processes together.
        seed: of the network's first weights, the order of the images and the augmentation.
        precision: the number format of the network's forward pass; ``auto``: bfloat16 where the processor computes in
            it, otherwise float32. Likelihoods always compute in float32.
        workers: processes that prepare batches; 0: the training process prepares them itself.
        log_every: write losses, σ and weights to the log every so many steps.
        checkpoint_every: save a checkpoint every so many steps; the last step is always saved.
        keep_checkpoints: how many of the newest checkpoints are kept.
        validate_every: evaluate on the validation split every so many steps, and after the last one, and keep the best
            model; 0: evaluate the last model once, when training is over.
        best_by: the figure that the best model is chosen by, such as ``semantic.mean_iou`` or ``depth.mae``; with
            several data sets ``data.semantic.mean_iou``. Empty: the geometric mean of the tasks' errors.
        early_stopping: stop after so many validations in a row without a new best; 0: never.
    """

    steps: int
    batch_size: int = 8
    seed: int = 0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    workers: int = 0
    log_every: int = 20
    checkpoint_every: int = 500
    keep_checkpoints: int = 2
    validate_every: int = 0
    best_by: str = ""
    early_stopping: int = 0


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run.

    Attributes:
        data: the first data set.
        training: how long to train.
        also: further data sets for the same network, by names of your choice.
        tasks: the tasks to train, any of those listed under *Tasks*.
        model: the network.
        augmentation: random changes of training images.
        likelihood: a table for each task; a task that is left out takes the defaults.
        optimizer: the optimizer.
    """

    data: DataRecipe
    training: TrainingRecipe
    also: dict[str, SetRecipe] = field(default_factory=dict)
    tasks: tuple[str, ...] = ("semantic", "instance", "depth")
    model: ModelRecipe = field(default_factory=ModelRecipe)
    augmentation: Augmentation = field(default_factory=Augmentation)
    likelihood: dict[str, LikelihoodRecipe] = field(default_factory=dict)
    optimizer: OptimizerRecipe = field(default_factory=OptimizerRecipe)

    @property
    def sets(self) -> dict[str, SetRecipe]:
        """Every data set by name; the first one is called ``data``."""
        return {"data": self.data, **self.also}

    def with_training(self, **values: Any) -> "Recipe":
        """The same recipe with other training values; ``None`` leaves a value as it is."""
        given = {key: value for key, value in values.items() if value is not None}
        recipe = dataclasses.replace(self, training=dataclasses.replace(self.training, **given))
        check_recipe(recipe, "command line")
        return recipe

    def as_table(self) -> dict[str, Any]:
        """Plain values, as they stand in JSON: for the record, and to tell two recipes apart."""
        table: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(self)))
        return table


def read_recipe(path: Path) -> Recipe:
    """The recipe in a TOML file, its data paths made absolute; raises ``RecipeError`` in one line."""
    recipe = from_table(Recipe, read_toml(path), str(path))
    check_recipe(recipe, str(path))
    here = path.resolve().parent
    also = {name: _absolute(one, here) for name, one in recipe.also.items()}
    return dataclasses.replace(recipe, data=_absolute(recipe.data, here), also=also)


def _absolute(data: S, here: Path) -> S:
    """The same data, its paths from the root of the file system on."""
    given = {key: getattr(data, key, "") for key in ("path", "root", "cache_folder")}
    paths: dict[str, Any] = {key: str(here / value) for key, value in given.items() if value}
    return dataclasses.replace(data, **paths)


Range = tuple[Callable[[Any], bool], str]
NOT_NEGATIVE: Range = (lambda v: 0 <= v <= 1e30, "0 or more, at most 10^30")
POSITIVE: Range = (lambda v: v is None or 0 < v <= 1e30, "a finite number above 0, at most 10^30")


def between(low: int, high: int) -> Range:
    """A whole number, or ``None``, within bounds: beyond them nothing can be computed."""
    return lambda v: v is None or low <= v <= high, f"{low} … {high:,}"


RANGES: dict[str, Range] = {
    "tasks": (lambda v: 0 < len(v) == len(set(v)), "at least one task, each once"),
    "data.size": (
        lambda v: min(v) >= 32 and v[0] * v[1] <= 2**25,
        "height and width of 32 px or more, 2^25 px in all",
    ),
    "model.aspp_channels": between(1, 16384),
    "model.decoder_channels": between(1, 16384),
    "augmentation.scale": (lambda v: 0 < v[0] <= v[1] <= 100, "two factors above 0, the smaller first, at most 100"),
    "augmentation.color": (lambda v: 0 <= v <= 1, "0 … 1"),
    "optimizer.lr": POSITIVE,
    "optimizer.log_variance_lr": POSITIVE,
    "optimizer.gradient_clip": POSITIVE,
    "optimizer.weight_decay": NOT_NEGATIVE,
    "optimizer.momentum": (lambda v: 0 <= v < 1, "0 or more and below 1"),
    "optimizer.power": POSITIVE,
    "optimizer.warmup_steps": NOT_NEGATIVE,
    "training.steps": between(1, 10**9),
    "training.batch_size": between(1, 65536),
    "training.log_every": between(1, 10**9),
    "training.checkpoint_every": between(1, 10**9),
    "training.keep_checkpoints": between(1, 10**9),
    "training.validate_every": between(0, 10**9),
    "training.early_stopping": between(0, 10**9),
    "training.seed": between(0, 2**32 - 1),
    "training.workers": between(0, 256),
}
"""Values that their types do not bound: what must hold, and how it is told."""


def check_recipe(recipe: Recipe, where: str) -> None:
    """Values that types cannot rule out."""
    for key in RANGES:
        found: Any = recipe
        for name in key.split("."):
            found = getattr(found, name)
        check_range(key, found, where)
    for name, data in recipe.sets.items():
        if not 1 <= data.repeat <= 10**6:
            raise RecipeError(f"{where}: {name}: repeat: expected 1 … 1,000,000, found {data.repeat}")
        if not 0 < data.weight <= 10**6:
            raise RecipeError(f"{where}: {name}: weight: expected a number above 0, at most 10^6, found {data.weight}")
        if data.weight != 1 and not recipe.also:
            raise RecipeError(
                f"{where}: {name}: weight: expected it with several data sets, found one, whose images all count the "
                "same: leave it out"
            )
        if data.root and data.kind != "folder":
            raise RecipeError(
                f"{where}: {name}: root: expected it with kind = 'folder', found {data.kind!r}: leave it out"
            )
    if not all(re.fullmatch(r"[A-Za-z][\w-]*", name) and name != "data" for name in recipe.also):
        raise RecipeError(f"{where}: also: expected names of letters and digits, not 'data', found {list(recipe.also)}")
    for name in recipe.likelihood:
        if name not in recipe.tasks:
            raise RecipeError(f"{where}: likelihood.{name}: expected one of the tasks {', '.join(recipe.tasks)}")
    _check_validation(recipe, where)


def _check_validation(recipe: Recipe, where: str) -> None:
    """Options that do nothing without validation, and a split that the model must not be chosen on."""
    training = recipe.training
    if not training.validate_every:
        for key in ("best_by", "early_stopping"):
            if value := getattr(training, key):
                raise RecipeError(
                    f"{where}: training.{key}: expected it with training.validate_every above 0, found {value!r} with "
                    "0: say how often to validate, or leave it out"
                )
        return
    for name, data in recipe.sets.items():
        if Path(data.validation).stem.lower() == "test":
            key = name if name == "data" else f"also.{name}"
            raise RecipeError(
                f"{where}: {key}.validation: expected a split other than {data.validation!r}, as "
                "training.validate_every chooses the best model on it: choose on a validation split, then evaluate "
                "with --split test"
            )


def check_range(key: str, found: Any, where: str) -> None:
    """Raise ``RecipeError`` for a value that its key does not allow."""
    holds, expected = RANGES[key]
    if not holds(found):
        raise RecipeError(f"{where}: {key}: expected {expected}, found {found}")


def changes_nothing(key: str) -> bool:
    """Whether what a run gives does not depend on a key: how it is worked at, and where the same data lie."""
    workings = ("training.workers", "training.checkpoint_every", "training.keep_checkpoints", "data.cache_folder")
    return key in workings or re.fullmatch(r"(data|also\.[^.]+)\.(path|root)", key) is not None


def differing_keys(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """The dotted keys whose values differ between two tables."""
    keys: list[str] = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            keys += differing_keys(a, b, f"{prefix}{key}.")
        elif a != b:
            keys.append(f"{prefix}{key}")
    return keys
