"""Read the shapes of one image: labelme's JSON, YOLO's polygons, and Cityscapes' polygons."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from equipoise.errors import DataError
from equipoise.scenes.io.json import read_json
from equipoise.scenes.labels.shapes import ImageFile, Point, Shape, circle, points_of, polygon, rectangle

LABELME = {"polygon": (polygon, 3), "rectangle": (rectangle, 2), "circle": (circle, 2)}
"""Type of a shape → how it is drawn, and how many points it has at least."""
YOLO_NAMES = ("classes.txt", "obj.names", "data.yaml", "data.yml", "dataset.yaml")
"""Files with the names of YOLO's classes, which may lie among its labels."""
NOT_DRAWN = "license plate"
"""Cityscapes' class with the id −1, which the official script leaves out."""


def labelme(path: Path, image: ImageFile) -> Iterator[Shape]:
    """Yield the shapes of a labelme file. Shapes with one label and one ``group_id`` are one object."""
    table = read_json(path)
    _expect_size(path, (table["imageHeight"], table["imageWidth"]), image)
    groups: dict[tuple[str, Any], int] = {}
    for place, shape in enumerate(table["shapes"]):
        kind, label = shape.get("shape_type", "polygon"), _text(shape["label"])
        if kind not in LABELME:
            raise DataError(f"{path}: expected shapes of type {', '.join(LABELME)}, found {kind!r} for {label!r}")
        draw, least = LABELME[kind]
        points = points_of(shape["points"], image.size, least, path)
        if kind != "polygon" and len(points) != 2:
            raise DataError(f"{path}: expected 2 points for a {kind}, found {len(points)}")
        group = shape.get("group_id")
        own = groups.setdefault((label, ("alone", place) if group is None else group), len(groups) + 1)
        drawn = partial(polygon, outline=True) if draw is polygon else draw
        yield Shape(label=label, object=own, draw=partial(drawn, points, image.size))


def yolo(path: Path, image: ImageFile) -> Iterator[Shape]:
    """Yield the polygons of a YOLO text file: ``class x y x y x y …``, as shares of the width and the height."""
    height, width = image.size
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        values = line.split()
        if not values:
            continue
        if len(values) == 5:
            raise DataError(
                f"{path}: line {number}: expected a polygon, found a box (class x y w h), which has no outline"
            )
        if len(values) < 7 or len(values) % 2 == 0:
            raise DataError(
                f"{path}: line {number}: expected a class and 3 or more points, found {len(values)} numbers"
            )
        shares = [float(value) for value in values[1:]]
        if not all(-0.01 <= share <= 1.01 for share in shares):
            raise DataError(
                f"{path}: line {number}: expected points of 0 … 1, as shares of the image, found {line[:60]!r}"
            )
        points: list[Point] = [(x * width, y * height) for x, y in zip(shares[::2], shares[1::2], strict=True)]
        yield Shape(label=str(int(values[0])), object=number, draw=partial(polygon, points, image.size))


def cityscapes(path: Path, image: ImageFile) -> Iterator[Shape]:
    """Yield the shapes of a ``_gtFine_polygons.json`` file, in the order in which the official script draws them.

    Labels that end in ``group`` are shapes of their class that are no object.
    """
    table = read_json(path)
    _expect_size(path, (table["imgHeight"], table["imgWidth"]), image)
    for number, shape in enumerate(table["objects"], 1):
        label = _text(shape["label"])
        if shape.get("deleted") or label == NOT_DRAWN:
            continue
        group = label.endswith("group")
        points = points_of(shape["polygon"], image.size, 1, path)
        label = label.removesuffix("group")
        yield Shape(label=label, object=0 if group else number, draw=partial(polygon, points, image.size))


def _expect_size(path: Path, found: tuple[Any, Any], image: ImageFile) -> None:
    """Raise ``DataError`` if a file is about an image of another size."""
    for value in found:
        if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
            raise ValueError(f"a size that is no whole number: {value!r:.40}")
    if found != image.size and None not in found:
        (height, width), (h, w) = image.size, found
        raise DataError(
            f"{path}: expected the size of its image, {width}x{height}, found {w}x{h} (image: {image.path})"
        )


def _text(label: Any) -> str:
    if not isinstance(label, str) or not label:
        raise ValueError(f"a label that is no text: {label!r}")
    return label
