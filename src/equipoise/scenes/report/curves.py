"""Draw the training log as charts: a row for each quantity, a chart for each task."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from equipoise.scenes.report.chart import NEUTRAL, TASK_COLORS, Series, line_chart
from equipoise.scenes.training.log import Entry
from equipoise.scenes.wording import decimals, fixed, number

QUANTITIES = (("loss", "raw loss"), ("sigma", "σ"), ("weight", "weight"), ("share", "weight × raw loss"))
OVERALL = (
    ("loss", "joint loss"),
    ("learning_rate", "learning rate"),
    ("gradient_norm", "gradient norm"),
    ("images_per_second", "images per second"),
)
EXACT = {"sigma", "weight", "learning_rate"}
"""Quantities without noise. The others also get a running median as their strong line."""


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart with the words above it.

    Attributes:
        title: the name of the quantity.
        drawing: the chart; empty if fewer than two values are known.
        last: the number that stands beside the title.
        color: the number of its colour in the style sheet.
    """

    title: str
    drawing: Markup
    last: str
    color: int


def task_charts(log: Sequence[Entry]) -> list[list[Chart]]:
    """Return rows of charts: raw loss, σ, weight, and their product, of each task in the log.

    The products share one axis. The charts of a single task are all in one row.
    """
    tasks = list(dict.fromkeys(task for entry in log for task in entry.get("tasks") or {}))
    rows = []
    for key, label in QUANTITIES:
        columns = [_series(log, [_term(entry, task, key) for entry in log], key, i) for i, task in enumerate(tasks)]
        values = [value for column in columns for _, value in column.points]
        span = (min(values), max(values)) if values and key == "share" else None
        rows.append([chart(f"{task}, {label}", column, span) for task, column in zip(tasks, columns, strict=True)])
    rows = [row for row in rows if any(each.drawing for each in row)]
    return [[row[0] for row in rows]] if len(tasks) == 1 and rows else rows


def overall_charts(log: Sequence[Entry]) -> list[Chart]:
    """Return charts of the joint loss, the learning rate, the gradient norm and the speed."""
    found = []
    for key, label in OVERALL:
        series = _series(log, [entry.get(key) for entry in log], key, NEUTRAL)
        # A learning rate that ends at zero spans decades in its last steps alone, so its axis is linear.
        found.append(chart(label, series, logarithmic=False if key == "learning_rate" else None))
    return [each for each in found if each.drawing]


def chart(
    title: str,
    series: Series,
    span: tuple[float, float] | None = None,
    *,
    logarithmic: bool | None = None,
    mark: float | None = None,
) -> Chart:
    """Draw a series; ``last`` is the end of its strong line, or its value at the step ``mark``."""
    ends = series.strong[-1:] if mark is None else [value for step, value in series.points if step == mark]
    drawing = Markup(line_chart(series, title, span=span, logarithmic=logarithmic, mark=mark))
    return Chart(title=title, drawing=drawing, last=ending(next(iter(ends), None), series), color=series.color)


def ending(value: float | None, series: Series) -> str:
    """Format the value at the end of a line, with the decimals that tell it from the others on its axis."""
    known = [each for _, each in series.points]
    places = decimals(value)
    spread = max(known) - min(known) if known else 0.0
    if places is None or spread <= 0:
        return number(value)
    return fixed(value, min(max(places, 1 - math.floor(math.log10(spread))), 10))


def _series(log: Sequence[Entry], values: Sequence[Any], key: str, color: int) -> Series:
    steps = [float(entry["step"]) for entry in log]
    color = color if color == NEUTRAL else color % TASK_COLORS
    return Series(steps=steps, values=[_scalar(value) for value in values], color=color, smooth=key not in EXACT)


def _term(entry: Entry, task: str, key: str) -> Any:
    term = (entry.get("tasks") or {}).get(task) or {}
    if key != "share":
        return term.get(key)
    loss, weight = term.get("loss"), term.get("weight")
    return loss * weight if isinstance(loss, int | float) and isinstance(weight, int | float) else None


def _scalar(value: Any) -> float | None:
    """Return one number for a chart: of a list, the mean."""
    if isinstance(value, list):
        known = [float(v) for v in value if isinstance(v, int | float)]
        return sum(known) / len(known) if known else None
    return float(value) if isinstance(value, int | float) else None
