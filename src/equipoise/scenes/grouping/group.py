"""Group the pixels of countable classes into instances by their votes for centroids.

Every pixel votes for the place its vector ends at. Votes are counted on a grid, the grid is smoothed, and its local
maxima are the centres. Each pixel then belongs to the nearest centre. The cost is one pass over the pixels and one over
the grid cells.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import cKDTree

from equipoise.errors import UsageError
from equipoise.scenes.labels.vocabulary import SceneVocabulary

RADIUS = 1 / 100
"""How far votes for one centre spread, as a share of the image's width.

``python -m benchmarks grouping`` compares four values; this one is best on the demo's predictions. For true vectors a
smaller one is better.
"""
SMALLEST_RADIUS = 2.0


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object.

    Attributes:
        id: its value in the instance map.
        semantic: the class of most of its pixels; ``None`` if classes are not predicted.
        score: confidence in 0 … 1: the concentration of its votes, mean exp(−distance/radius), times the mean
            probability of its pixels' class if that is known. (The paper defines no score.)
        box: (left, top, right, bottom), px; right and bottom are exclusive.
        pixels: the number of its pixels.
    """

    id: int
    semantic: int | None
    score: float
    box: tuple[int, int, int, int]
    pixels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouping:
    """The result of grouping.

    Attributes:
        instance: int32 (H, W): 0 = no instance, otherwise the id of one of ``instances``.
        instances: the instances, by id.
    """

    instance: npt.NDArray[np.int32]
    instances: tuple[Instance, ...]


def group(
    offsets_2HW: npt.NDArray[np.float32],
    semantic_HW: npt.NDArray[np.uint8],
    countable: Sequence[Sequence[int]],
    *,
    confidence_HW: npt.NDArray[np.float32] | None = None,
    minimum_pixels: int | None = None,
    radius: float | None = None,
) -> Grouping:
    """Group the pixels of countable classes into instances.

    Args:
        offsets_2HW: float32 (2, H, W): the vector (dx, dy) from each pixel to the centroid of its object, px.
        semantic_HW: uint8 (H, W) class indices.
        countable: groups of countable class indices; an object may have pixels of any class of one group, as
            ``countable_groups`` makes them. (The paper uses a single group, which merges a person in front of a car
            with the car.)
        confidence_HW: float32 (H, W): the probability of each pixel's class; ``None``: 1.
        minimum_pixels: smaller groups of pixels are dropped; ``None``: 1/5000 of the image, at least 8.
        radius: how far votes for one centroid spread, px; ``None``: 1/100 of the width, at least 2.

    Returns:
        The instance map and the instances, numbered from 1.

    Raises:
        UsageError: the radius is not a positive finite number.

    Example:
        >>> y, x = np.mgrid[:64, :64]
        >>> semantic = np.zeros((64, 64), np.uint8)
        >>> semantic[10:30, 20:50] = 1
        >>> offsets = np.stack([34.5 - x, 19.5 - y]).astype(np.float32)
        >>> [(found.semantic, found.box) for found in group(offsets, semantic, [[1]]).instances]
        [(1, (20, 10, 50, 30))]
    """
    height, width = semantic_HW.shape
    smallest, radius = limits((height, width), minimum_pixels, radius)
    result = np.zeros((height, width), np.int32)
    found: list[Instance] = []
    for classes in countable:
        ys, xs = np.nonzero(np.isin(semantic_HW, list(classes)))
        votes = np.stack([xs + offsets_2HW[0, ys, xs], ys + offsets_2HW[1, ys, xs]], 1)
        finite = np.isfinite(votes).all(1)  # Pixels without a finite vote belong to no instance.
        ys, xs, votes = ys[finite], xs[finite], np.clip(votes[finite], 0, [width - 1, height - 1])
        sure = np.ones(len(xs)) if confidence_HW is None else confidence_HW[ys, xs]
        for own, distance in clusters(votes, (height, width), radius, smallest):
            y, x = ys[own], xs[own]
            score = float(np.exp(-distance / radius).mean() * sure[own].mean())
            instance = instance_of(len(found) + 1, x, y, score, semantic_HW)
            result[y, x] = instance.id
            found.append(instance)
    return Grouping(instance=result, instances=tuple(found))


def instance_of(
    number: int,
    x: npt.NDArray[np.intp],
    y: npt.NDArray[np.intp],
    score: float,
    semantic_HW: npt.NDArray[np.uint8] | None,
) -> Instance:
    """The instance of the pixels at columns ``x`` and rows ``y``; its class is that of most of them."""
    return Instance(
        id=number,
        semantic=None if semantic_HW is None else int(np.bincount(semantic_HW[y, x]).argmax()),
        score=score,
        box=(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1),
        pixels=len(x),
    )


def limits(size: tuple[int, int], minimum_pixels: int | None, radius: float | None) -> tuple[int, float]:
    """Return the minimum pixels and the radius [px], by default in proportion to the image's size (height, width)."""
    smallest = max(8, size[0] * size[1] // 5000) if minimum_pixels is None else minimum_pixels
    radius = max(SMALLEST_RADIUS, size[1] * RADIUS) if radius is None else radius
    if not 0 < radius < math.inf:
        raise UsageError(f"group: expected a radius above 0 px, found {radius}")
    return smallest, radius


def countable_groups(vocabulary: SceneVocabulary) -> tuple[tuple[int, ...], ...]:
    """Return the indices of the countable classes, grouped by category.

    Classes of one category are grouped together because networks confuse them: pixels of a truck are often taken for a
    car. A class without a category is a group of its own.
    """
    groups: dict[str, list[int]] = {}
    for k in vocabulary.countable:
        c = vocabulary.classes[k]
        groups.setdefault(c.category or f"class {c.name}", []).append(k)
    return tuple(map(tuple, groups.values()))


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
