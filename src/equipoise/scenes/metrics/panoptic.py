"""Panoptic quality over all images, counted as the official panopticapi and Cityscapes' script do."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.scenes.metrics.overlaps import Kind, Overlaps
from equipoise.scenes.metrics.precision import mean_of_known

Values = npt.NDArray[np.float64]


class PanopticQuality:
    r"""Panoptic, segmentation and recognition quality (Kirillov et al., CVPR 2019).

    A true and a predicted segment of one class match if their IoU exceeds ½; a segment has one match at most. For each
    class, over all images,

    PQ = Σ IoU of the matches / (TP + FP/2 + FN/2) = SQ · RQ, SQ = Σ IoU / TP, RQ = TP / (TP + FP/2 + FN/2),

    with TP the matches, FP the predicted and FN the true segments without a match. As in panopticapi,

    * predicted pixels on void do not count in the union,
    * a group (pixels of a countable class without an object, a crowd) is neither a match nor a miss,
    * a predicted segment without a match does not count if void and groups of its class cover more than half of it,
    * predicted pixels of a countable class without an object belong to no segment,
    * means are over the classes with a segment that counts.

    Args:
        classes: the number of classes.
        countable: the indices of the classes whose segments are objects.

    Example:
        >>> from equipoise.scenes.grouping import Instance
        >>> from equipoise.scenes.metrics.overlaps import count_overlaps
        >>> true, found = np.array([[0, 1, 1, 1]]), np.array([[0, 0, 1, 1]])
        >>> car = Instance(id=1, semantic=1, score=0.9, box=(2, 0, 4, 1), pixels=2)
        >>> quality = PanopticQuality(2, [1])
        >>> quality.update(count_overlaps((true, found), (true, found), [car], classes=2, countable=[1]))
        >>> {name: round(value, 3) for name, value in quality.compute().items()}["pq_things"]
        0.667
    """

    def __init__(self, classes: int, countable: Sequence[int]) -> None:
        self.things = np.isin(np.arange(classes), list(countable))
        self.iou = np.zeros(classes)
        self.matches, self.wrong, self.missed = (np.zeros(classes, np.int64) for _ in range(3))

    def update(self, overlaps: Overlaps) -> None:
        """Add one image."""
        truth, found, pixels = overlaps.truth, overlaps.found, overlaps.pixels
        void, groups = truth.kinds == Kind.VOID, truth.kinds == Kind.GROUP
        true = np.isin(truth.kinds, (Kind.STUFF, Kind.OBJECT))
        predicted = np.isin(found.kinds, (Kind.STUFF, Kind.OBJECT))
        same = truth.classes[:, None] == found.classes
        area, on_void = pixels.sum(0), pixels[void].sum(0)
        union = pixels.sum(1)[:, None] + area - pixels - on_void
        iou = np.where(same & true[:, None] & predicted, pixels / np.maximum(union, 1), 0.0)
        match = iou > 0.5
        ignored = (on_void + (pixels * same)[groups].sum(0)) / np.maximum(area, 1) > 0.5
        self._count(self.iou, truth.classes, np.where(match, iou, 0.0).sum(1))
        self._count(self.matches, truth.classes, match.sum(1))
        self._count(self.missed, truth.classes, true & ~match.any(1))
        self._count(self.wrong, found.classes, predicted & ~match.any(0) & ~ignored)

    def _count(self, total: npt.NDArray[Any], classes: npt.NDArray[np.int64], values: npt.NDArray[Any]) -> None:
        inside = classes < len(total)
        np.add.at(total, classes[inside], values[inside].astype(total.dtype))

    def merge(self, other: "PanopticQuality") -> None:
        """Add the counts of another accumulator."""
        self.iou += other.iou
        self.matches += other.matches
        self.wrong += other.wrong
        self.missed += other.missed

    def by_class(self) -> dict[str, Values]:
        """Return ``pq``, ``sq`` and ``rq`` of each class; NaN for a class without a segment that counts."""
        weight = self.matches + 0.5 * self.wrong + 0.5 * self.missed
        counted = weight > 0
        nan = np.full(len(weight), np.nan)
        return {
            "pq": np.divide(self.iou, weight, out=nan.copy(), where=counted),
            "sq": np.where(counted, self.iou / np.maximum(self.matches, 1), np.nan),
            "rq": np.divide(self.matches, weight, out=nan.copy(), where=counted),
        }

    def compute(self) -> dict[str, float]:
        """Return ``pq``, ``sq``, ``rq`` over all classes, things (``pq_things`` …) and stuff; NaN if there is none."""
        parts = {"": np.ones_like(self.things), "_things": self.things, "_stuff": ~self.things}
        return {
            f"{name}{part}": mean_of_known(values[chosen])
            for part, chosen in parts.items()
            for name, values in self.by_class().items()
        }
