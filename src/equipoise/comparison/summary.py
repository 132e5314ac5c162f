"""All figures of a comparison, row by row: what tables, pages and words are made of."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise.comparison.ranking import Ranking, ranking
from equipoise.comparison.records import Comparison, Metric, RowInfo
from equipoise.comparison.selection import Selected, has_choice, select, select_by_others
from equipoise.comparison.statistics import (
    Interval,
    bootstrap,
    delta_m,
    log_ratios,
    log_ratios_to_single,
    mean_over_tasks,
    over_seeds,
)


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Values over seeds.

    Attributes:
        mean: of the values.
        deviation: their standard deviation; 0 for a single one.
        count: how many.
    """

    mean: float
    deviation: float
    count: int


@dataclass(frozen=True, kw_only=True)
class RowSummary:
    """The figures of one row. Logarithms of ratios of errors are below 0 where the row is better.

    Attributes:
        row: its name, description and tasks.
        selected: the chosen runs, the failed ones, and the cost.
        test: each metric on the test set, by ``Metric.key``.
        change: log(error / error of the reference row), the mean over tasks; ``None`` for the reference itself, and
            where no seed or no task is common.
        corrected: the same with an interval widened for the number of rows that are compared (Bonferroni).
        by_others: the change where each seed's candidate is the best one in the other seeds, so that luck of a single
            run is not chosen; ``None`` where there is one seed, or every row has one candidate.
        tasks: the change of each task.
        alone: log(error / error of the task trained alone), for each task.
        delta_m: Δm against the tasks trained alone, in percent, above 0 where the row is better.
        rank: the mean rank among the rows that train all tasks.
    """

    row: RowInfo
    selected: Selected
    test: Mapping[str, Spread]
    change: Interval | None
    corrected: Interval | None
    by_others: Interval | None
    tasks: Mapping[str, Interval]
    alone: Mapping[str, Interval]
    delta_m: Interval | None
    rank: float | None

    @property
    def worst(self) -> tuple[str, Interval] | None:
        """The task that changes for the worse most, relative to the reference row."""
        return _worst(self.tasks)

    @property
    def worst_alone(self) -> tuple[str, Interval] | None:
        """The task that loses most, or gains least, relative to being trained alone."""
        return _worst(self.alone)


@dataclass(frozen=True, kw_only=True)
class Summary:
    """The figures of a comparison.

    Attributes:
        title: what was compared.
        metrics: in the order of the table's columns.
        reference: the row that the others are compared with.
        seeds: all seeds.
        rows: in the order of the table.
        ranking: of the rows that train all tasks and have a result for every seed.
        best: of these rows, the one with the lowest mean error.
        to_best: log(error / error of the best row) of the others.
    """

    title: str
    metrics: tuple[Metric, ...]
    reference: str
    seeds: tuple[int, ...]
    rows: tuple[RowSummary, ...]
    ranking: Ranking
    best: str | None
    to_best: Mapping[str, Interval]

    @property
    def has_choice(self) -> bool:
        """Whether any row has a change ``by_others``."""
        return any(row.by_others is not None for row in self.rows)

    def __getitem__(self, name: str) -> RowSummary:
        """The figures of a row by its name."""
        return {summary.row.name: summary for summary in self.rows}[name]


def summarize(comparison: Comparison) -> Summary:
    """Select on validation data, and compute everything that a table shows from the test set."""
    selected = select(comparison)
    by_others = select_by_others(comparison) if has_choice(comparison) else {}
    ranked = _ranking(comparison, selected)
    best = _best(comparison, selected, list(ranked.ranks))
    return Summary(
        title=comparison.title,
        metrics=comparison.metrics,
        reference=comparison.reference,
        seeds=tuple(sorted({record.seed for record in comparison.records})),
        rows=tuple(_row(comparison, selected, by_others, row, ranked) for row in comparison.rows),
        ranking=ranked,
        best=best,
        to_best={
            name: bootstrap(mean_over_tasks(log_ratios(comparison, selected, name, best)))
            for name in ranked.ranks
            if best is not None and name != best
        },
    )


def _row(
    comparison: Comparison,
    selected: Mapping[str, Selected],
    by_others: Mapping[str, Selected],
    row: RowInfo,
    ranked: Ranking,
) -> RowSummary:
    is_reference = row.name == comparison.reference
    ratios = {} if is_reference else log_ratios(comparison, selected, row.name, comparison.reference)
    again = {} if is_reference or not by_others else log_ratios(comparison, by_others, row.name, comparison.reference)
    alone = {} if row.is_single else log_ratios_to_single(comparison, selected, row.name)
    gains = {} if row.is_single else delta_m(comparison, selected, row.name)
    changes = mean_over_tasks(ratios)
    compared = sum(not other.is_single for other in comparison.rows) - 1
    return RowSummary(
        row=row,
        selected=selected[row.name],
        test=_spreads(comparison, selected[row.name]),
        change=bootstrap(changes) if changes else None,
        corrected=bootstrap(changes, level=1.0 - 0.05 / max(compared, 1)) if changes else None,
        by_others=bootstrap(mean_over_tasks(again)) if again else None,
        tasks={task: bootstrap(values) for task, values in over_seeds(ratios).items()},
        alone={task: bootstrap(values) for task, values in over_seeds(alone).items()},
        delta_m=bootstrap(list(gains.values())) if gains else None,
        rank=ranked.ranks.get(row.name),
    )


def _spreads(comparison: Comparison, selected: Selected) -> dict[str, Spread]:
    found = {}
    for metric in comparison.metrics_of(selected.row):
        values = [run.test[metric.key] for run in selected.runs.values()]
        if values:
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            found[metric.key] = Spread(mean=statistics.fmean(values), deviation=deviation, count=len(values))
    return found


def _ranking(comparison: Comparison, selected: Mapping[str, Selected]) -> Ranking:
    """Rank by the mean log error over tasks, seed by seed."""
    everything = set(comparison.tasks)
    seeds = sorted({record.seed for record in comparison.records})
    complete = [
        row.name
        for row in comparison.rows
        if set(row.tasks) == everything and set(selected[row.name].runs) == set(seeds)
    ]
    # The ratios to one of the rows rank as the errors do.
    ratios = {name: mean_over_tasks(log_ratios(comparison, selected, name, complete[0])) for name in complete}
    return ranking(complete, [[ratios[name][block] for name in complete] for block in range(len(seeds))])


def _best(comparison: Comparison, selected: Mapping[str, Selected], names: Sequence[str]) -> str | None:
    means = {
        name: statistics.fmean(mean_over_tasks(log_ratios(comparison, selected, name, names[0]))) for name in names
    }
    return min(means, key=means.__getitem__, default=None)


def _worst(tasks: Mapping[str, Interval]) -> tuple[str, Interval] | None:
    return max(tasks.items(), key=lambda item: item[1].mean, default=None)
