"""The course of the tasks' weights during training."""

import itertools
import math
import statistics
import textwrap
from collections.abc import Mapping, Sequence

from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator

from equipoise._wording import number
from equipoise.comparison.page.figure import COLORS, RULE, Plot, brief, drawn
from equipoise.comparison.records import RunRecord
from equipoise.comparison.summary import RowSummary, Summary

DASHES = ("-", "--", ":", "-.")
"""Of lines whose colours have been used before."""
TITLE = 34
"""How many letters of a title fit above a plot."""
FAR = 3000.0
"""Weights that differ by more than this factor are not drawn on one scale."""


def weight_plots(summary: Summary, label: str) -> list[Plot]:
    """The course of each task's weight in the rows that train several, on one scale, so that heights compare.

    A row has a scale of its own where its weights are far from those of the others, as in another unit.
    """
    rows = {row.row.name: row for row in summary.rows if not row.row.is_single}
    values = {name: found for name, row in rows.items() if (found := _positive(row.selected.runs))}
    shared = {name: found for name, found in values.items() if not _is_far(found, values)}
    common = limits([value for found in shared.values() for value in found])
    tasks = dict.fromkeys(metric.task for metric in summary.metrics)
    looks = dict(zip(tasks, itertools.cycle(itertools.product(DASHES, COLORS)), strict=False))
    return [
        _weight_plot(rows[name], label, looks, limits(found), note="own scale")
        if name not in shared
        else _weight_plot(rows[name], label, looks, common)
        for name, found in values.items()
    ]


def _positive(runs: Mapping[int, RunRecord]) -> list[float]:
    return [value for run in runs.values() for _, weights in run.weights for value in weights.values() if value > 0]


def _is_far(own: Sequence[float], values: Mapping[str, Sequence[float]]) -> bool:
    """Whether some weights of a row are ``FAR`` times above or below the usual ones."""
    usual = statistics.median(statistics.median(found) for found in values.values())
    return max(own) > FAR * usual or min(own) < usual / FAR


def _weight_plot(
    row: RowSummary, label: str, looks: Mapping[str, tuple[str, str]], between: tuple[float, float], note: str = ""
) -> Plot:
    """One thin line a seed and task; a task has the same look (dashes and color) in every plot."""
    name, tasks, runs = row.row.name, row.row.tasks, row.selected.runs
    title, names = textwrap.wrap(brief(name, 2 * TITLE), TITLE), [brief(task, 28) for task in tasks]
    columns = min(4, max(1, int(250 / (32 + 5 * max(map(len, names))))))  # Points: entries beside each other.
    entries = math.ceil(len(names) / columns)
    with drawn(3.6, 2.55 + 0.15 * entries + 0.15 * (len(title) - 1)) as (figure, source):
        axis = figure.subplots()
        for task, short in zip(tasks, names, strict=True):
            dashes, color = looks[task]
            for place, run in enumerate(runs.values()):
                points = [(step, weights[task]) for step, weights in run.weights if weights.get(task, 0) > 0]
                says = short if place == 0 else None
                steps, values = [step for step, _ in points], [value for _, value in points]
                axis.plot(steps, values, dashes, color=color, linewidth=1.1, alpha=0.8, label=says)
        axis.set_yscale("log")
        is_wide = between[1] > 100.0 * between[0]
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0,) if is_wide else (1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.yaxis.set_minor_formatter(NullFormatter())
        if is_wide:
            axis.yaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.set_ylim(*between)
        axis.set_title("\n".join(title), loc="left")
        axis.set_xlabel("step")
        axis.set_ylabel(", ".join(filter(None, [label, note])))
        axis.grid(axis="y", color=RULE, linewidth=0.6)
        figure.legend(
            *axis.get_legend_handles_labels(), loc="outside lower center", ncols=columns, fontsize=8, handlelength=1.2
        )
    alt = f"The weights of {', '.join(tasks)} over the steps of {name}."
    return Plot(title=name, source=source[0], alt=alt, note=note)


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis: at least a factor of 4 apart, so that noise does not look like a trend.

    >>> limits([1.0])
    (0.5, 2.0)
    """
    if not values:
        return 0.5, 2.0
    middle = math.sqrt(min(values) * max(values))
    return min(min(values) * 0.9, middle / 2), max(max(values) * 1.1, middle * 2)
