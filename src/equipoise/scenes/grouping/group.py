"""Votes for centroids → instances: a grid of votes, smoothed, and its peaks.

Every pixel of a countable class votes for the place it points to. Votes are counted on a grid, smoothed, and the local
maxima are the centres; each pixel then belongs to the nearest centre. One pass over pixels, one over grid cells.
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

``python -m benchmarks grouping``: best of four on the demo's predictions. True vectors want half of it.
"""
SMALLEST_RADIUS = 2.0


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object.

    Attributes:
        id: its value in the instance map.
        semantic: the class of most of its pixels; ``None`` where classes are not predicted.
        score: in 0…1: how sure its pixels are of their class (where classes are predicted), times how concentrated
            their votes are, the mean of exp(−distance/radius). (The paper gives no score.)
        box: (left, top, right, bottom), px, right and bottom exclusive.
        pixels: how many.
    """

    id: int
    semantic: int | None
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
    countable: Sequence[Sequence[int]],
    *,
    confidence_HW: npt.NDArray[np.float32] | None = None,
    minimum_pixels: int | None = None,
    radius: float | None = None,
) -> Grouping:
    """Group the pixels of countable classes into instances.

    Args:
        offsets_2HW: (dx, dy) from each pixel to its centroid, px.
        semantic_HW: class indices.
        countable: the classes whose objects are counted, those together whose pixels may belong to one object: see
            ``together``. (The paper groups all of them together; a person before a car is then part of the car.)
        confidence_HW: the probability of each pixel's class; ``None``: 1.
        minimum_pixels: smaller groups are dropped; ``None``: 1/5000 of the image, at least 8.
        radius: votes within about so many px are for one centre; ``None``: 1/100 of the width, at least 2.
    """
    height, width = semantic_HW.shape
    smallest, radius = limits((height, width), minimum_pixels, radius)
    result = np.zeros((height, width), np.int32)
    found: list[Instance] = []
    for classes in countable:
        ys, xs = np.nonzero(np.isin(semantic_HW, list(classes)))
        votes = np.stack([xs + offsets_2HW[0, ys, xs], ys + offsets_2HW[1, ys, xs]], 1)
        finite = np.isfinite(votes).all(1)  # What votes for nowhere belongs to nothing.
        ys, xs, votes = ys[finite], xs[finite], np.clip(votes[finite], 0, [width - 1, height - 1])
        sure = np.ones(len(xs)) if confidence_HW is None else confidence_HW[ys, xs]
        for own, distance in clusters(votes, (height, width), radius, smallest):
            y, x = ys[own], xs[own]
            instance = Instance(
                id=len(found) + 1,
                semantic=int(np.bincount(semantic_HW[y, x]).argmax()),
                score=float(np.exp(-distance / radius).mean() * sure[own].mean()),
                box=(int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1),
                pixels=len(x),
            )
            result[y, x] = instance.id
            found.append(instance)
    return Grouping(instance=result, instances=tuple(found))


def limits(size: tuple[int, int], minimum_pixels: int | None, radius: float | None) -> tuple[int, float]:
    """The fewest pixels of an object, and how far votes for one centre spread, px: as given, or by the image's size."""
    smallest = max(8, size[0] * size[1] // 5000) if minimum_pixels is None else minimum_pixels
    radius = max(SMALLEST_RADIUS, size[1] * RADIUS) if radius is None else radius
    if not 0 < radius < math.inf:
        raise UsageError(f"group: expected a radius above 0 px, found {radius}")
    return smallest, radius


def together(vocabulary: SceneVocabulary) -> tuple[tuple[int, ...], ...]:
    """The countable classes, those of one category together: a pixel of a truck may be taken for one of a car."""
    groups: dict[str, list[int]] = {}
    for k in vocabulary.countable:
        c = vocabulary.classes[k]
        groups.setdefault(c.category or f"class {c.name}", []).append(k)
    return tuple(map(tuple, groups.values()))


def clusters(
    votes: npt.NDArray[np.floating], size: tuple[int, int], radius: float, smallest: int
) -> Iterator[tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]]:
    """The indices of the votes for each centre, and their distances to it, px; none with fewer than ``smallest``."""
    centres = vote_peaks(votes, size, radius, smallest) if len(votes) else np.empty((0, 2))
    if not len(centres):
        return
    distance, nearest = cKDTree(centres).query(votes)
    near = distance < 2 * radius
    counts = np.bincount(nearest[near], minlength=len(centres))
    for axis in (0, 1):  # From the middle of a cell to the mean of the votes around it.
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
    """The centres ``(K, 2)`` as (x, y): local maxima of the smoothed votes that gather enough of them."""
    cell = max(1.0, radius / 2)
    shape = (int(size[0] / cell) + 1, int(size[1] / cell) + 1)
    flat = np.ravel_multi_index(tuple((votes[:, ::-1] / cell).astype(np.int64).T), shape)
    grid = np.bincount(flat, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
    smooth = ndimage.gaussian_filter(grid, radius / cell, mode="constant")
    # Of equal neighbours one alone is a peak: the last, by less than any vote counts.
    ranked = smooth + np.arange(smooth.size).reshape(shape) * (float(smooth.max()) * 1e-9 / smooth.size)
    reach = 2 * round(1.5 * radius / cell) + 1
    peaks = (ranked == ndimage.maximum_filter(ranked, reach, mode="constant")) & (smooth > 0)
    gathered = ndimage.uniform_filter(grid, reach, mode="constant") * reach**2
    rows, columns = np.nonzero(peaks & (gathered >= smallest / 2))
    return np.stack([(columns + 0.5) * cell, (rows + 0.5) * cell], 1)
