"""What the labels of a data set mean: which kinds there are, the classes, the unit of inverse depth."""

from dataclasses import dataclass

from equipoise.scenes.cameras.distances import InverseDepthUnit

IGNORE = 255
"""The semantic index of a pixel without a class label."""


@dataclass(frozen=True, kw_only=True)
class SceneClass:
    """One semantic class: its name, its colour in pictures, and whether its objects are counted as instances."""

    name: str
    color: tuple[int, int, int]
    countable: bool = False
    category: str = ""


@dataclass(frozen=True, kw_only=True)
class SceneVocabulary:
    """What the labels of a data set mean: index k of a semantic map is ``classes[k]``.

    Attributes:
        labels: the kinds of label that the data set has, by the names in ``LABELS`` and in that order.
        classes: the evaluated classes, in the order of their indices. Empty where there are no class labels.
        sky: the index of the sky class, whose inverse depth is zero (infinitely far); ``None`` where there is none.
        inverse_depth_unit: the unit of inverse depth; ``None`` where the data set has no depth.
    """

    labels: tuple[str, ...] = ()
    classes: tuple[SceneClass, ...] = ()
    sky: int | None = None
    inverse_depth_unit: InverseDepthUnit | None = None

    @property
    def colors(self) -> tuple[tuple[int, int, int], ...]:
        """The colours of the classes."""
        return tuple(c.color for c in self.classes)

    @property
    def countable(self) -> tuple[int, ...]:
        """Indices of the classes whose objects are counted."""
        return tuple(k for k, c in enumerate(self.classes) if c.countable)
