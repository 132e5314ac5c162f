"""The pictures of a comparison, as SVG in data addresses."""

import base64
import io
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from equipoise.comparison.ranking import Ranking
from equipoise.comparison.records import Metric, RunRecord
from equipoise.comparison.statistics import percent
from equipoise.comparison.summary import Summary
from equipoise.scenes.comparison.table import title
from equipoise.scenes.wording import number

COLORS = ("#2b6cb0", "#b7691b", "#7a4da0", "#2f7d6d", "#b03a6b", "#4a5560")
INK, QUIET, RULE = "#1d2126", "#667079", "#dfdcd6"
STYLE: Any = {
    "axes.edgecolor": RULE,
    "axes.labelcolor": QUIET,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlecolor": INK,
    "axes.titlesize": 10,
    "axes.labelsize": 9,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "legend.frameon": False,
    "svg.hashsalt": "equipoise",
    "xtick.color": QUIET,
    "ytick.color": QUIET,
}


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A picture with its title, and what it shows in words, for screen readers and captions."""

    title: str
    source: str
    alt: str
    note: str = ""


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Figure, list[str]]]:
    """A figure in the style of the page; its data address is put into the list at the end."""
    source: list[str] = []
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, source
        text = io.BytesIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
        source.append("data:image/svg+xml;base64," + base64.b64encode(text.getvalue()).decode())


def change_plot(summary: Summary) -> Plot | None:
    """Each row's change of the error relative to the reference, with its interval: all tasks together, and each."""
    rows = [row for row in summary.rows if row.tasks and not row.row.is_single]
    if not rows:
        return None
    tasks = list(dict.fromkeys(metric.task for metric in summary.metrics))
    with _figure(9.8, 0.9 + 0.34 * len(rows)) as (figure, source):
        figure.set_layout_engine("constrained", w_pad=0.12)  # Inches: so that labels of neighbours do not touch.
        axes = figure.subplots(1, 1 + len(tasks), sharey=True)
        for axis, name in zip(axes, ["all tasks", *tasks], strict=True):
            axis.axvline(0, color=QUIET, linewidth=0.8)
            axis.set_title(name, loc="left")
            for place, row in enumerate(rows):
                change = row.change if name == "all tasks" else row.tasks.get(name)
                if change is None:
                    continue
                low, mean, high = (percent(value) for value in (change.low, change.mean, change.high))
                color = QUIET if not change.excludes_zero else "#1c7a4d" if mean < 0 else "#b3402e"
                axis.plot([low, high], [place, place], color=color, linewidth=2, solid_capstyle="round")
                axis.plot([mean], [place], "o", color=color, markersize=5)
            axis.grid(axis="x", color=RULE, linewidth=0.6)
            axis.tick_params(length=0)
        axes[0].set_yticks(range(len(rows)), [row.row.name for row in rows], color=INK)
        axes[0].set_ylim(len(rows) - 0.5, -0.5)
        for axis in axes:
            axis.xaxis.set_major_locator(MaxNLocator(4))
        figure.supxlabel(f"error relative to {summary.reference}, % (left is better)", fontsize=9, color=QUIET)
    said = f"The change of the error relative to {summary.reference}, with 95 % bootstrap intervals over seeds."
    return Plot(title="Differences", source=source[0], alt=said, note=said)


def rank_plot(ranking: Ranking) -> Plot | None:
    """The critical-difference diagram: mean ranks, and bars over rows that do not differ significantly."""
    ranks = sorted(ranking.ranks.items(), key=lambda item: item[1])
    if len(ranks) < 3 or ranking.blocks < 2:
        return None
    groups = _groups([rank for _, rank in ranks], ranking.critical_difference)
    half = (len(ranks) + 1) // 2
    depth = 1.2 + 0.3 * len(groups)
    with _figure(8.0, 1.1 + 0.3 * half + 0.16 * len(groups)) as (figure, source):
        axis = figure.subplots()
        axis.set_xlim(0.3, len(ranks) + 0.7)
        axis.set_ylim(-(depth + 0.9 * half), 1.3)
        axis.spines[["left", "bottom"]].set_visible(False)
        axis.spines["top"].set_visible(True)
        axis.xaxis.tick_top()
        axis.set_xticks(range(1, len(ranks) + 1))
        axis.set_yticks([])
        axis.plot([1, min(1 + ranking.critical_difference, len(ranks))], [0.75, 0.75], color=INK, linewidth=1.6)
        axis.text(1, 0.9, f"critical difference {ranking.critical_difference:.2f}", fontsize=8, color=QUIET)
        for number, (low, high) in enumerate(groups):
            axis.plot([low - 0.06, high + 0.06], [-0.3 * (number + 1)] * 2, color=INK, linewidth=3)
        for place, (name, rank) in enumerate(ranks):
            is_left = place < half
            level = -(depth + 0.9 * (place if is_left else len(ranks) - 1 - place))
            end, align = (0.35, "left") if is_left else (len(ranks) + 0.65, "right")
            axis.plot([rank, rank, end], [0.0, level, level], color=QUIET, linewidth=0.8)
            says = f"{name}  {rank:.2f}"
            axis.text(end, level + 0.08, says, ha=align, va="bottom", color=INK)
    said = (
        f"Mean ranks over {ranking.blocks} seeds, 1 is best. Rows under a common bar do not differ significantly "
        "(Nemenyi, 5 %). Seeds are repetitions on one data set, so this says nothing about other data."
    )
    return Plot(title="Ranks", source=source[0], alt=said, note=said)


