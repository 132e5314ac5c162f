"""Records made by hand."""

from equipoise.comparison import Comparison, Metric, RowInfo, RunRecord

RMSE = Metric(name="rmse", task="a")
AUC = Metric(name="auc", task="b", higher_is_better=True)


def row(name: str, *tasks: str) -> RowInfo:
    return RowInfo(name=name, description=f"the row {name}", tasks=tasks or ("a", "b"))


def record(
    name: str,
    candidate: str,
    seed: int,
    test: tuple[float | None, float | None],
    validation: tuple[float | None, float | None] | None = None,
    **more: object,
) -> RunRecord:
    """A run whose two values are the RMSE of task a and the AUC of task b; ``None``: a task that it does not train."""
    return RunRecord(
        row=name,
        candidate=candidate,
        seed=seed,
        steps=10,
        seconds=2.0,
        test=_values(test),
        validation=_values(validation or test),
        best_step=10,
        **more,
    )


def _values(values: tuple[float | None, float | None]) -> dict[str, float]:
    return {metric.key: value for metric, value in zip((RMSE, AUC), values, strict=True) if value is not None}


def comparison(rows: list[RowInfo], records: list[RunRecord], reference: str) -> Comparison:
    return Comparison(
        title="by hand", metrics=(RMSE, AUC), rows=tuple(rows), records=tuple(records), reference=reference
    )
