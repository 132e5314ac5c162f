"""The log as charts: a row a quantity, a chart a task."""

from typing import Any

from markupsafe import Markup

from equipoise.scenes.report.chart import Series, line_chart
from equipoise.scenes.report.words import number

Log = list[dict[str, Any]]

QUANTITIES = (("loss", "raw loss"), ("sigma", "σ"), ("weight", "weight"), ("share", "weight × raw loss"))
OVERALL = (
    ("loss", "joint loss"),
    ("learning_rate", "learning rate"),
    ("gradient_norm", "gradient norm"),
    ("images_per_second", "images a second"),
)


def task_charts(log: Log) -> list[list[dict[str, Any]]]:
    """Rows of charts: raw loss, σ, weight, and their product, of each task that the log knows.

    One task alone has them all in one row.
    """
    tasks = list(dict.fromkeys(task for entry in log for task in entry.get("tasks") or {}))
    rows = [
        [_chart(log, f"{task}, {label}", [_term(entry, task, key) for entry in log], i) for i, task in enumerate(tasks)]
        for key, label in QUANTITIES
    ]
    rows = [row for row in rows if any(chart["svg"] for chart in row)]
    return [[row[0] for row in rows]] if len(tasks) == 1 and rows else rows


def overall_charts(log: Log) -> list[dict[str, Any]]:
    """The joint loss, the learning rate, the gradient's norm and the speed."""
    charts = [_chart(log, label, [entry.get(key) for entry in log], 3) for key, label in OVERALL]
    return [chart for chart in charts if chart["svg"]]


def _chart(log: Log, title: str, values: list[Any], color: int) -> dict[str, Any]:
    """``svg`` is empty where fewer than two values are known."""
    series = Series(steps=[float(entry["step"]) for entry in log], values=[_scalar(v) for v in values], color=color)
    # A rate that a schedule brings to zero spans decades at its very end alone.
    svg = line_chart([series], title, logarithmic=False if title == "learning rate" else None)
    return {"title": title, "svg": Markup(svg), "last": number(values[-1] if values else None), "color": color % 4}


def _term(entry: dict[str, Any], task: str, key: str) -> Any:
    term = (entry.get("tasks") or {}).get(task) or {}
    if key != "share":
        return term.get(key)
    loss, weight = term.get("loss"), term.get("weight")
    return loss * weight if isinstance(loss, int | float) and isinstance(weight, int | float) else None


def _scalar(value: Any) -> float | None:
    """One number for a chart: the mean of a list."""
    if isinstance(value, list):
        known = [float(v) for v in value if isinstance(v, int | float)]
        return sum(known) / len(known) if known else None
    return float(value) if isinstance(value, int | float) else None