def _groups(ranks: Sequence[float], difference: float) -> list[tuple[float, float]]:
    """Return the first and the last rank of each largest group that lies within the difference.

    >>> _groups([1.0, 1.5, 3.0], 1.6)
    [(1.0, 1.5), (1.5, 3.0)]
    """
    spans: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(k for k in range(first, len(ranks)) if ranks[k] - ranks[first] <= difference)
        if last > first and not any(last <= other for _, other in spans):
            spans.append((first, last))
    return [(ranks[first], ranks[last]) for first, last in spans]


def weight_plots(summary: Summary) -> list[Plot]:
    """The course of each task's weight in the rows that train several, on one scale, so that heights compare."""
    rows = {row.row.name: row for row in summary.rows if not row.row.is_single}
    courses = {
        name: [found for run in row.selected.runs.values() for found in run.weights] for name, row in rows.items()
    }
    values = [value for course in courses.values() for _, found in course for value in found.values() if value > 0]
    return [
        _weight_plot(name, row.selected.runs, row.row.tasks, limits(values))
        for name, row in rows.items()
        if courses[name]
    ]


def _weight_plot(row: str, runs: Mapping[int, RunRecord], tasks: Sequence[str], between: tuple[float, float]) -> Plot:
    """One thin line a seed and task."""
    with _figure(3.6, 2.7) as (figure, source):
        axis = figure.subplots()
        for color, task in zip(itertools.cycle(COLORS), tasks, strict=False):
            for place, run in enumerate(runs.values()):
                points = [(step, weights[task]) for step, weights in run.weights if weights.get(task, 0) > 0]
                label = task if place == 0 else None
                steps, values = [step for step, _ in points], [value for _, value in points]
                axis.plot(steps, values, color=color, linewidth=1.1, alpha=0.8, label=label)
        axis.set_yscale("log")
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        axis.yaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        axis.set_ylim(*between)
        axis.set_title(row, loc="left")
        axis.set_xlabel("step")
        axis.set_ylabel("weight × first loss")
        axis.grid(axis="y", color=RULE, linewidth=0.6)
        figure.legend(
            *axis.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=8, handlelength=1.2
        )
    return Plot(title=row, source=source[0], alt=f"The weights of {', '.join(tasks)} over the steps of {row}.")


def limits(values: Sequence[float]) -> tuple[float, float]:
    """Return the ends of a logarithmic axis: at least a factor of 4 apart, so that noise does not look like a trend.

    >>> limits([1.0])
    (0.5, 2.0)
    """
    if not values:
        return 0.5, 2.0
    middle = math.sqrt(min(values) * max(values))
    return min(min(values) * 0.9, middle / 2), max(max(values) * 1.1, middle * 2)


def sweep_plot(summary: Summary, one: str, other: str, shares: Mapping[str, float], learned: str) -> list[Plot]:
    """One plot a figure: its value over the share of the first task's weight, and that of learned weights as a line."""
    plots = []
    for metric in summary.metrics:
        if metric.task not in (one, other):
            continue
        plots.append(_sweep(summary, metric, one, other, shares, learned))
    return plots


def _sweep(summary: Summary, metric: Metric, one: str, other: str, shares: Mapping[str, float], learned: str) -> Plot:
    rows = {row.row.name: row for row in summary.rows}
    points = sorted(
        (share, rows[name].test[metric.key]) for name, share in shares.items() if metric.key in rows[name].test
    )
    color = COLORS[0 if metric.task == one else 1]
    with _figure(4.4, 2.7) as (figure, source):
        axis = figure.subplots()
        x = [share for share, _ in points]
        mean = [spread.mean for _, spread in points]
        low = [spread.mean - spread.deviation for _, spread in points]
        high = [spread.mean + spread.deviation for _, spread in points]
        axis.fill_between(x, low, high, color=color, alpha=0.15, linewidth=0)
        axis.plot(x, mean, "o-", color=color, markersize=4, linewidth=1.4, label="fixed weights")
        if learned in rows and metric.key in rows[learned].test:
            spread = rows[learned].test[metric.key]
            axis.axhline(spread.mean, color=INK, linewidth=1.4, linestyle="--", label="learned")
            axis.axhspan(
                spread.mean - spread.deviation,
                spread.mean + spread.deviation,
                color=INK,
                alpha=0.08,
            )
        axis.set_title(f"{title(metric)} ({'higher' if metric.higher_is_better else 'lower'} is better)", loc="left")
        axis.set_xlabel(f"weight of {one}; the rest is that of {other}")
        axis.set_xlim(-0.03, 1.03)
        axis.grid(color=RULE, linewidth=0.6)
        axis.legend(fontsize=8)
    return Plot(title=title(metric), source=source[0], alt=f"{title(metric)} over the weight of {one}.")
