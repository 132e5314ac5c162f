"""The log as charts: a row a quantity, a chart a task."""

import math
from typing import Any

from markupsafe import Markup

from equipoise.scenes.report.chart import Series, line_chart
from equipoise.scenes.wording import decimals, fixed, number

Log = list[dict[str, Any]]

QUANTITIES = (("loss", "raw loss"), ("sigma", "σ"), ("weight", "weight"), ("share", "weight × raw loss"))
OVERALL = (
    ("loss", "joint loss"),
    ("learning_rate", "learning rate"),
    ("gradient_norm", "gradient norm"),
    ("images_per_second", "images a second"),
)
EXACT = {"sigma", "weight", "learning_rate"}
"""What is drawn as it is; the rest is noisy, and its strong line is a running median."""


def task_charts(log: Log) -> list[list[dict[str, Any]]]:
    """Rows of charts: raw loss, σ, weight, and their product, of each task that the log knows.

    The products share one axis. One task alone has them all in one row.
    """
    tasks = list(dict.fromkeys(task for entry in log for task in entry.get("tasks") or {}))
    rows = []
    for key, label in QUANTITIES:
        columns = [[_term(entry, task, key) for entry in log] for task in tasks]
        span = _span(log, columns) if key == "share" else None
        titles = [f"{task}, {label}" for task in tasks]
        rows.append([_chart(log, titles[i], key, columns[i], i, span) for i in range(len(tasks))])
    rows = [row for row in rows if any(chart["svg"] for chart in row)]
    return [[row[0] for row in rows]] if len(tasks) == 1 and rows else rows


def overall_charts(log: Log) -> list[dict[str, Any]]:
    """The joint loss, the learning rate, the gradient's norm and the speed."""
    charts = [_chart(log, label, key, [entry.get(key) for entry in log], 3) for key, label in OVERALL]
    return [chart for chart in charts if chart["svg"]]


def _chart(
    log: Log, title: str, key: str, values: list[Any], color: int, span: tuple[float, float] | None = None
) -> dict[str, Any]:
    """``svg`` is empty where fewer than two values are known; ``last`` is where the strong line ends."""
    series = _series(log, values, color=color % 4, smooth=key not in EXACT)
    # A rate that a schedule brings to zero spans decades at its very end alone.
    svg = line_chart(series, title, span=span, logarithmic=False if key == "learning_rate" else None)
    ends = series.strong if series.smooth else values
    return {"title": title, "svg": Markup(svg), "last": ending(ends[-1] if ends else None, series), "color": color % 4}


def ending(value: Any, series: Series) -> str:
    """The value where a line ends, with the decimals that tell it from the others on its axis."""
    known = [shown for _, shown in series.points]
    plain, places = _scalar(value), decimals(_scalar(value))
    spread = max(known) - min(known) if known else 0.0
    if plain is None or places is None or spread <= 0:
        return number(value)
    return fixed(plain, min(max(places, 1 - math.floor(math.log10(spread))), 10))


def _series(log: Log, values: list[Any], *, color: int = 0, smooth: bool = False) -> Series:
    steps = [float(entry["step"]) for entry in log]
    return Series(steps=steps, values=[_scalar(value) for value in values], color=color, smooth=smooth)


def _span(log: Log, columns: list[list[Any]]) -> tuple[float, float] | None:
    """The least and the largest of all the values."""
    values = [value for column in columns for _, value in _series(log, column).points]
    return (min(values), max(values)) if values else None


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
