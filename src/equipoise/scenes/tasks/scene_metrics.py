"""The figures of whole scenes: iIoU of classes; AP and panoptic quality of objects."""

from collections.abc import Iterable
from typing import Any

from equipoise.scenes.labels.cityscapes_classes import average_pixels
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.instance_iou import ClassGroups, InstanceIoU
from equipoise.scenes.metrics.overlaps import Overlaps
from equipoise.scenes.metrics.panoptic import PanopticQuality
from equipoise.scenes.metrics.precision import InstancePrecision, mean_of_known
from equipoise.scenes.tasks.together import LabelledScene


def class_groups(vocabulary: SceneVocabulary) -> ClassGroups:
    """The classes as ``InstanceIoU`` needs them."""
    return ClassGroups(
        countable=tuple(c.countable for c in vocabulary.classes),
        categories=categories(vocabulary),
        average=average_pixels(vocabulary.classes),
    )


def categories(vocabulary: SceneVocabulary) -> dict[str, tuple[int, ...]]:
    """The classes of each category; a class without one is a category. Empty where no class has one."""
    found: dict[str, tuple[int, ...]] = {}
    for k, c in enumerate(vocabulary.classes):
        found[c.category or c.name] = (*found.get(c.category or c.name, ()), k)
    return found if any(c.category for c in vocabulary.classes) else {}


class InstanceIoUFigures:
    """``mean_iiou``, ``mean_category_iiou``, and ``iiou`` and ``category_iiou`` by name; see ``InstanceIoU``."""

    def __init__(self, vocabulary: SceneVocabulary) -> None:
        self.names = tuple(c.name for c in vocabulary.classes)
        self.score = InstanceIoU(class_groups(vocabulary))

    def update(self, scene: LabelledScene) -> None:
        """Add one image."""
        if scene.is_labelled:
            self.score.update(scene.overlaps)

    def merge(self, other: "InstanceIoUFigures") -> None:
        """Add the counts of another accumulator."""
        self.score.merge(other.score)

    def compute(self) -> dict[str, Any]:
        """Return the figures in 0 … 1."""
        values, grouped = self.score.by_class(), self.score.by_category()
        figures = {"mean_iiou": mean_of_known(values), "iiou": _named(self.names, values)}
        if grouped:
            figures |= {"mean_category_iiou": mean_of_known(grouped.values()), "category_iiou": grouped}
        return figures


class ObjectFigures:
    """Figures of objects, in 0 … 1: ``ap`` … of ``InstancePrecision``, ``pq`` … of ``PanopticQuality``.

    With ``_by_class``: AP, AP50, PQ, SQ and RQ of each class.
    """

    def __init__(self, vocabulary: SceneVocabulary) -> None:
        self.names = tuple(c.name for c in vocabulary.classes)
        self.precision = InstancePrecision(len(self.names))
        self.quality = PanopticQuality(len(self.names), vocabulary.countable)

    def update(self, scene: LabelledScene) -> None:
        """Add one image."""
        if scene.is_labelled:
            self.add(scene.overlaps)

    def add(self, overlaps: Overlaps) -> None:
        """Add one image by the pixels that its segments share."""
        self.precision.update(overlaps)
        self.quality.update(overlaps)

    def merge(self, other: "ObjectFigures") -> None:
        """Add the objects and segments of another accumulator."""
        self.precision.merge(other.precision)
        self.quality.merge(other.quality)

    def compute(self) -> dict[str, Any]:
        """Return the figures."""
        table = self.precision.by_class()["all"]
        by_class = {"ap": table.mean(1), "ap50": table[:, 0], **self.quality.by_class()}
        return {
            **self.precision.compute(),
            **self.quality.compute(),
            **{f"{name}_by_class": _named(self.names, values) for name, values in by_class.items()},
        }


def _named(names: Iterable[str], values: Iterable[Any]) -> dict[str, float]:
    return {name: float(value) for name, value in zip(names, values, strict=True)}
