"""Which candidate of each row counts: the best on validation data. The test set is not looked at."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from equipoise.comparison.records import Comparison, Metric, RunRecord

SMALLEST_ERROR = 1e-12
"""Smaller errors count as this one, so that logarithms are finite."""


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The runs that stand for a row, and what it took to find them.

    Attributes:
        row: the row's name.
        runs: by seed, the best finished run.
        failed: all runs that failed.
        tried: how many runs were made, failed ones included, all seeds together.
        steps: optimizer steps for each seed, all candidates together; the mean over seeds.
        seconds: the same in seconds.
    """

    row: str
    runs: Mapping[int, RunRecord]
    failed: tuple[RunRecord, ...]
    tried: int
    steps: float
    seconds: float

    @property
    def seeds(self) -> int:
        """How many seeds the row has runs of."""
        return len({*self.runs, *(run.seed for run in self.failed)})

    @property
    def candidates(self) -> dict[str, int]:
        """The chosen candidates with the number of seeds that chose them, the most frequent first."""
        names = [run.candidate for run in self.runs.values()]
        return {name: names.count(name) for name in sorted(set(names), key=lambda n: (-names.count(n), n))}


def score(metrics: Sequence[Metric], values: Mapping[str, float]) -> float:
    """The mean logarithm of the errors: the logarithm of their geometric mean; lower is better.

    Halving any one error counts the same, whatever its unit. To divide each error by that of a reference would add the
    same number to every candidate of a row, so the choice is the one that relative errors give.

    Raises:
        KeyError: a metric has no value.

    >>> halves = [Metric(name="rmse", task="a"), Metric(name="auc", task="b", higher_is_better=True)]
    >>> round(math.exp(score(halves, {"a.rmse": 8.0, "b.auc": 0.5})), 6)  # √(8 · 0.5)
    2.0
    """
    return sum(log_error(metric, values[metric.key]) for metric in metrics) / len(metrics)


def log_error(metric: Metric, value: float) -> float:
    """The logarithm of a value as an error."""
    return math.log(max(metric.error(value), SMALLEST_ERROR))


def select(comparison: Comparison) -> dict[str, Selected]:
    """For each row the best candidate of each seed by ``score`` on validation data, by the row's name.

    Every seed chooses for itself, as someone with that one split would. So no seed's validation set, which may share
    samples with another seed's test set, takes part in another's choice, and seeds stay independent repetitions of
    tuning and training. Of equal candidates the first by name is chosen.
    """
    return {row.name: _selected(comparison, row.name) for row in comparison.rows}


def select_by_others(comparison: Comparison) -> dict[str, Selected]:
    """For each row the candidate of each seed that is best, by the mean ``score``, in all *other* seeds.

    The best of many runs owes a part of its place to luck, such as that of its initial weights. Another seed has other
    luck, so what a setting has left here is what it is worth when someone trains with it again. Only candidates that
    finished with every seed are chosen among; with one seed nothing is chosen.

    A seed's test samples may be among those that other seeds validate on. That is one choice among a few candidates,
    and no network has seen them.
    """
    return {name: _by_others(comparison, selected) for name, selected in select(comparison).items()}


def has_choice(comparison: Comparison) -> bool:
    """Whether ``select_by_others`` chooses among several candidates in some row."""
    names = [row.name for row in comparison.rows]
    return any(
        len(seeds) > 1 and len(_finished(comparison, row)) > 1 for row in names if (seeds := _seeds(comparison, row))
    )


def _by_others(comparison: Comparison, selected: Selected) -> Selected:
    metrics, seeds = comparison.metrics_of(selected.row), _seeds(comparison, selected.row)
    finished = _finished(comparison, selected.row)

    def elsewhere(candidate: str, seed: int) -> float:
        others = (score(metrics, finished[candidate][other].validation) for other in seeds if other != seed)
        return statistics.fmean(others)

    runs = {}
    for seed in seeds if finished and len(seeds) > 1 else ():
        best = min(sorted(finished), key=lambda candidate: elsewhere(candidate, seed))
        runs[seed] = finished[best][seed]
    return replace(selected, runs=runs)


def _seeds(comparison: Comparison, row: str) -> list[int]:
    return sorted({record.seed for record in comparison.records if record.row == row})


def _finished(comparison: Comparison, row: str) -> dict[str, dict[int, RunRecord]]:
    """By candidate, then by seed, the runs of the candidates that finished with every seed of the row."""
    found: dict[str, dict[int, RunRecord]] = {}
    for record in comparison.records:
        if record.row == row and not record.failed:
            found.setdefault(record.candidate, {})[record.seed] = record
    count = len(_seeds(comparison, row))
    return {candidate: runs for candidate, runs in found.items() if len(runs) == count}


def _selected(comparison: Comparison, row: str) -> Selected:
    metrics = comparison.metrics_of(row)
    own = [record for record in comparison.records if record.row == row]
    best: dict[int, RunRecord] = {}
    for record in sorted((r for r in own if not r.failed), key=lambda r: r.candidate):
        found = best.get(record.seed)
        if found is None or score(metrics, record.validation) < score(metrics, found.validation):
            best[record.seed] = record
    seeds = max(len({record.seed for record in own}), 1)
    return Selected(
        row=row,
        runs=dict(sorted(best.items())),
        failed=tuple(record for record in own if record.failed),
        tried=len(own),
        steps=sum(record.steps for record in own) / seeds,
        seconds=sum(record.seconds for record in own) / seeds,
    )
