"""The table of a page, as texts."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from equipoise._wording import decimals, duration, fixed
from equipoise.comparison.records import Metric
from equipoise.comparison.statistics import Interval, percent, signed
from equipoise.comparison.summary import RowSummary, Spread, Summary

ARROWS = {True: "↑", False: "↓"}
NONE = "–"
Naming = Callable[[Metric], str]
"""Gives the name of a figure for people, with its task and unit."""


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A text, with what is said about it: ``good`` or ``bad`` where it differs significantly, and what may be below."""

    text: str
    verdict: str = ""
    below: str = ""
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class TableRow:
    """A row of the table: its name, what it is, and its cells."""

    name: str
    description: str
    cells: tuple[Cell, ...]
    is_reference: bool
    is_control: bool
    is_single: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table with titles for the columns after the row's name."""

    titles: tuple[str, ...]
    rows: tuple[TableRow, ...]

    def as_texts(self) -> list[list[str]]:
        """Return each row's name and cells as plain texts."""
        return [
            [row.name, *(" ".join(filter(None, [cell.text, cell.below])) for cell in row.cells)] for row in self.rows
        ]

    def without_empty(self) -> "Table":
        """Return the table without the columns in which no row has anything."""
        kept = [place for place in range(len(self.titles)) if any(row.cells[place].text != NONE for row in self.rows)]
        rows = (replace(row, cells=tuple(row.cells[place] for place in kept)) for row in self.rows)
        return Table(titles=tuple(self.titles[place] for place in kept), rows=tuple(rows))


def title(metric: Metric) -> str:
    """Return the name of a figure as the problem has it, with its task and unit.

    >>> title(Metric(name="rmse", task="depth", unit="m"))
    'depth rmse, m'
    """
    return ", ".join(filter(None, [f"{metric.task} {metric.name}", metric.unit]))


def main_table(summary: Summary, naming: Naming = title) -> Table:
    """Return each row's figures on the test split, and how they differ from those of the reference row."""
    titles = [f"{naming(metric)} {ARROWS[metric.higher_is_better]}" for metric in summary.metrics]
    again = ["the same, chosen by other seeds"] if summary.has_choice else []
    return Table(
        titles=(*titles, f"error relative to {summary.reference}", *again, "worst task", "Δm", "rank", "runs", "time"),
        rows=tuple(
            TableRow(
                name=row.row.name,
                description=row.row.description,
                cells=tuple(_cells(summary, row)),
                is_reference=row.row.name == summary.reference,
                is_control=row.row.control_of is not None,
                is_single=row.row.is_single,
            )
            for row in summary.rows
        ),
    )


def _cells(summary: Summary, row: RowSummary) -> list[Cell]:
    cells = [figure_cell(summary, row, metric) for metric in summary.metrics]
    cells.append(change_cell(row.change))
    if summary.has_choice:
        cells.append(change_cell(row.by_others))
    worst = row.worst
    cells.append(Cell(text=NONE) if worst is None else change_cell(worst[1], says=worst[0]))
    cells.append(_gain_cell(row.delta_m))
    cells.append(Cell(text=fixed(row.rank, 1)))
    cells.append(Cell(text=str(row.selected.tried)))
    seconds = sum(run.seconds for run in row.selected.runs.values()) + 0.0
    count = len(row.selected.runs)
    cells.append(Cell(text=duration(seconds / count) if count else NONE, below="a run" if count else ""))
    return cells


def figure_cell(summary: Summary, row: RowSummary, metric: Metric) -> Cell:
    """Return the mean of a figure over seeds, with its standard deviation."""
    spread = row.test.get(metric.key)
    if spread is None:
        return Cell(text="failed" if metric.task in row.row.tasks and row.selected.failed else NONE)
    best = best_of(summary, metric)
    return Cell(text=shown(spread, metric), below=_deviation(spread, metric), best=spread.mean == best)


def best_of(summary: Summary, metric: Metric) -> float | None:
    """Return the best mean of a figure."""
    means = [row.test[metric.key].mean for row in summary.rows if metric.key in row.test]
    return (max if metric.higher_is_better else min)(means, default=None)


def _places(spread: Spread, metric: Metric) -> int | None:
    return 1 if metric.unit == "%" else decimals(spread.mean)


def shown(spread: Spread, metric: Metric) -> str:
    """Return a mean as text."""
    return fixed(spread.mean, _places(spread, metric))


def _deviation(spread: Spread, metric: Metric) -> str:
    return f"± {fixed(spread.deviation, _places(spread, metric))}" if spread.count > 1 else ""


def change_cell(change: Interval | None, *, says: str = "") -> Cell:
    """Return a change of the error in percent, with its interval; a change for the better is negative."""
    if change is None:
        return Cell(text=NONE)
    mean, low, high = (percent(value) for value in (change.mean, change.low, change.high))
    verdict = "" if not change.excludes_zero else "good" if change.mean < 0 else "bad"
    text = f"{says} {signed(mean)} %".strip()
    return Cell(text=text, verdict=verdict, below=interval(low, high) if change.count > 1 else "")


def _gain_cell(gain: Interval | None) -> Cell:
    if gain is None:
        return Cell(text=NONE)
    verdict = "" if not gain.excludes_zero else "good" if gain.mean > 0 else "bad"
    below = interval(gain.low, gain.high) if gain.count > 1 else ""
    return Cell(text=f"{signed(gain.mean)} %", verdict=verdict, below=below)


def interval(low: float, high: float) -> str:
    """Return an interval as text.

    >>> interval(-1.25, 2)
    '[−1.2, +2.0]'
    """
    return f"[{signed(low)}, {signed(high)}]"
