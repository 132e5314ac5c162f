"""Mean ranks of rows over repetitions, with Friedman's test and Nemenyi's critical difference."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """How rows rank over blocks, which are seeds here.

    Attributes:
        ranks: each row's mean rank, 1 = best, by its name.
        blocks: how many blocks.
        statistic: Friedman's chi-squared, corrected for ties; NaN with fewer than two blocks or three rows.
        p_value: of that statistic.
        critical_difference: mean ranks that differ by more do so significantly at the level 5 % (Nemenyi); NaN as
            above.
    """

    ranks: dict[str, float]
    blocks: int
    statistic: float
    p_value: float
    critical_difference: float


def ranking(names: Sequence[str], errors: Sequence[Sequence[float]], *, level: float = 0.05) -> Ranking:
    """Rank rows within each block.

    Args:
        names: of the rows.
        errors: ``(blocks, rows)``, lower is better.
        level: of the critical difference.

    Source: Demšar, *Statistical Comparisons of Classifiers over Multiple Data Sets* (JMLR 2006). There a block is a
    data set. Here it is a seed, so what is said holds for this problem, not for others.

    >>> ranking(["a", "b", "c"], [[1.0, 2.0, 3.0], [1.0, 3.0, 3.0]]).ranks
    {'a': 1.0, 'b': 2.25, 'c': 2.75}
    """
    values = torch.tensor([list(block) for block in errors], dtype=torch.float64).reshape(len(errors), len(names))
    ranks = average_ranks(values)
    blocks, rows = ranks.shape
    means = dict(zip(names, ranks.mean(0).tolist(), strict=True)) if blocks else {}
    if blocks < 2 or rows < 3:
        return Ranking(ranks=means, blocks=blocks, statistic=math.nan, p_value=math.nan, critical_difference=math.nan)
    statistic = _friedman(ranks)
    return Ranking(
        ranks=means,
        blocks=blocks,
        statistic=statistic,
        p_value=_chi_squared_tail(statistic, rows - 1),
        critical_difference=nemenyi(rows, blocks, level=level),
    )


def average_ranks(values: Tensor) -> Tensor:
    """Ranks along the last axis, 1 = smallest; equal values share the mean of their ranks. ``(*, rows)``."""
    smaller = (values[..., None, :] < values[..., :, None]).sum(-1)
    equal = (values[..., None, :] == values[..., :, None]).sum(-1)
    return smaller + (equal + 1) / 2.0


def nemenyi(rows: int, blocks: int, *, level: float = 0.05) -> float:
    """Nemenyi's critical difference of mean ranks: q/√2 · √(rows·(rows + 1)/(6·blocks)), q the studentized range.

    >>> round(nemenyi(4, 14), 2)  # 2.569 · √(4 · 5/84), Demšar's example
    1.25
    """
    return studentized_range(1.0 - level, rows) / math.sqrt(2.0) * math.sqrt(rows * (rows + 1) / (6.0 * blocks))


def studentized_range(probability: float, rows: int) -> float:
    """The quantile of the range of independent standard normal values, as many as there are rows.

    It is the studentized range with infinitely many degrees of freedom: P(range < q) = rows · ∫ φ(z)·(Φ(z) − Φ(z −
    q))^(rows − 1) dz, found by bisection.
    """
    low, high = 0.0, 20.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _range_probability(middle, rows) < probability else (low, middle)
    return (low + high) / 2.0


def _range_probability(width: float, rows: int) -> float:
    z = torch.linspace(-9.0, 9.0, 4001, dtype=torch.float64)
    density = torch.exp(-0.5 * z.square()) / math.sqrt(2.0 * math.pi)
    between = torch.special.ndtr(z) - torch.special.ndtr(z - width)
    return rows * torch.trapezoid(density * between.pow(rows - 1), z).item()


def _friedman(ranks: Tensor) -> float:
    """Friedman's chi-squared with the correction for ties, as in Conover's book."""
    blocks, rows = ranks.shape
    sums = ranks.sum(0)
    expected = blocks * (rows + 1) / 2.0
    spread = ranks.square().sum() - blocks * rows * (rows + 1) ** 2 / 4.0
    return ((rows - 1) * (sums - expected).square().sum() / spread).item()


def _chi_squared_tail(statistic: float, degrees: int) -> float:
    halves = torch.tensor([degrees / 2.0, statistic / 2.0], dtype=torch.float64)
    return float(torch.special.gammaincc(halves[0], halves[1]))
