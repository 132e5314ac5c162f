"""What a comparison records: its metrics, its rows and its runs, as frozen values that JSON can hold."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Weights = Mapping[str, float]
Trajectory = tuple[tuple[int, Weights], ...]
"""Each task's weight at some of the steps."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A figure by which a task is judged.

    Attributes:
        name: what is measured, such as ``"rmse"``.
        task: the task that it judges.
        higher_is_better: whether it grows as the task is learned.
        best: the value of a perfect prediction, where higher is better. The error of such a figure is best − value.
        unit: the unit of the values, for tables.

    >>> Metric(name="auc", task="spam", higher_is_better=True).key
    'spam.auc'
    """

    name: str
    task: str
    higher_is_better: bool = False
    best: float = 1.0
    unit: str = ""

    @property
    def key(self) -> str:
        """The name under which runs record it: task and name with a dot between them."""
        return f"{self.task}.{self.name}"

    def error(self, value: float) -> float:
        """The value as an error, lower being better: itself, or ``best`` − value.

        >>> Metric(name="iou", task="roads", higher_is_better=True).error(0.75)
        0.25
        """
        return self.best - value if self.higher_is_better else value


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """One finished or failed run: a candidate of a row, trained with one seed.

    Attributes:
        row: the row's name.
        candidate: the candidate's name, which states its settings, such as ``"lr 0.01"``.
        seed: of the split, the initial weights and the order of the batches.
        steps: optimizer steps that were made.
        seconds: wall-clock time of the training, validations included.
        validation: by ``Metric.key``, at the step that was best on the validation set.
        test: the same on the test set, at that step alone.
        best_step: that step.
        weights: each task's weight at some steps; empty where the method has no weights that can be read.
        update_norms: at the same steps, the length of the update of the network's parameters.
        settings: what the candidate set, to notice runs that were made with other settings.
        warnings: what was warned about, each message once.
        error: why the run failed; ``None`` where it finished.

    >>> record = RunRecord(row="equal", candidate="lr 0.01", seed=0, steps=100, seconds=1.5,
    ...                    validation={"a.rmse": 0.5}, test={"a.rmse": 0.6}, best_step=80)
    >>> RunRecord.from_json(record.to_json()) == record
    True
    """

    row: str
    candidate: str
    seed: int
    steps: int
    seconds: float
    validation: Weights = field(default_factory=dict)
    test: Weights = field(default_factory=dict)
    best_step: int | None = None
    weights: Trajectory = ()
    update_norms: tuple[tuple[int, float], ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: str | None = None

    @property
    def failed(self) -> bool:
        """Whether the run has no result."""
        return self.error is not None

    def to_json(self) -> str:
        """The record as JSON."""
        return _text(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "RunRecord":
        """The record that ``to_json`` wrote.

        Raises:
            ValueError: the text is no such record.
        """
        return cls._of(_object(text, "a run"))

    @classmethod
    def _of(cls, found: Mapping[str, Any]) -> "RunRecord":
        values = _known(cls, found)
        values["weights"] = tuple((int(step), dict(weights)) for step, weights in values.get("weights", ()))
        values["update_norms"] = tuple((int(step), float(norm)) for step, norm in values.get("update_norms", ()))
        values["warnings"] = tuple(values.get("warnings", ()))
        return cls(**values)


@dataclass(frozen=True, kw_only=True)
class RowInfo:
    """What a table says about a row.

    Attributes:
        name: unique in its comparison.
        description: one line.
        tasks: the tasks that it trains.
        control_of: where the row is a control of matched effective rate, the name of the row it belongs to.

    >>> RowInfo(name="depth alone", description="depth without other tasks", tasks=("depth",)).is_single
    True
    """

    name: str
    description: str
    tasks: tuple[str, ...]
    control_of: str | None = None

    @property
    def is_single(self) -> bool:
        """Whether it trains one task alone."""
        return len(self.tasks) == 1


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Everything that tables, statistics and pages need.

    Attributes:
        title: what was compared.
        metrics: in the order of the table's columns.
        rows: in the order of the table.
        records: of all runs, failed ones included.
        reference: the name of the row that all others are compared with.

    Raises:
        ValueError: rows of one name, a reference or a record of an unknown row, or a row with an unknown task.

    >>> metric = Metric(name="rmse", task="a")
    >>> row = RowInfo(name="equal", description="equal weights", tasks=("a",))
    >>> found = Comparison(title="trial", metrics=(metric,), rows=(row,), records=(), reference="equal")
    >>> Comparison.from_json(found.to_json()) == found
    True
    """

    title: str
    metrics: tuple[Metric, ...]
    rows: tuple[RowInfo, ...]
    records: tuple[RunRecord, ...]
    reference: str

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"Comparison: expected a name of its own for each row, found {sorted(twice)} twice")
        for name in (self.reference, *(record.row for record in self.records)):
            if name not in names:
                raise ValueError(f"Comparison: expected one of the rows {names}, found {name!r}")
        judged = {metric.task for metric in self.metrics}
        for row in self.rows:
            if missing := set(row.tasks) - judged:
                raise ValueError(f"row {row.name!r}: expected a metric for each task, found none for {sorted(missing)}")

    def row(self, name: str) -> RowInfo:
        """The row of a name.

        Raises:
            KeyError: there is none.
        """
        return {row.name: row for row in self.rows}[name]

    def metrics_of(self, row: str) -> tuple[Metric, ...]:
        """The metrics of the tasks that a row trains."""
        return tuple(metric for metric in self.metrics if metric.task in self.row(row).tasks)

    @property
    def tasks(self) -> tuple[str, ...]:
        """All tasks that have a metric, in their order."""
        return tuple(dict.fromkeys(metric.task for metric in self.metrics))

    def to_json(self) -> str:
        """The comparison as JSON."""
        return _text(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> "Comparison":
        """The comparison that ``to_json`` wrote.

        Raises:
            ValueError: the text is no such comparison.
        """
        values = _known(cls, _object(text, "a comparison"))
        rows = (_known(RowInfo, row) for row in values["rows"])
        return cls(
            title=values["title"],
            metrics=tuple(Metric(**_known(Metric, metric)) for metric in values["metrics"]),
            rows=tuple(RowInfo(**(row | {"tasks": tuple(row["tasks"])})) for row in rows),
            records=tuple(RunRecord._of(record) for record in values["records"]),
            reference=values["reference"],
        )


def _text(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=1, ensure_ascii=False, allow_nan=False)


def _object(text: str, what: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"expected the JSON object of {what}, found {type(found).__name__}")
    return found


def _known(kind: Any, found: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a dataclass; raises where one that it must have is absent, or one is unknown."""
    fields: Mapping[str, Any] = kind.__dataclass_fields__
    unknown: Sequence[str] = sorted(set(found) - set(fields))
    if unknown:
        raise ValueError(f"{kind.__name__}: expected the fields {sorted(fields)}, found {unknown}")
    return dict(found)
