"""iIoU of classes and of categories over all images: IoU in which small objects count as much as large ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.scenes.metrics.overlaps import Kind, Overlaps
from equipoise.scenes.metrics.precision import REFERENCE_PIXELS

Values = npt.NDArray[np.float64]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class ClassGroups:
    """The classes of a data set, as far as these figures depend on them.

    Attributes:
        countable: whether each class has objects.
        categories: the indices of the classes of each category, by its name.
        average: the average pixels of an object of each class at 1024×2048, as the official script has them for
            Cityscapes; ``None``: the average of the evaluated labels.
    """

    countable: tuple[bool, ...]
    categories: Mapping[str, tuple[int, ...]]
    average: tuple[float, ...] | None = None


class InstanceIoU:
    """iIoU (evalPixelLevelSemanticLabeling; Cordts et al., CVPR 2016).

    iTP and iFN of a class are the right and wrong pixels on its true objects, each object's pixels weighted by
    (average pixels of the class's objects / pixels of the object). FP is not weighted, since predicted classes have no
    objects: iIoU = iTP / (iTP + FP + iFN). A category's objects are those of its classes, with the weights of their own
    classes, and a pixel is right if any class of the category is predicted. Only classes with objects have an iIoU, and
    categories in which all classes have them. Groups, which are no objects, are in neither sum.

    Args:
        groups: the classes.

    Example:
        >>> from equipoise.scenes.metrics.overlaps import count_overlaps
        >>> true, found = np.array([[0, 1, 1, 1]]), np.array([[1, 0, 1, 1]])
        >>> overlaps = count_overlaps((true, found), (true, true * 0), [], classes=2, countable=[1])
        >>> groups = ClassGroups(countable=(False, True), categories={"flat": (0,), "vehicle": (1,)})
        >>> score = InstanceIoU(groups)
        >>> score.update(overlaps)
        >>> score.by_class().tolist(), score.by_category()  # iTP 2, iFN 1, FP 1
        ([nan, 0.5], {'flat': nan, 'vehicle': 0.5})
    """

    def __init__(self, groups: ClassGroups) -> None:
        self.groups, count = groups, len(groups.countable)
        self.confusion = np.zeros((count, count), np.int64)
        self.objects, self.pixels = np.zeros(count, np.int64), np.zeros(count, np.int64)
        self.shares = np.zeros((count, count))
        """For each true class: the shares of its objects that are predicted as each class, added up."""

    def update(self, overlaps: Overlaps) -> None:
        """Add one image."""
        truth, found = overlaps.truth, overlaps.class_pixels
        labelled, own = truth.kinds != Kind.VOID, truth.kinds == Kind.OBJECT
        np.add.at(self.confusion, truth.classes[labelled], found[labelled])
        area = overlaps.pixels.sum(1)[own]
        scale = overlaps.size / REFERENCE_PIXELS if self.groups.average is not None else 1.0
        np.add.at(self.shares, truth.classes[own], scale * found[own] / area[:, None])
        np.add.at(self.objects, truth.classes[own], 1)
        np.add.at(self.pixels, truth.classes[own], area)

    def merge(self, other: "InstanceIoU") -> None:
        """Add the counts of another accumulator."""
        for name in ("confusion", "objects", "pixels", "shares"):
            getattr(self, name).__iadd__(getattr(other, name))

    def by_class(self) -> Values:
        """Return the iIoU of each class; NaN for a class without objects, or that occurs nowhere."""
        countable = np.array(self.groups.countable)
        values = [self._score((k,)) if countable[k] else np.nan for k in range(len(countable))]
        return np.array(values, np.float64)

    def by_category(self) -> dict[str, float]:
        """Return the iIoU of each category; NaN for one with a class without objects, or that occurs nowhere."""
        return {
            name: self._score(own) if all(self.groups.countable[k] for k in own) else float("nan")
            for name, own in self.groups.categories.items()
        }

    def _score(self, classes: Sequence[int]) -> float:
        own = list(classes)
        average = self.pixels / np.maximum(self.objects, 1) if self.groups.average is None else self.groups.average
        weighted = np.asarray(average)[own, None] * self.shares[own]
        hit, total = float(weighted[:, own].sum()), float(weighted.sum())
        wrong = int(np.delete(self.confusion, own, 0)[:, own].sum())
        return hit / (total + wrong) if total + wrong else float("nan")
