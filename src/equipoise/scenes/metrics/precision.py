"""Average precision of instances over all images, as Cityscapes' official script computes it; also by size."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.scenes.metrics.overlaps import Kind, Overlaps

Values = npt.NDArray[np.float64]

THRESHOLDS: Values = np.arange(0.5, 1.0, 0.05, dtype=np.float64)
"""The overlaps at which objects are compared, as the official script writes them."""
REFERENCE_PIXELS = 1024 * 2048
"""The image to which ``SMALLEST`` and ``SIZES`` refer; they scale with the image's area."""
SMALLEST = 100.0
"""True objects with fewer pixels are ignored."""
SIZES: dict[str, tuple[float, float]] = {
    "all": (0.0, np.inf),
    "small": (0.0, 32.0**2),
    "medium": (32.0**2, 96.0**2),
    "large": (96.0**2, np.inf),
}
"""Pixels of an object, from the lower bound on and below the upper one; COCO's bounds."""


class InstancePrecision:
    """AP, AP at 50 % overlap, and AP of small, medium and large objects (evalInstanceLevelSemanticLabeling).

    For each class and each overlap 0.50, 0.55 … 0.95: a predicted object whose IoU with a true one of its class exceeds
    the overlap is right, the others are wrong; precision over recall, as the score decreases, is integrated stepwise.
    AP is the mean over overlaps and over the classes that have a true object. As in the official script,

    * true objects below 100 px at 1024×2048 are ignored (the bound scales with the image's area), and groups always: a
      prediction that matches one is neither right nor wrong,
    * a prediction without a match is ignored if the fraction of its pixels on void and on ignored objects and groups of
      its class exceeds the overlap,
    * an ignored group below the minimum counts twice in this fraction.

    By size: true objects outside the range are ignored, and so are predictions outside of it that match none (as in
    COCO). The ranges are below 32², below 96² and from 96² px on at 1024×2048, and scale with the area.

    If no prediction of a class counts, its AP is 0; where all of them are ignored, the official script fails.

    Args:
        classes: the number of classes.
        smallest: the fewest pixels of a true object that counts, at 1024×2048.
    """

    def __init__(self, classes: int, *, smallest: float = SMALLEST) -> None:
        self.classes, self.smallest = classes, smallest
        self._truth: list[Values] = [np.empty((0, 2))]
        self._found: list[Values] = [np.empty((0, 5 + len(SIZES)))]

    def update(self, overlaps: Overlaps) -> None:
        """Add one image."""
        scale = overlaps.size / REFERENCE_PIXELS
        rows = np.isin(overlaps.truth.kinds, (Kind.OBJECT, Kind.GROUP))
        columns = overlaps.found.kinds == Kind.OBJECT
        group = overlaps.truth.kinds[rows] == Kind.GROUP
        true_area, area = overlaps.pixels.sum(1)[rows], overlaps.pixels.sum(0)[columns]
        on_void = overlaps.pixels[overlaps.truth.kinds == Kind.VOID][:, columns].sum(0)
        true_class, own_class = overlaps.truth.classes[rows], overlaps.found.classes[columns]
        shared = overlaps.pixels[rows][:, columns] * (true_class[:, None] == own_class)
        small = true_area < self.smallest * scale
        counted = ~group & ~small
        self._truth.append(np.stack([true_class[counted], true_area[counted] / scale], 1))
        ignored = [
            on_void + shared[group].sum(0) + shared[small | (~group & ~_within(true_area / scale, size))].sum(0)
            for size in SIZES
        ]
        iou, matched = _best(shared, true_area, area, np.where(counted, true_area / scale, np.nan))
        scores = overlaps.found.scores[columns]
        self._found.append(np.stack([own_class, scores, area / scale, iou, matched, *(i / area for i in ignored)], 1))

    def merge(self, other: "InstancePrecision") -> None:
        """Add the objects of another accumulator."""
        self._truth += other._truth
        self._found += other._found

    def by_class(self) -> dict[str, Values]:
        """Return AP as ``(classes, overlaps)`` for each of ``SIZES``; NaN for a class without a true object."""
        self._truth, self._found = [np.concatenate(self._truth)], [np.concatenate(self._found)]
        (truth,), (found,) = self._truth, self._found
        table = {name: np.full((self.classes, len(THRESHOLDS)), np.nan) for name in SIZES}
        for k in np.unique(truth[:, 0]).astype(int).tolist():
            true, own = truth[truth[:, 0] == k], found[found[:, 0] == k]
            for column, size in enumerate(SIZES):
                count = int(_within(true[:, 1], size).sum())
                if count:
                    table[size][k] = [_precision(own, column, size, overlap, count) for overlap in THRESHOLDS]
        return table

    def compute(self) -> dict[str, float]:
        """Return ``ap``, ``ap50``, ``ap_small``, ``ap_medium`` and ``ap_large`` in 0 … 1; NaN without such objects."""
        table = self.by_class()
        figures = {"ap": mean_of_known(table["all"]), "ap50": mean_of_known(table["all"][:, 0])}
        return figures | {f"ap_{size}": mean_of_known(table[size]) for size in SIZES if size != "all"}


def average_precision(scores: Values, right: npt.NDArray[np.bool_], missed: int) -> float:
    """Integrate precision over recall stepwise, as the official script does.

    Args:
        scores: of the predicted objects that count.
        right: whether each of them matches a true object.
        missed: the number of true objects without a match.

    Example:
        >>> average_precision(np.array([0.9, 0.8]), np.array([False, True]), 0)
        0.25
    """
    if not scores.size:
        return 0.0
    order = np.argsort(scores, kind="stable")
    below = np.concatenate([[0], np.cumsum(right[order])])
    first = np.unique(scores[order], return_index=True)[1]
    hits = below[-1] - below[first]
    precision = np.append(hits / (len(scores) - first), 1.0)
    recall = np.append(hits / (below[-1] + missed), 0.0)
    padded = np.concatenate([recall[:1], recall, [0.0]])
    return float(np.dot(precision, 0.5 * (padded[:-2] - padded[2:])))


def _precision(found: Values, column: int, size: str, overlap: float, count: int) -> float:
    """The AP of one class at one overlap; the columns of ``found`` are those that ``update`` appends."""
    _, scores, area, iou, matched = found[:, :5].T
    match = iou > overlap
    right = match & _within(matched, size)
    wrong = ~match & (found[:, 5 + column] <= overlap) & _within(area, size)
    counted = right | wrong
    return average_precision(scores[counted], right[counted], count - int(right.sum()))


def _best(shared: npt.NDArray[Any], true_area: Values, area: Values, counted: Values) -> tuple[Values, Values]:
    """Each prediction's largest IoU, and the size of the true object that it is with; NaN if that does not count."""
    if not len(true_area):
        return np.zeros(len(area)), np.full(len(area), np.nan)
    iou = shared / (true_area[:, None] + area - shared)
    return iou.max(0, initial=0.0), counted[iou.argmax(0)]


def _within(area: npt.NDArray[Any], size: str) -> npt.NDArray[np.bool_]:
    low, high = SIZES[size]
    return np.asarray((area >= low) & (area < high))


def mean_of_known(values: Iterable[Any]) -> float:
    """Return the mean of those values that are not NaN; NaN if there is none."""
    array = np.asarray(list(values), np.float64)
    known = array[~np.isnan(array)]
    return float(known.mean()) if known.size else float("nan")
