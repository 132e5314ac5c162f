"""Runs of equal pixels. Neighbours in label maps are mostly equal, so counting runs is faster than counting pixels."""

from typing import Any

import numpy as np
import numpy.typing as npt


def run_lengths(*maps: npt.NDArray[Any]) -> tuple[list[npt.NDArray[Any]], npt.NDArray[np.int64]]:
    """Return the values of maps of one shape in each run of pixels without a change in any, and the runs' lengths.

    >>> values, lengths = run_lengths(np.array([1, 1, 1, 2]), np.array([5, 5, 6, 6]))
    >>> [each.tolist() for each in values], lengths.tolist()
    ([[1, 1, 2], [5, 6, 6]], [2, 1, 1])
    """
    flat = [each.reshape(-1) for each in maps]
    if not flat[0].size:
        return flat, np.zeros(0, np.int64)
    changed = np.empty(flat[0].size, bool)
    changed[0] = True
    np.not_equal(flat[0][1:], flat[0][:-1], out=changed[1:])
    for each in flat[1:]:
        changed[1:] |= each[1:] != each[:-1]
    starts = np.flatnonzero(changed)
    return [each[starts] for each in flat], np.diff(starts, append=flat[0].size)


def weighted_counts(values: npt.NDArray[Any], lengths: npt.NDArray[np.int64], size: int) -> npt.NDArray[np.int64]:
    """Return how many pixels have each value 0 … size − 1, given runs; exact below 2⁵³ pixels."""
    return np.bincount(values, weights=lengths, minlength=size).astype(np.int64)
