"""The votes of one group of classes, and what a method of grouping makes of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True, eq=False)
class Votes:
    """The votes of pixels that may belong to the same objects.

    Attributes:
        pixels: the places of the pixels in the flattened image, in increasing order.
        row: row of each pixel.
        column: column of each pixel.
        x: column of each vote, px, inside the image.
        y: row of each vote, px, inside the image.
        length: length of each pixel's vector, px.
        size: (height, width) of the image, px.
        smallest: the fewest pixels of an object.
    """

    pixels: npt.NDArray[np.intp]
    row: npt.NDArray[np.int32]
    column: npt.NDArray[np.int32]
    x: npt.NDArray[np.float32]
    y: npt.NDArray[np.float32]
    length: npt.NDArray[np.float32]
    size: tuple[int, int]
    smallest: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Members:
    """Which centre each vote belongs to.

    Attributes:
        own: the number of each vote's centre, −1 for none; there may be numbers that no vote has.
        closeness: of each centre, how well its votes agree: 1 if all are on it, towards 0 if they are far from it.
    """

    own: npt.NDArray[np.intp]
    closeness: npt.NDArray[np.float64]


Method = Callable[[Votes], Members]


def nobody(votes: Votes) -> Members:
    """No vote belongs to a centre."""
    return Members(own=np.full(len(votes.x), -1, np.intp), closeness=np.empty(0))


def fewest_pixels(size: tuple[int, int], minimum_pixels: int | None) -> int:
    """Return the fewest pixels of an object: by default 1/5000 of the image's (height, width), at least 8."""
    return max(8, size[0] * size[1] // 5000) if minimum_pixels is None else minimum_pixels


THINNED = 32768
"""Of more votes than about twice this, means need only some."""


def thinned(votes: int) -> slice:
    """Return a slice that leaves about ``THINNED`` of many votes, evenly spread, and all of few."""
    return slice(None, None, max(1, votes // THINNED))
