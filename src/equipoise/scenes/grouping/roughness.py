"""How noisy the vectors of one image are, read from the vectors themselves.

Neighbouring pixels of one object vote for one place, so true votes are equal there, and those of a network are not.
"""

import numpy as np
import numpy.typing as npt

from equipoise.scenes.grouping.votes import Votes, thinned

BLOCKS = 64
"""Blocks along the width of the image: means over a block keep the smooth errors of a network and lose white noise."""
FULL = 0.75
"""The share of a block's pixels that must vote."""
USUAL = 0.05
"""The distance, as a share of the length of the vectors, that noise in proportion to the object explains."""


def roughness(votes: Votes) -> float:
    """Return the median distance [px] between the mean votes of neighbouring blocks; 0 where there are no such blocks.

    What white noise explains is taken off, since it averages out: the mean distance of votes from the mean of their
    block, divided by √(their number), of both blocks. So is ``USUAL``, as noise in proportion to the object is not the
    image's. Blocks count by 1/(mean length of vectors)², so that the blocks of each object together count about the
    same.
    """
    height, width = votes.size
    side = max(1, round(width / BLOCKS))
    shape = (-(-height // side), -(-width // side))
    some = thinned(len(votes.x))
    block = (votes.row[some] // side * shape[1] + votes.column[some] // side).astype(np.intp)
    count = np.bincount(block, minlength=shape[0] * shape[1])
    x, y, length = (_means(block, values[some], count) for values in (votes.x, votes.y, votes.length))
    white = _means(block, np.hypot(votes.x[some] - x[block], votes.y[some] - y[block]), count)
    white /= np.sqrt(np.maximum(count, 1))
    full = (count >= FULL * side * side / (some.step or 1)).reshape(shape)
    x, y, length, white = (each.reshape(shape) for each in (x, y, length, white))
    distances, weights = [np.empty(0)], [np.empty(0)]
    for a, b in ((np.s_[:, 1:], np.s_[:, :-1]), (np.s_[1:], np.s_[:-1])):
        both = full[a] & full[b]
        longer = np.maximum(length[a], length[b])[both]
        explained = np.hypot(white[a], white[b])[both] + USUAL * longer
        distances.append(np.maximum(np.hypot(x[a] - x[b], y[a] - y[b])[both] - explained, 0))
        weights.append(1 / (longer + 1) ** 2)
    return _weighted_median(np.concatenate(distances), np.concatenate(weights))


def _means(
    block: npt.NDArray[np.intp], values: npt.NDArray[np.floating], count: npt.NDArray[np.intp]
) -> npt.NDArray[np.float64]:
    means: npt.NDArray[np.float64] = np.bincount(block, weights=values, minlength=len(count)) / np.maximum(count, 1)
    return means


def _weighted_median(values: npt.NDArray[np.float64], weights: npt.NDArray[np.float64]) -> float:
    if not values.size:
        return 0.0
    order = np.argsort(values, kind="stable")
    below = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(below, below[-1] / 2)])
