"""Votes for centroids → instances: a grid of votes, smoothed, and its peaks.

Every pixel of a countable class votes for the place it points to. Votes are counted on a grid, smoothed, and the local
maxima are the centres; each pixel then belongs to the nearest centre. One pass over pixels, one over grid cells.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object.

    Attributes:
        id: its value in the instance map.
        semantic: the class of most of its pixels.
        score: in 0…1: how sure its pixels are of their class, times how concentrated their votes are, the mean of
            exp(−distance/radius). (The paper gives no score.)
        box: (left, top, right, bottom), px, right and bottom exclusive.
        pixels: how many.
    """

    id: int
    semantic: int
    score: float
    box: tuple[int, int, int, int]
    pixels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouping:
    """``instance``: ``int32 (H, W)``, 0 = none, else the id of one of ``instances``."""

    instance: npt.NDArray[np.int32]
    instances: tuple[Instance, ...]


def group(
    offsets_2HW: npt.NDArray[np.float32],
    semantic_HW: npt.NDArray[np.uint8],
    countable: Sequence[int],
    *,
    confidence_HW: npt.NDArray[np.float32] | None = None,
    minimum_pixels: int | None = None,
) -> Grouping:
    """Group the pixels of countable classes into instances.

    Args:
        offsets_2HW: (dx, dy) from each pixel to its centroid, px.
        semantic_HW: class indices.
        countable: the classes whose objects are counted.
        confidence_HW: the probability of each pixel's class; ``None``: 1.
        minimum_pixels: smaller groups are dropped; ``None``: 1/5000 of the image, at least 8.
    """
    height, width = semantic_HW.shape
    smallest = max(8, height * width // 5000) if minimum_pixels is None else minimum_pixels
    result = np.zeros((height, width), np.int32)
    found: list[Instance] = []
    ys, xs = np.nonzero(np.isin(semantic_HW, list(countable)))
    if not xs.size:
        return Grouping(instance=result, instances=())
    votes = np.stack([xs + offsets_2HW[0, ys, xs], ys + offsets_2HW[1, ys, xs]], 1)
    votes = np.nan_to_num(np.clip(votes, 0, [width - 1, height - 1]))
    radius = max(2.0, width / 100)
    centres = vote_peaks(votes, (height, width), radius, smallest)
    if not len(centres):
        return Grouping(instance=result, instances=())
    nearest, distance = _nearest(votes, centres)
    sure = np.ones(len(xs)) if confidence_HW is None else confidence_HW[ys, xs]
    next_id = 1
    for k in range(len(centres)):
        own = nearest == k
        if own.sum() < smallest:
            continue
        y, x, classes = ys[own], xs[own], semantic_HW[ys[own], xs[own]]
        result[y, x] = next_id
        found.append(
            Instance(
                id=next_id,
                semantic=int(np.bincount(classes).argmax()),
                score=float(np.exp(-distance[own] / radius).mean() * sure[own].mean()),
                box=(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1),
                pixels=int(own.sum()),
            )
        )
        next_id += 1
    return Grouping(instance=result, instances=tuple(found))


def vote_peaks(
    votes: npt.NDArray[np.floating], size: tuple[int, int], radius: float, smallest: int
) -> npt.NDArray[np.float64]:
    """The centres ``(K, 2)`` as (x, y): local maxima of the smoothed votes that gather enough of them."""
    cell = max(1.0, radius / 2)
    shape = (int(size[0] / cell) + 1, int(size[1] / cell) + 1)
    flat = np.ravel_multi_index(tuple((votes[:, ::-1] / cell).astype(np.int64).T), shape)
    grid = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    smooth = ndimage.gaussian_filter(grid, radius / cell, mode="constant")
    reach = 2 * round(1.5 * radius / cell) + 1
    peaks = (smooth == ndimage.maximum_filter(smooth, reach, mode="constant")) & (smooth > 0)
    gathered = ndimage.uniform_filter(grid, reach, mode="constant") * reach**2
    rows, columns = np.nonzero(peaks & (gathered >= smallest / 2))
    return np.stack([(columns + 0.5) * cell, (rows + 0.5) * cell], 1)


def _nearest(
    votes: npt.NDArray[np.floating], centres: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Each vote's nearest centre and its distance, px."""
    distance, nearest = cKDTree(centres).query(votes)
    return np.asarray(nearest), np.asarray(distance)
