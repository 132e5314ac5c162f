"""Group the pixels of countable classes into instances by their votes for centroids.

Every pixel votes for the place its vector ends at, and a method finds the centres that votes agree on. The classes of
one group share their votes; different groups never share an object.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from equipoise.errors import UsageError
from equipoise.scenes.grouping.instances import Grouping, Instance, instances_of
from equipoise.scenes.grouping.octaves import by_octaves
from equipoise.scenes.grouping.optics import by_optics, scikit_learn_optics
from equipoise.scenes.grouping.pixel_runs import row_starts, runs_of
from equipoise.scenes.grouping.votes import Members, Method, Votes, fewest_pixels
from equipoise.scenes.labels.vocabulary import SceneVocabulary

DEFAULT = "votes"
METHODS: dict[str, Method] = {DEFAULT: by_octaves, "optics": by_optics}
"""The methods of grouping by name; a new one is a function from votes to members, and one line."""


def group(
    offsets_2HW: npt.NDArray[np.float32],
    semantic_HW: npt.NDArray[np.uint8],
    countable: Sequence[Sequence[int]],
    *,
    confidence_HW: npt.NDArray[np.float32] | None = None,
    minimum_pixels: int | None = None,
    method: str = DEFAULT,
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
        method: one of ``METHODS``: ``votes``, which adapts to the size of objects, or the paper's ``optics``, which
            needs scikit-learn.

    Returns:
        The instance map and the instances, numbered from 1.

    Raises:
        UsageError: there is no such method, or scikit-learn is not installed.

    Example:
        >>> y, x = np.mgrid[:64, :64]
        >>> semantic = np.zeros((64, 64), np.uint8)
        >>> semantic[10:30, 20:50] = 1
        >>> offsets = np.stack([34.5 - x, 19.5 - y]).astype(np.float32)
        >>> [(found.semantic, found.box) for found in group(offsets, semantic, [[1]]).instances]
        [(1, (20, 10, 50, 30))]
    """
    find, size = checked_method(method), (semantic_HW.shape[0], semantic_HW.shape[1])
    smallest = fewest_pixels(size, minimum_pixels)
    result = np.zeros(size[0] * size[1], np.int32)
    found: list[Instance] = []
    for pixels in _pixels_of_groups(semantic_HW, countable):
        votes = _votes(offsets_2HW, pixels, size, smallest)
        ids, instances = _objects(votes, find(votes), semantic_HW, confidence_HW, len(found))
        result[votes.pixels] = ids
        found += instances
    return Grouping(instance=result.reshape(size), instances=tuple(found))


def _objects(
    votes: Votes,
    members: Members,
    semantic_HW: npt.NDArray[np.uint8],
    confidence_HW: npt.NDArray[np.float32] | None,
    before: int,
) -> tuple[npt.NDArray[np.int32], tuple[Instance, ...]]:
    """The id of each vote's object, 0 for none, and the objects with enough pixels, after those found before."""
    centres = len(members.closeness)
    runs = runs_of(members.own, votes.pixels, semantic_HW, votes.size)
    count = runs.counts(centres)
    kept, scores = count >= max(1, votes.smallest), members.closeness
    if confidence_HW is not None:
        scores = scores * runs.sums(confidence_HW.reshape(-1)[votes.pixels], centres) / np.maximum(count, 1)
    number = np.where(kept, np.cumsum(kept) - 1, -1)
    ids = np.append(np.where(kept, number + before + 1, 0), 0).astype(np.int32)
    return ids[members.own], instances_of(runs.renumbered(number), scores[kept], first=before + 1)


def checked_method(name: str) -> Method:
    """Return the method of this name; raises ``UsageError`` if there is none, or if scikit-learn is missing for it."""
    if name not in METHODS:
        raise UsageError(f"grouping: expected {' or '.join(METHODS)}, found {name!r}")
    if METHODS[name] is by_optics:
        scikit_learn_optics()
    return METHODS[name]


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


def _pixels_of_groups(
    semantic_HW: npt.NDArray[np.uint8], countable: Sequence[Sequence[int]]
) -> list[npt.NDArray[np.intp]]:
    """The places of each group's pixels in the flattened image."""
    every = [k for classes in countable for k in classes]
    if not every:
        return []
    flat = semantic_HW.reshape(-1)
    pixels = np.flatnonzero((flat >= min(every)) & (flat <= max(every)))  # Much faster than a table for all pixels.
    table = np.full(256, -1, np.int8)
    for number, classes in enumerate(countable):
        table[list(classes)] = number
    number_of = table[flat[pixels]]
    return [pixels[number_of == number] for number in range(len(countable))]


def _votes(
    offsets_2HW: npt.NDArray[np.float32], pixels: npt.NDArray[np.intp], size: tuple[int, int], smallest: int
) -> Votes:
    """The votes of pixels; those without a finite vector are left out, and the others kept inside the image."""
    dx, dy = (component.reshape(-1)[pixels] for component in offsets_2HW)
    length = np.sqrt(dx * dx + dy * dy)
    finite = np.isfinite(length)
    if not finite.all():
        pixels, dx, dy, length = pixels[finite], dx[finite], dy[finite], length[finite]
    row = np.repeat(np.arange(size[0], dtype=np.int32), np.diff(row_starts(pixels, size)))
    column = pixels.astype(np.int32) - row * np.int32(size[1])
    x, y = dx + column.astype(np.float32), dy + row.astype(np.float32)
    np.clip(x, 0, size[1] - 1, out=x)
    np.clip(y, 0, size[0] - 1, out=y)
    return Votes(pixels=pixels, row=row, column=column, x=x, y=y, length=length, size=size, smallest=smallest)
