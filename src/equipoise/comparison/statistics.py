"""Differences between rows over seeds: errors relative to another row, Δm, and bootstrap intervals."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch

from equipoise.comparison.records import Comparison, Metric
from equipoise.comparison.selection import Selected, log_error

RESAMPLES = 10_000
PerSeed = Mapping[int, Mapping[str, float]]
"""By seed and task."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean over seeds with a bootstrap interval.

    Attributes:
        mean: of the values.
        low: the lower end.
        high: the upper end.
        count: how many values, one a seed.
        level: the share of intervals that should hold the true mean.
    """

    mean: float
    low: float
    high: float
    count: int
    level: float = 0.95

    @property
    def excludes_zero(self) -> bool:
        """Whether all of the interval lies on one side of zero; a single value has no interval."""
        return self.count > 1 and (self.low > 0.0 or self.high < 0.0)


def bootstrap(values: Sequence[float], *, level: float = 0.95, seed: int = 0) -> Interval:
    """The mean and its percentile bootstrap interval (Efron 1979), from 10,000 resamples of the seeds.

    With few values such an interval is too short: of three values it is hardly more than their range, which the true
    mean leaves in one of four cases.

    Raises:
        ValueError: no values.

    >>> bootstrap([1.0, 1.0, 1.0])
    Interval(mean=1.0, low=1.0, high=1.0, count=3, level=0.95)
    """
    if not values:
        raise ValueError("bootstrap: expected at least one value, found none")
    given = torch.tensor(values, dtype=torch.float64)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(len(values), (RESAMPLES, len(values)), generator=generator)
    tail = (1.0 - level) / 2.0
    low, high = torch.quantile(given[drawn].mean(1), torch.tensor([tail, 1.0 - tail], dtype=torch.float64)).tolist()
    return Interval(mean=given.mean().item(), low=low, high=high, count=len(values), level=level)


def log_ratios(comparison: Comparison, selected: Mapping[str, Selected], row: str, other: str) -> PerSeed:
    """log(error of a row / error of another row) on the test set, by seed and task, for the tasks and seeds of both.

    Where a task has several metrics, the mean over them.
    """
    tasks = [task for task in comparison.row(row).tasks if task in comparison.row(other).tasks]
    one, two = selected[row].runs, selected[other].runs
    return {
        seed: {task: _log_ratio(_judging(comparison, task), one[seed].test, two[seed].test) for task in tasks}
        for seed in one
        if seed in two and tasks
    }


def log_ratios_to_single(comparison: Comparison, selected: Mapping[str, Selected], row: str) -> PerSeed:
    """log(error of a row / error of the row that trains the task alone), by seed and task.

    Where several rows train a task alone, the first of the table counts. Tasks and seeds without one are left out.
    """
    found: dict[int, dict[str, float]] = {}
    for task in comparison.row(row).tasks:
        single = next((r.name for r in comparison.rows if r.tasks == (task,)), None)
        if single is not None:
            for seed, ratios in log_ratios(comparison, selected, row, single).items():
                found.setdefault(seed, {}).update(ratios)
    return found


def delta_m(comparison: Comparison, selected: Mapping[str, Selected], row: str) -> dict[int, float]:
    r"""Δm in percent, by seed: how much better than training each task alone; above 0 is better.

    Δm = 100/K · Σ_k (−1)^{l_k} · (M_k − B_k)/B_k, with

    - K: the number of tasks of the row; where a task has several metrics, their mean is its term;
    - M_k: the row's metric on the test set, as it is (no error is made of it);
    - B_k: the same of the row that trains task k alone;
    - l_k: 1 where lower is better, else 0.

    Seeds in which a task was not trained alone are left out.

    Source: Maninis, Radosavovic & Kokkinos, *Attentive Single-Tasking of Multiple Tasks* (CVPR 2019), eq. 4.
    """
    tasks = comparison.row(row).tasks
    singles = {task: next((r.name for r in comparison.rows if r.tasks == (task,)), None) for task in tasks}
    found = {}
    for seed, run in selected[row].runs.items():
        alone = {task: selected[name].runs.get(seed) for task, name in singles.items() if name is not None}
        baselines = {task: record.test for task, record in alone.items() if record is not None}
        if len(baselines) == len(tasks):
            gains = [_gain(_judging(comparison, task), run.test, baselines[task]) for task in tasks]
            found[seed] = 100.0 * sum(gains) / len(gains)
    return found


def mean_over_tasks(ratios: PerSeed) -> list[float]:
    """The mean over tasks of each seed."""
    return [sum(of_seed.values()) / len(of_seed) for of_seed in ratios.values()]


def over_seeds(ratios: PerSeed) -> dict[str, list[float]]:
    """Each task's values over seeds."""
    found: dict[str, list[float]] = {}
    for of_seed in ratios.values():
        for task, value in of_seed.items():
            found.setdefault(task, []).append(value)
    return found


def percent(log_ratio: float) -> float:
    """A logarithm of a ratio as a change in percent.

    >>> round(percent(math.log(1.25)), 6)
    25.0
    """
    return 100.0 * math.expm1(log_ratio)


def signed(value: float) -> str:
    """One decimal with its sign; 0.0 has none.

    >>> signed(1.52), signed(-0.3), signed(-0.01)
    ('+1.5', '−0.3', '0.0')
    """
    text = f"{value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def _judging(comparison: Comparison, task: str) -> list[Metric]:
    return [metric for metric in comparison.metrics if metric.task == task]


def _log_ratio(metrics: Sequence[Metric], one: Mapping[str, float], two: Mapping[str, float]) -> float:
    return sum(log_error(m, one[m.key]) - log_error(m, two[m.key]) for m in metrics) / len(metrics)


def _gain(metrics: Sequence[Metric], one: Mapping[str, float], two: Mapping[str, float]) -> float:
    """The relative gain of one set of values over another, the mean over metrics."""
    gains = [(1.0 if m.higher_is_better else -1.0) * (one[m.key] - two[m.key]) / _divisor(two[m.key]) for m in metrics]
    return sum(gains) / len(gains)


def _divisor(value: float) -> float:
    return value if value != 0.0 else math.nan
