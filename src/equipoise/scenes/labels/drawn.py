"""Readers of classes and instances from shapes: COCO, labelme, YOLO and Cityscapes' polygons."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.labels.coco import coco
from equipoise.scenes.labels.shape_files import cityscapes, labelme, yolo
from equipoise.scenes.labels.shapes import ImageFile, Shape, covered
from equipoise.scenes.labels.vocabulary import IGNORE

if TYPE_CHECKING:
    from equipoise.scenes.labels.class_description import SemanticDescription

READERS: dict[str, Callable[[Path, ImageFile], Iterator[Shape]]] = {
    "coco": coco,
    "labelme": labelme,
    "yolo": yolo,
    "cityscapes_polygons": cityscapes,
}
"""Encoding → the function that yields an image's shapes."""
IN_ORDER = ("labelme", "cityscapes_polygons")
"""Encodings whose later shapes cover earlier ones; in the others, smaller shapes cover larger ones."""


def shapes_of(encoding: str, path: Path, image: ImageFile) -> list[Shape]:
    """Return the shapes of an image. Raises ``DataError`` with a message of one line."""
    try:
        return list(READERS[encoding](path, image))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        reason = f"no key {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:120]
        raise DataError(f"{path}: expected {encoding} annotations, found a mistake: {reason}") from None


def draw_classes(described: "SemanticDescription", path: Path, image: ImageFile) -> npt.NDArray[np.int32]:
    """Return the class index of each pixel, ``(H, W)``. Raises ``DataError`` for a label that no class has."""
    known, shapes = class_indices(described), shapes_of(described.encoding, path, image)
    expect_described(described, (shape.label for shape in shapes if not shape.crowd), path)
    names = [c.name for c in described.classes]
    outside = names.index(described.outside) if described.outside else IGNORE
    table = [outside, *(IGNORE if shape.crowd else known.get(shape.label, IGNORE) for shape in shapes)]
    return np.array(table, np.int32)[_top(described.encoding, shapes, image, path)]


def expect_described(described: "SemanticDescription", labels: Iterable[str], path: Path) -> None:
    """Raise ``DataError`` for a label that no class has, unless others are ignored."""
    unknown = sorted(set(labels) - class_indices(described).keys())
    if unknown and described.others == "error":
        raise DataError(
            f"{path}: expected labels of the described classes, found {unknown[0]!r}: describe it, or set "
            'semantic.others = "ignore"'
        )


def draw_objects(encoding: str, known: frozenset[str] | None, path: Path, image: ImageFile) -> npt.NDArray[np.int32]:
    """Return the object of each pixel, ``(H, W)``; 0 = none.

    Args:
        encoding: one of ``READERS``.
        known: the labels whose shapes are objects; ``None``: all.
        path: the file of annotations.
        image: the image.
    """
    shapes = shapes_of(encoding, path, image)
    table = [0, *(shape.object if known is None or shape.label in known else 0 for shape in shapes)]
    return np.array(table, np.int32)[_top(encoding, shapes, image, path)]


def class_indices(described: "SemanticDescription") -> dict[str, int]:
    """Return the class index of each label in files: the class's name, or with YOLO its numbers."""
    classes = enumerate(described.classes)
    if described.encoding == "yolo":
        return {str(number): k for k, c in classes for number in c.numbers}
    return {c.name: k for k, c in classes}


def object_labels(described: "SemanticDescription") -> frozenset[str]:
    """Return the labels whose shapes are objects: those of countable classes, or of all if none is countable."""
    countable = [k for k, c in enumerate(described.classes) if c.countable]
    return frozenset(label for label, k in class_indices(described).items() if k in countable or not countable)


def _top(encoding: str, shapes: list[Shape], image: ImageFile, path: Path) -> npt.NDArray[np.int32]:
    try:
        return covered(shapes, image.size, smaller_on_top=encoding not in IN_ORDER)
    except (ValueError, KeyError, TypeError, OverflowError, IndexError) as error:
        raise DataError(f"{path}: expected {encoding} annotations, found a mistake: {str(error)[:120]}") from None
