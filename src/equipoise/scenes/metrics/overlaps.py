"""How many pixels true and predicted segments of one image share: the one table that AP, PQ and iIoU are made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.metrics.runs import run_lengths, weighted_counts

Map = npt.NDArray[Any]
Counts = npt.NDArray[np.int64]
DENSE_IDS = 1 << 22
"""Ids below this are looked up in a table; sparser ones are sorted."""


class Kind(IntEnum):
    """What a segment is.

    ``VOID``: pixels without a class. ``STUFF``: all pixels of a class that is not countable. ``OBJECT``: one object.
    ``GROUP``: the pixels of a countable class that belong to no object, such as a crowd.
    """

    VOID = 0
    STUFF = 1
    OBJECT = 2
    GROUP = 3


class ScoredObject(Protocol):
    """An object that was found; ``equipoise.scenes.grouping.Instance`` is one."""

    @property
    def id(self) -> int:
        """Its value in the instance map."""
        ...

    @property
    def semantic(self) -> int | None:
        """Its class; ``None`` if it has none."""
        ...

    @property
    def score(self) -> float:
        """How sure it is."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class SegmentTable:
    """Segments in columns: class index (``IGNORE`` for void), ``Kind``, and for predicted objects their score."""

    classes: npt.NDArray[np.int64]
    kinds: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Overlaps:
    """The segments of one image, and the pixels that they share.

    Attributes:
        truth: the true segments.
        found: the predicted segments.
        pixels: ``(true segments, predicted segments)``.
        class_pixels: ``(true segments, classes)``: the pixels of each predicted class, whatever the objects are.
        size: the number of pixels of the image.
    """

    truth: SegmentTable
    found: SegmentTable
    pixels: Counts
    class_pixels: Counts
    size: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pieces:
    """One side's different pairs of class and id, and which of them each run of pixels has."""

    index: npt.NDArray[np.intp]
    classes: npt.NDArray[np.int64]
    ids: npt.NDArray[np.int64]


def count_overlaps(
    semantic: tuple[Map, Map],
    instance: tuple[Map, Map],
    objects: Sequence[ScoredObject],
    *,
    classes: int,
    countable: Sequence[int],
) -> Overlaps:
    """Count the pixels that each true and each predicted segment share.

    A true object has the class of most of its labelled pixels, a predicted one that of ``objects``. Objects whose class
    is not countable are taken for pixels without an object.

    Args:
        semantic: the true and the predicted class map ``(H, W)``; true values outside 0 … classes − 1 mean no label.
        instance: the true and the predicted instance map ``(H, W)``; 0 means no object.
        objects: the predicted objects.
        classes: the number of classes.
        countable: the classes that have objects.

    Raises:
        ValueError: the maps differ in shape, or an id of the predicted map is not in ``objects``.

    Example:
        >>> from equipoise.scenes.grouping import Instance
        >>> true, found = np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 1]])
        >>> car = Instance(id=1, semantic=1, score=0.9, box=(2, 0, 4, 1), pixels=2)
        >>> overlaps = count_overlaps((true, found), (true, found), [car], classes=2, countable=[1])
        >>> overlaps.pixels.tolist()  # stuff and the car, true by predicted
        [[1, 0], [1, 2]]
    """
    if len({each.shape for each in (*semantic, *instance)}) != 1:
        raise ValueError(
            f"expected maps of equal shape, found {', '.join(str(each.shape) for each in (*semantic, *instance))}"
        )
    runs, lengths = run_lengths(*semantic, *instance)
    true, found = (_pieces(*maps) for maps in ((runs[0], runs[2]), (runs[1], runs[3])))
    shape = len(true.classes), len(found.classes)
    shared = weighted_counts(true.index * shape[1] + found.index, lengths, shape[0] * shape[1]).reshape(shape)
    rows, truth = _segments(true, _true_classes(true, shared.sum(1), classes), {}, classes, countable)
    known = {each.id: each.semantic for each in objects}
    if strange := set(found.ids[found.ids != 0].tolist()) - set(known):
        raise ValueError(f"expected the predicted objects to contain every id of their map, found also {min(strange)}")
    scores = {each.id: each.score for each in objects}
    columns, segments = _segments(found, known, scores, classes, countable)
    by_row = _summed(shared, rows, len(truth.classes))
    valid = found.classes < classes
    return Overlaps(
        truth=truth,
        found=segments,
        pixels=_summed(by_row.T, columns, len(segments.classes)).T,
        class_pixels=_summed(by_row.T[valid], found.classes[valid], classes).T,
        size=semantic[0].size,
    )


def _summed(rows: Counts, groups: npt.NDArray[np.int64], count: int) -> Counts:
    """Add the rows of each group."""
    total = np.zeros((count, rows.shape[1]), np.int64)
    np.add.at(total, groups, rows)
    return total


def _pieces(semantic: Map, instance: Map) -> _Pieces:
    """The different pairs of class and id of one side."""
    ids, of_run = _compact(instance)
    combined, index = _compact(of_run * 256 + semantic.astype(np.uint8))
    return _Pieces(index=index, classes=combined % 256, ids=ids[combined // 256])


def _compact(values: npt.NDArray[Any]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.intp]]:
    """The different values in order, and the index of each element's value among them."""
    if not values.size:
        return np.zeros(0, np.int64), np.zeros(0, np.intp)
    low, high = int(values.min()), int(values.max())
    if low < 0 or high >= DENSE_IDS:
        different, index = np.unique(values, return_inverse=True)
        return different.astype(np.int64), index.reshape(-1)
    present = np.zeros(high + 1, bool)
    present[values] = True
    return np.flatnonzero(present), (np.cumsum(present) - 1)[values]


def _true_classes(pieces: _Pieces, pixels: Counts, classes: int) -> dict[int, int | None]:
    """The class of most labelled pixels of each id, the first of equal ones."""
    most: dict[int, tuple[int, int]] = {}
    for own, k, count in zip(pieces.ids.tolist(), pieces.classes.tolist(), pixels.tolist(), strict=True):
        if own and k < classes and count > most.get(own, (0, 0))[0]:
            most[own] = count, k
    return {own: k for own, (_, k) in most.items()}


def _segments(
    pieces: _Pieces,
    objects: dict[int, int | None],
    scores: dict[int, float],
    classes: int,
    countable: Sequence[int],
) -> tuple[npt.NDArray[np.int64], SegmentTable]:
    """The segment of each piece, and the table of the segments."""
    segments: dict[tuple[int, int, int], int] = {}
    things = set(countable)
    of_piece = []
    for own, k in zip(pieces.ids.tolist(), pieces.classes.tolist(), strict=True):
        if own and objects.get(own) in things:
            key = (int(Kind.OBJECT), objects[own] or 0, own)
        elif k >= classes:
            key = (int(Kind.VOID), IGNORE, 0)
        else:
            key = (int(Kind.GROUP if k in things else Kind.STUFF), k, 0)
        of_piece.append(segments.setdefault(key, len(segments)))
    table = SegmentTable(
        classes=np.array([k for _, k, _ in segments], np.int64),
        kinds=np.array([kind for kind, _, _ in segments], np.int64),
        scores=np.array([scores.get(own, np.nan) for _, _, own in segments], np.float64),
    )
    return np.array(of_piece, np.int64), table
