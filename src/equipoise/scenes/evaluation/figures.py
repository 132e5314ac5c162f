"""The figures of an evaluation, and their JSON form (``metrics.json``, ``evaluate --json``)."""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from equipoise.scenes.tasks import Primary

ByClass = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The value of a baseline, and by how much the model beats it (``margin``, in the unit of the figure)."""

    baseline: str
    value: float | None
    margin: float | None

    @property
    def better(self) -> bool:
        """Whether the model beats the baseline."""
        return self.margin is not None and self.margin > 0


@dataclass(frozen=True, kw_only=True)
class TaskFigures:
    """All figures of one task.

    Attributes:
        primary: the main figure of the task; ``None`` in a damaged file.
        values: every figure by name, ``None`` if it has no value; a dict holds one value for each class.
        baselines: the primary figure of each baseline.
    """

    primary: Primary | None
    values: dict[str, float | ByClass | None]
    baselines: dict[str, float | None] = dataclasses.field(default_factory=dict)

    @property
    def value(self) -> float | None:
        """The primary figure."""
        value = None if self.primary is None else self.values.get(self.primary.metric)
        return None if isinstance(value, dict) else value

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """The comparison with each baseline. Margins are computed nowhere else."""
        return tuple(
            Comparison(baseline=name, value=value, margin=self._margin(value)) for name, value in self.baselines.items()
        )

    def by_class(self, name: str) -> ByClass:
        """Return a figure of each class; empty if there is none."""
        value = self.values.get(name)
        return value if isinstance(value, dict) else {}

    def _margin(self, reference: float | None) -> float | None:
        if self.primary is None or self.value is None or reference is None:
            return None
        return self.primary.improvement(self.value, reference)


@dataclass(frozen=True, kw_only=True)
class ImageFigures:
    """The primary figure of each task on one image; ``None`` if the image has no label for the task."""

    name: str
    values: dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Calibrated:
    """The figures of one task, with its noise as trained or refitted.

    Attributes:
        nll: mean −log p(y), nats.
        calibration_error: expected calibration error of classes, 0 … 1.
        coverage: the share of targets inside the central interval, by the interval's level in %.
    """

    nll: float | None = None
    calibration_error: float | None = None
    coverage: dict[str, float | None] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Read the figures from a table."""
        return cls(
            nll=_number(table.get("nll")),
            calibration_error=_number(table.get("calibration_error")),
            coverage={str(level): _number(share) for level, share in (table.get("coverage") or {}).items()},
        )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The figures of one task before and after ``refit``; the latter are empty if the data did not determine it."""

    before: Calibrated
    after: Calibrated

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Read the figures from a table."""
        return cls(**{when: Calibrated.from_json(table.get(when) or {}) for when in ("before", "after")})


@dataclass(frozen=True, kw_only=True)
class SetFigures:
    """The figures of one data set, in its own classes; ``calibration`` is ``None`` if it was not measured."""

    split: str
    images: int | None
    tasks: dict[str, TaskFigures]
    per_image: tuple[ImageFigures, ...] = ()
    calibration: dict[str, Calibration] | None = None

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Read figures from a table. Missing and null parts count as absent.

        Raises:
            AttributeError, KeyError, TypeError, ValueError: the table is damaged.
        """
        primary = {task: Primary(**given) for task, given in (table.get("primary") or {}).items()}
        values = {task: _values(given or {}) for task, given in (table.get("tasks") or {}).items()}
        baselines = {name: given or {} for name, given in (table.get("baselines") or {}).items()}
        tasks = {
            task: TaskFigures(
                primary=primary.get(task),
                values=values.get(task, {}),
                baselines={name: _number(given.get(task)) for name, given in baselines.items()},
            )
            for task in values | primary
        }
        return cls(
            split=str(table.get("split") or "?"),
            images=table.get("images"),
            tasks=tasks,
            per_image=tuple(_image(row) for row in table.get("per_image") or ()),
            calibration=_calibration(table.get("calibration")),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the table of this data set."""
        names = dict.fromkeys(name for task in self.tasks.values() for name in task.baselines)
        calibration = {task: dataclasses.asdict(one) for task, one in (self.calibration or {}).items()}
        return {
            "split": self.split,
            "images": self.images,
            "tasks": {task: dict(figures.values) for task, figures in self.tasks.items()},
            "primary": {task: dataclasses.asdict(one.primary) for task, one in self.tasks.items() if one.primary},
            "baselines": {name: {task: one.baselines[name] for task, one in self.tasks.items()} for name in names},
            "per_image": [{"name": image.name, **image.values} for image in self.per_image],
            **({"calibration": without_nan(calibration)} if self.calibration is not None else {}),
        }


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of a run.

    Attributes:
        sets: the figures of each evaluated data set by name; the first is the recipe's ``data``.
        sigma: the learned noise of each task, in its target's unit at the network's input size; a list if by channel.
        grouping: how objects were found; empty if none were looked for, or if an older version wrote the file.
    """

    sets: dict[str, SetFigures]
    sigma: dict[str, Any]
    grouping: str = ""

    @property
    def first(self) -> SetFigures:
        """The figures of the first data set."""
        return next(iter(self.sets.values()))

    @property
    def titled(self) -> dict[str, SetFigures]:
        """The data sets by the name to show, which is empty if there is only one."""
        return self.sets if len(self.sets) > 1 else {"": self.first}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> Self:
        """Read the figures in ``metrics.json``; see ``SetFigures.from_json``."""
        also = {str(name): SetFigures.from_json(given) for name, given in (table.get("also") or {}).items()}
        return cls(
            sets={"data": SetFigures.from_json(table), **also},
            sigma=dict(table.get("sigma") or {}),
            grouping=str(table.get("grouping") or ""),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the table of ``metrics.json``: the first data set, ``sigma``, and further sets in ``also``."""
        _, *others = self.sets
        table = self.first.to_json() | {"sigma": self.sigma} | ({"grouping": self.grouping} if self.grouping else {})
        return table | ({"also": {name: self.sets[name].to_json() for name in others}} if others else {})


def without_nan(value: Any) -> Any:
    """Replace NaN and infinity, which JSON does not have, by ``None``.

    >>> without_nan({"mae": float("nan"), "iou": {"road": 0.5}})
    {'mae': None, 'iou': {'road': 0.5}}
    """
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _values(table: Mapping[str, Any]) -> dict[str, float | ByClass | None]:
    return {
        name: {one: _number(each) for one, each in value.items()} if isinstance(value, dict) else _number(value)
        for name, value in table.items()
    }


def _image(row: Mapping[str, Any]) -> ImageFigures:
    return ImageFigures(
        name=str(row["name"]), values={task: _number(value) for task, value in row.items() if task != "name"}
    )


def _calibration(given: Mapping[str, Any] | None) -> dict[str, Calibration] | None:
    return None if given is None else {task: Calibration.from_json(one) for task, one in given.items()}


def _number(value: Any) -> float | None:
    return None if value is None else float(value)
