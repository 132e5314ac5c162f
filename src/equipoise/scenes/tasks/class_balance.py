"""Class weights from how often classes occur in the training labels."""

import dataclasses
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

from equipoise.scenes.labels.vocabulary import IGNORE

Balance = Literal["none", "inverse", "median", "effective"]
BETA = 0.999
"""Of the effective number, as a function of the images that show a class."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class ClassCounts:
    """How often each class occurs in the training labels, in the order of the classes.

    Attributes:
        pixels: labelled with the class.
        around: labelled pixels of the images that show the class.
        images: that show the class.
    """

    pixels: tuple[float, ...]
    around: tuple[float, ...]
    images: tuple[float, ...]

    @classmethod
    def of(cls, target: npt.NDArray[Any], classes: int, weight: float = 1.0) -> Self:
        """The counts of one image's classes, which counts ``weight`` times."""
        count = np.bincount(target[target != IGNORE].ravel(), minlength=classes)[:classes]
        shown = count > 0
        columns = (count, np.where(shown, count.sum(), 0), shown)
        pixels, around, images = (tuple((weight * column).tolist()) for column in columns)
        return cls(pixels=pixels, around=around, images=images)

    def __add__(self, other: Self) -> Self:
        """The counts of both."""
        both = zip(dataclasses.astuple(self), dataclasses.astuple(other), strict=True)
        pixels, around, images = (tuple(a + b for a, b in zip(*pair, strict=True)) for pair in both)
        return type(self)(pixels=pixels, around=around, images=images)


def balanced_weights(counts: ClassCounts, balance: Balance) -> list[float]:
    r"""A weight for each class, so that rare classes count more; their mean over the labelled pixels is 1.

    * ``inverse``: w ∝ 1/f, f the share of the labelled pixels: every class counts the same in all.
    * ``median``: w = median(f′)/f′, f′ the share among the labelled pixels of images that show the class (Eigen &
      Fergus, ICCV 2015, section 6.3).
    * ``effective``: w ∝ (1 − β)/(1 − βⁿ), n the images that show the class, β = 0.999: the inverse effective number of
      samples (Cui et al., CVPR 2019). Images are counted, since the pixels of one are no independent samples.

    A class that never occurs gets 1, which has no effect.

    >>> counts = ClassCounts(pixels=(75, 25), around=(100, 50), images=(2, 1))
    >>> balanced_weights(counts, "inverse")
    [0.6666666666666666, 2.0]
    """
    pixels, around, images = (np.array(column, float) for column in dataclasses.astuple(counts))
    known = pixels > 0
    if balance == "none" or not known.any():
        return [1.0] * len(pixels)
    some = np.where(known, pixels, 1.0)
    if balance == "inverse":
        weights = some.sum() / some
    elif balance == "median":
        share = some / np.where(known, around, 1.0)
        weights = np.median(share[known]) / share
    else:
        weights = (1 - BETA) / (1 - BETA ** np.where(known, images, 1.0))
    mean = (weights * pixels)[known].sum() / pixels[known].sum()
    balanced: list[float] = np.where(known, weights / mean, 1.0).tolist()
    return balanced
