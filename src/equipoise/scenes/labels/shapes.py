"""Outlines and masks of objects, and the order in which they cover each other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from equipoise.errors import DataError

Mask = npt.NDArray[np.bool_]
Point = tuple[float, float]
Draw = Callable[[], Mask]


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image whose labels are read: its path, and its size (height, width)."""

    path: Path
    size: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One annotated region.

    Attributes:
        label: the name of its class in the file.
        object: the object that it is part of, 1 or more; 0: of none.
        draw: returns its pixels ``(H, W)``.
        crowd: its pixels have neither a class nor an object.
    """

    label: str
    object: int
    draw: Draw
    crowd: bool = False


def covered(shapes: Sequence[Shape], size: tuple[int, int], *, smaller_on_top: bool) -> npt.NDArray[np.int32]:
    """Return for each pixel the number of the shape on top, counted from 1; 0 = none, ``(H, W)``.

    Args:
        shapes: the shapes; later ones cover earlier ones.
        size: height and width, px.
        smaller_on_top: smaller ones cover larger ones; only among equal ones, later ones cover earlier ones.
    """
    top = np.zeros(size, np.int32)
    order = list(range(len(shapes)))
    if smaller_on_top:  # Drawn twice, since keeping the masks of hundreds of shapes would take too much memory.
        pixels = [int(np.count_nonzero(shape.draw())) for shape in shapes]
        order.sort(key=lambda k: -pixels[k])
    for k in order:
        top[shapes[k].draw()] = k + 1
    return top


def polygon(points: Sequence[Point], size: tuple[int, int], *, outline: bool = False) -> Mask:
    """Return the pixels of a polygon as Pillow fills it, ``(H, W)``."""
    return _drawn(size, lambda draw: draw.polygon(list(points), fill=1, outline=1 if outline else None))


def rectangle(points: Sequence[Point], size: tuple[int, int]) -> Mask:
    """Return the pixels of a rectangle given by two opposite corners, ``(H, W)``."""
    (x, y), (right, bottom) = points
    return _drawn(size, lambda draw: draw.rectangle((min(x, right), min(y, bottom), max(x, right), max(y, bottom)), 1))


def circle(points: Sequence[Point], size: tuple[int, int]) -> Mask:
    """Return the pixels of a circle given by its centre and a point on it, ``(H, W)``."""
    (x, y), (other_x, other_y) = points
    r = float(np.hypot(other_x - x, other_y - y))
    return _drawn(size, lambda draw: draw.ellipse((x - r, y - r, x + r, y + r), 1))


def points_of(values: Any, size: tuple[int, int], least: int, path: Path) -> list[Point]:
    """Return points from a list of pairs. Raises ``DataError`` if they are too few, or outside the image.

    Outlines may cross the image's border; what is outside is cut off.
    """
    array = np.array(values, np.float64)
    if array.ndim != 2 or array.shape[1] != 2 or len(array) < least or not np.isfinite(array).all():
        raise DataError(f"{path}: expected at least {least} points [x, y], found {str(values)[:80]}")
    low, high, far = array.min(0), array.max(0), np.array([size[1], size[0]])
    if (high < 0).any() or (low > far).any() or (low < -far).any() or (high > 2 * far).any():
        raise DataError(
            f"{path}: expected outlines in an image of {size[1]}x{size[0]}, found points from "
            f"({low[0]:g}, {low[1]:g}) to ({high[0]:g}, {high[1]:g})"
        )
    return [(float(x), float(y)) for x, y in array]


def _drawn(size: tuple[int, int], draw: Callable[[ImageDraw.ImageDraw], None]) -> Mask:
    picture = Image.new("L", (size[1], size[0]))
    draw(ImageDraw.Draw(picture))
    return np.array(picture) > 0
