"""The record ``run.json``: how a run was made, how far it got, and which model it kept."""

import dataclasses
from dataclasses import dataclass
from typing import Any, Self

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.networks.encoders.weights import EncoderFile
from equipoise.scenes.tasks import Primary
from equipoise.scenes.training.precision import Precision, Products
from equipoise.scenes.training.selection import Better

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class ValidationRecord:
    """How a run validates, with what charts need to name the figures and their units."""

    every: int
    early_stopping: int = 0
    best_by: str
    better: Better
    of: tuple[str, ...] = ()
    primary: dict[str, Primary]


@dataclass(frozen=True, kw_only=True)
class KeptModel:
    """The model of a finished run, from step ``step`` of the ``of`` steps that were trained.

    ``chosen`` is ``best`` if validation chose it, with its score and the number of validations, and ``last`` otherwise.
    """

    step: int
    of: int
    chosen: str = "last"
    score: float | None = None
    validations: int | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """A key of the recipe that a resumed run changed."""

    key: str
    before: int
    after: int


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The content of ``run.json``. Anything that an older or unfinished run lacks is ``None`` or empty.

    ``device`` is the device that was used, never ``auto``; ``float32_products`` how a CUDA GPU multiplied float32.
    ``seconds`` is the training time, ``steps`` the number in the recipe, and ``steps_done`` the number trained.
    """

    format: int | None = None
    equipoise: str | None = None
    torch: str | None = None
    python: str | None = None
    command: str | None = None
    seed: int | None = None
    precision: Precision | None = None
    device: str | None = None
    device_name: str | None = None
    float32_products: Products | None = None
    threads: int | None = None
    processes: int | None = None
    started: str | None = None
    seconds: float | None = None
    steps: int | None = None
    train_images: int | None = None
    val_images: int | None = None
    skipped: tuple[str, ...] = ()
    input_size: tuple[int, int] | None = None
    tasks: tuple[str, ...] = ()
    vocabulary: SceneVocabulary | None = None
    camera: ModelCamera | None = None
    encoder_weights: EncoderFile | None = None
    validation: ValidationRecord | None = None
    steps_done: int | None = None
    stopped_early: bool | None = None
    parameters: int | None = None
    changed: tuple[Change, ...] = ()
    model: KeptModel | None = None

    @classmethod
    def from_json(cls, table: dict[str, Any], where: str) -> Self:
        """Read the table in ``run.json``; nulls and unknown keys count as absent.

        Raises:
            RunError: a value has the wrong type; the message begins with ``where``.
        """
        known = {field.name for field in dataclasses.fields(cls)}
        found = {key: value for key, value in table.items() if key in known and value is not None}
        try:
            changes = [_change(each, where) for each in found.pop("changed", [])]
            return dataclasses.replace(from_table(cls, found, where), changed=tuple(changes))
        except RecipeError as error:
            raise RunError(str(error)) from None

    def to_json(self) -> dict[str, Any]:
        """Return the table for ``run.json``, without the later keys that have no value yet."""
        table = dataclasses.asdict(self)
        table["changed"] = [{"key": each.key, "from": each.before, "to": each.after} for each in self.changed]
        if self.model is not None:
            table["model"] = {key: value for key, value in table["model"].items() if value is not None}
        absent = [key for key in ADDED_LATER if table[key] in (None, [])]
        return {key: value for key, value in table.items() if key not in absent}

    @property
    def model_behind(self) -> str:
        """A notice that the run was lengthened but not finished, so that its model is an earlier one; else empty."""
        former = None if self.model is None else self.model.of
        if former is None or self.steps_done is None or former >= self.steps_done:
            return ""
        return (
            f"training stopped at step {self.steps_done} of {self.steps}: the model is still that of the first "
            f"{former} steps; finish training with --resume to replace it"
        )


ADDED_LATER = (
    "device_name",
    "float32_products",
    "encoder_weights",
    "validation",
    "steps_done",
    "stopped_early",
    "parameters",
    "changed",
    "model",
)


def _change(table: Any, where: str) -> Change:
    if not isinstance(table, dict) or table.keys() != {"key", "from", "to"}:
        raise RunError(f"{where}: changed: expected key, from and to, found {table!r:.60}")
    return from_table(Change, {"key": table["key"], "before": table["from"], "after": table["to"]}, where)
