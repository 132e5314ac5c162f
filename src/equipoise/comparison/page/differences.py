"""The differences of all rows from the reference, with their intervals."""

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from equipoise.comparison.page.figure import INK, QUIET, RULE, Plot, brief, drawn
from equipoise.comparison.statistics import Interval, percent
from equipoise.comparison.summary import Summary

WIDEST = 5
"""How many plots stand side by side: of all tasks together, and of each."""


FAR = 3.0
"""Rows this many times as far from 0 as three quarters of the rows are not drawn to scale."""


def change_plot(summary: Summary) -> Plot | None:
    """Each row's change of the error relative to the reference, with its interval: all tasks together, and each."""
    rows = [row for row in summary.rows if row.tasks and not row.row.is_single]
    if not rows:
        return None
    tasks = dict.fromkeys(metric.task for metric in summary.metrics)
    panels: dict[str, list[Interval | None]] = {"all tasks": [row.change for row in rows]}
    panels |= {_named(task): found for task in tasks if any(found := [row.tasks.get(task) for row in rows])}
    lines = math.ceil(len(panels) / WIDEST)
    columns = math.ceil(len(panels) / lines)
    with drawn(9.8, 0.55 + (0.35 + 0.34 * len(rows)) * lines) as (figure, source):
        figure.set_layout_engine("constrained", w_pad=0.12)  # Inches: so that labels of neighbours do not touch.
        axes = figure.subplots(lines, columns, sharey=True, squeeze=False).flat
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        cut = [
            _panel(axis, brief(name, 80 // columns), changes)
            for axis, (name, changes) in zip(axes, panels.items(), strict=False)
        ]
        axes[0].set_yticks(range(len(rows)), [brief(row.row.name) for row in rows], color=INK)
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
        figure.supxlabel(f"error relative to {brief(summary.reference)}, % (left is better)", fontsize=9, color=QUIET)
    said = f"The change of the error relative to {summary.reference}, with 95 % bootstrap intervals over seeds."
    note = f"{said} A number with an arrow is a mean that lies beyond the plot." if any(cut) else said
    return Plot(title="Differences", source=source[0], alt=said, note=note)


def _named(task: str) -> str:
    """A task's name. A task called "all tasks" gets another one, since the plot over all tasks has that title."""
    return f"task {task}" if task == "all tasks" else task


def _panel(axis: Axes, name: str, changes: Sequence[Interval | None]) -> bool:
    """Draw the changes of one task, and return whether some lie beyond the plot."""
    axis.axvline(0, color=QUIET, linewidth=0.8)
    axis.set_title(name, loc="left")
    known = [(place, change) for place, change in enumerate(changes) if change is not None]
    limit = reach([max(abs(percent(change.low)), abs(percent(change.high))) for _, change in known])
    for place, change in known:
        low, mean, high = (percent(value) for value in (change.low, change.mean, change.high))
        color = QUIET if not change.excludes_zero else "#1c7a4d" if mean < 0 else "#b3402e"
        if low <= limit and high >= -limit:
            ends = [max(low, -limit), min(high, limit)]
            axis.plot(ends, [place, place], color=color, linewidth=2, solid_capstyle="round")
        if abs(mean) <= limit:
            axis.plot([mean], [place], "o", color=color, markersize=5)
        else:
            _number_at_edge(axis, place, mean, color)
    # An interval that goes on beyond the plot runs into its edge.
    if any(percent(change.low) <= limit < percent(change.high) for _, change in known):
        axis.set_xlim(right=limit)
    if any(percent(change.low) < -limit <= percent(change.high) for _, change in known):
        axis.set_xlim(left=-limit)
    axis.grid(axis="x", color=RULE, linewidth=0.6)
    axis.tick_params(length=0)
    axis.xaxis.set_major_locator(MaxNLocator(4))
    return any(abs(percent(change.mean)) > limit for _, change in known)


def _number_at_edge(axis: Axes, place: int, mean: float, color: str) -> None:
    edge, says, align = (1.0, f"{mean:+,.0f} ▸", "right") if mean > 0 else (0.0, f"◂ −{-mean:,.0f}", "left")
    box = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # So that lines do not cross the number.
    across = axis.get_yaxis_transform()
    axis.text(edge, place, says, transform=across, ha=align, va="bottom", fontsize=8, color=color, bbox=box)


def reach(ends: Sequence[float]) -> float:
    """Return how far from 0 a plot goes: as far as all rows, unless few would make one point of the others.

    >>> reach([5.0, 6.0, 7.0, 190.0]), reach([5.0, 190.0])
    (21.0, inf)
    """
    usual = sorted(ends)[math.ceil(0.75 * len(ends)) - 1] if ends else 0.0
    return FAR * usual if 0.0 < FAR * usual < max(ends) else math.inf
