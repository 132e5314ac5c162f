"""Centres from one radius for all objects: the peaks of votes that are counted on a grid and smoothed.

Grouping without classes uses it, since it cannot trust the length of vectors that may lie outside of objects.
"""

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from equipoise.errors import UsageError
from equipoise.scenes.grouping.votes import fewest_pixels

RADIUS = 1 / 100
"""How far votes for one centre spread, as a share of the image's width."""
SMALLEST_RADIUS = 2.0


def limits(size: tuple[int, int], minimum_pixels: int | None, radius: float | None) -> tuple[int, float]:
    """Return the minimum pixels and the radius [px], by default in proportion to the image's size (height, width)."""
    smallest = fewest_pixels(size, minimum_pixels)
    radius = max(SMALLEST_RADIUS, size[1] * RADIUS) if radius is None else radius
    if not 0 < radius < math.inf:
        raise UsageError(f"group_by_votes: expected a radius above 0 px, found {radius}")
    return smallest, radius


def clusters(
    votes: npt.NDArray[np.floating], size: tuple[int, int], radius: float, smallest: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
    """Yield the indices of each centre's votes and their distances [px]; skip centres with fewer than ``smallest``."""
    centres = vote_peaks(votes, size, radius, smallest) if len(votes) else np.empty((0, 2))
    if not len(centres):
        return
    distance, nearest = cKDTree(centres).query(votes)
    near = distance < 2 * radius
    counts = np.bincount(nearest[near], minlength=len(centres))
    for axis in (0, 1):  # Move each centre from the middle of its cell to the mean of the votes near it.
        sums = np.bincount(nearest[near], weights=votes[near, axis], minlength=len(centres))
        centres[:, axis] = np.where(counts > 0, sums / np.maximum(counts, 1), centres[:, axis])
    distance, nearest = cKDTree(centres).query(votes)
    order = np.argsort(nearest, kind="stable")
    for own in np.split(order, np.cumsum(np.bincount(nearest, minlength=len(centres)))[:-1]):
        if len(own) >= smallest:
            yield own, distance[own]


def vote_peaks(
    votes: npt.NDArray[np.floating], size: tuple[int, int], radius: float, smallest: int
) -> npt.NDArray[np.float64]:
    """Return the centres (K, 2) as (x, y): local maxima of the smoothed votes that have enough votes around them."""
    cell = max(1.0, radius / 2)
    shape = (int(size[0] / cell) + 1, int(size[1] / cell) + 1)
    flat = np.ravel_multi_index(tuple((votes[:, ::-1] / cell).astype(np.int64).T), shape)
    grid = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    smooth = ndimage.gaussian_filter(grid, radius / cell, mode="constant")
    # Break ties between equal neighbours, so that only the last is a peak, by less than a vote is worth.
    ranked = smooth + np.arange(smooth.size).reshape(shape) * (float(smooth.max()) * 1e-9 / smooth.size)
    reach = 2 * round(1.5 * radius / cell) + 1
    peaks = (ranked == ndimage.maximum_filter(ranked, reach, mode="constant")) & (smooth > 0)
    gathered = ndimage.uniform_filter(grid, reach, mode="constant") * reach**2
    rows, columns = np.nonzero(peaks & (gathered >= smallest / 2))
    return np.stack([(columns + 0.5) * cell, (rows + 0.5) * cell], 1)
