"""Weights to try: a log-spaced grid on the simplex, and random ones."""

import itertools
from collections.abc import Sequence

import numpy as np

SMALLEST = 1e-2
"""Random weights are log-uniform between this and 1, before they are scaled."""


def grid(tasks: Sequence[str], levels: Sequence[float]) -> list[dict[str, float]]:
    """Return every combination of levels, scaled to the sum 1; those that differ by a factor only once.

    With L equally spaced levels there are L^K − (L − 1)^K combinations for K tasks.

    >>> grid(["a", "b"], [1.0, 0.25])
    [{'a': 0.5, 'b': 0.5}, {'a': 0.8, 'b': 0.2}, {'a': 0.2, 'b': 0.8}]
    """
    found: dict[tuple[float, ...], dict[str, float]] = {}
    for levels_of in itertools.product(levels, repeat=len(tasks)):
        shares = tuple(level / sum(levels_of) for level in levels_of)
        found.setdefault(tuple(round(share, 9) for share in shares), dict(zip(tasks, shares, strict=True)))
    return list(found.values())


def draws(tasks: Sequence[str], count: int) -> list[dict[str, float]]:
    """Return equal weights, and random ones: log-uniform and scaled to the sum 1, the same ones in every call.

    The first draws of a larger count are those of a smaller one.

    >>> draws(["a", "b"], 1)
    [{'a': 0.5, 'b': 0.5}]
    """
    rng = np.random.default_rng(0)
    logs = np.vstack([np.zeros((1, len(tasks))), rng.uniform(np.log(SMALLEST), 0.0, (count - 1, len(tasks)))])
    shares = np.exp(logs) / np.exp(logs).sum(1, keepdims=True)
    return [dict(zip(tasks, map(float, row), strict=True)) for row in shares]


def against(one: str, other: str, shares: Sequence[float]) -> list[dict[str, float]]:
    """Return weights of one task against another.

    >>> against("a", "b", [0.75])
    [{'a': 0.75, 'b': 0.25}]
    """
    return [{one: share, other: 1 - share} for share in shares]
