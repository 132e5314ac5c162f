"""Votes → instances without classes: objects are where pixels agree.

The vectors of an object's pixels all end at its centroid, so its votes lie many times denser than its pixels do. Where
there is no object a network was never taught any vector, and votes spread, more or less. So the pixels whose votes fall
where votes are dense are taken for objects, all others for none. An object of fewer pixels than ``DENSE`` times the
area of a circle of ``radius`` cannot be seen.
"""

import math

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from equipoise.scenes.grouping.group import Grouping, Instance, clusters, limits

DENSE = 4.0
"""Votes a px², averaged over a circle of ``radius``, that make an object; equal vectors everywhere give 1."""


def group_by_votes(
    offsets_2HW: npt.NDArray[np.float32],
    semantic_HW: npt.NDArray[np.uint8] | None = None,
    *,
    minimum_pixels: int | None = None,
    radius: float | None = None,
) -> Grouping:
    """Group the pixels whose votes agree into instances; a pixel that agrees with no other belongs to none.

    Args:
        offsets_2HW: (dx, dy) from each pixel to its centroid, px.
        semantic_HW: class indices, only to say what class most of an object has; ``None``: objects have no class.
        minimum_pixels: smaller groups are dropped; ``None``: 1/5000 of the image, at least 8.
        radius: votes within about so many px are for one centre; ``None``: 1/100 of the width, at least 2.
    """
    size = (offsets_2HW.shape[1], offsets_2HW.shape[2])
    smallest, radius = limits(size, minimum_pixels, radius)
    ys, xs, votes = _dense_votes(offsets_2HW, radius)
    result = np.zeros(size, np.int32)
    found: list[Instance] = []
    for own, distance in clusters(votes, size, radius, smallest):
        near = distance < 2 * radius
        y, x = ys[own[near]], xs[own[near]]
        if len(x) < smallest:
            continue
        instance = Instance(
            id=len(found) + 1,
            semantic=None if semantic_HW is None else int(np.bincount(semantic_HW[y, x]).argmax()),
            score=float(np.exp(-distance[near] / radius).mean()),
            box=(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1),
            pixels=len(x),
        )
        result[y, x] = instance.id
        found.append(instance)
    return Grouping(instance=result, instances=tuple(found))


def _dense_votes(
    offsets_2HW: npt.NDArray[np.float32], radius: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Rows, columns and votes of the pixels whose votes fall where votes are dense."""
    height, width = offsets_2HW.shape[1:]
    x, y = (
        np.arange(width) + offsets_2HW[0].astype(np.float64),
        np.arange(height)[:, None] + offsets_2HW[1].astype(float),
    )
    with np.errstate(invalid="ignore"):
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
    ys, xs = np.nonzero(inside)
    votes = np.stack([x[ys, xs], y[ys, xs]], 1)
    column, row = np.rint(votes).astype(np.intp).T
    grid = np.bincount(row * width + column, minlength=height * width).reshape(height, width).astype(np.float64)
    reach = math.ceil(radius)
    across = np.arange(-reach, reach + 1)
    disc = (np.hypot(across, across[:, None]) <= radius).astype(np.float64)
    dense = (ndimage.convolve(grid, disc / disc.sum(), mode="constant") >= DENSE)[row, column]
    return ys[dense], xs[dense], votes[dense]
