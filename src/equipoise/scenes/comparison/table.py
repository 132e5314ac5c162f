"""The table of a comparison for the terminal, and the names of its figures."""

from dataclasses import replace

from equipoise.comparison.page.table import ARROWS, Cell, Table, main_table
from equipoise.comparison.records import Metric
from equipoise.comparison.summary import Summary
from equipoise.scenes.tasks import TASKS, Primary

ABBREVIATIONS = ("mae", "rmse", "iou")
"""Words of the names of figures that people write in capitals."""


def short_table(summary: Summary) -> Table:
    """Return what fits into a terminal: the means, and the change of the error."""
    whole = main_table(summary, title)
    count = len(summary.metrics)
    titles = [f"{metric.task} {ARROWS[metric.higher_is_better]}\n{metric.unit}".rstrip() for metric in summary.metrics]
    rows = [
        replace(row, cells=(*(replace(cell, below="") for cell in row.cells[:count]), _short(row.cells[count])))
        for row in whole.rows
    ]
    return Table(titles=(*titles, f"error relative to\n{summary.reference}, % (95 % interval)"), rows=tuple(rows))


def _short(change: Cell) -> Cell:
    return replace(change, text=change.text.removesuffix(" %"))


def title(metric: Metric) -> str:
    """Return the name of a figure for people, with its task and unit."""
    return f"{metric.task} {label(metric)}"


def label(metric: Metric) -> str:
    """Return the name of a figure for people, with its unit: as the reports of runs have it where they know it."""
    *prefix, name = metric.name.split(".")
    known = getattr(TASKS.get(metric.task), "primary", None)
    says = (
        known.label
        if isinstance(known, Primary) and known.metric == name
        else " ".join(word.upper() if word in ABBREVIATIONS else word for word in name.split("_"))
    )
    return ", ".join(filter(None, [" ".join([*prefix, says]), metric.unit]))
