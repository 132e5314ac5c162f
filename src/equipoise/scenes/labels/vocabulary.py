"""What the labels of a data set mean: the kinds of label, the classes, and the unit of inverse depth."""

from dataclasses import dataclass

from equipoise.scenes.cameras.distances import InverseDepthUnit

IGNORE = 255
"""The semantic index of a pixel without a class label."""


@dataclass(frozen=True, kw_only=True)
class SceneClass:
    """One semantic class: its name, its colour in pictures, whether its objects are instances, and its category."""

    name: str
    color: tuple[int, int, int]
    countable: bool = False
    category: str = ""


@dataclass(frozen=True, kw_only=True)
class SceneVocabulary:
    """What the labels of a data set mean: index k of a semantic map is ``classes[k]``.

    Attributes:
        labels: the kinds of label in the data set, by their names in ``LABELS`` and in that order.
        classes: the classes by index; empty if the data set has no class labels.
        sky: the index of the sky class, whose inverse depth is zero (infinitely far); ``None`` if there is none.
        inverse_depth_unit: the unit of inverse depth; ``None`` if the data set has no depth labels.
    """

    labels: tuple[str, ...] = ()
    classes: tuple[SceneClass, ...] = ()
    sky: int | None = None
    inverse_depth_unit: InverseDepthUnit | None = None

    @property
    def colors(self) -> tuple[tuple[int, int, int], ...]:
        """The colours of the classes, by index."""
        return tuple(c.color for c in self.classes)

    @property
    def countable(self) -> tuple[int, ...]:
        """The indices of the classes whose objects are instances."""
        return tuple(k for k, c in enumerate(self.classes) if c.countable)
