"""Read COCO's instances: one JSON for all images, with polygons or run lengths."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from equipoise.errors import DataError, UsageError
from equipoise.scenes.io.json import parse_json
from equipoise.scenes.io.names import longest_end, to_nfc
from equipoise.scenes.labels.shapes import ImageFile, Mask, Shape, points_of

LARGEST = 2**30
"""Largest JSON file that is read, bytes; that of COCO's 118,287 training images has 448 MB."""


@dataclass(frozen=True, kw_only=True)
class CocoFile:
    """The contents of a COCO file.

    Attributes:
        images: the entry of each image, by file name.
        annotations: the annotations of each image, by its id.
        categories: the names of categories by id.
    """

    images: Mapping[str, Mapping[str, Any]]
    annotations: Mapping[Any, Sequence[Mapping[str, Any]]]
    categories: Mapping[Any, str]


def coco(path: Path, image: ImageFile) -> Iterator[Shape]:
    """Yield the annotations of an image; those with ``iscrowd`` have neither a class nor an object."""
    status = path.stat()
    content = _read(path, status.st_mtime_ns, status.st_size)
    entry = _entry(content, path, image)
    height, width = image.size
    if (entry["height"], entry["width"]) != image.size:
        found = f"{entry['width']!r:.20}x{entry['height']!r:.20}"
        raise DataError(f"{path}: expected the size of the image, {width}x{height}, found {found} ({image.path})")
    for number, annotation in enumerate(content.annotations.get(entry["id"], ()), 1):
        where = Path(f"{path}: annotation {annotation.get('id')!r:.40}")
        category = annotation["category_id"]
        if category not in content.categories:
            raise DataError(f"{where}: expected one of the file's categories, found category_id {category!r}")
        crowd = bool(annotation.get("iscrowd", 0))
        draw = partial(_mask, annotation["segmentation"], image.size, where)
        yield Shape(label=content.categories[category], object=0 if crowd else number, draw=draw, crowd=crowd)


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> CocoFile:
    table = read_whole_file(path, size)
    annotations: dict[Any, list[Mapping[str, Any]]] = {}
    for annotation in table["annotations"]:
        annotations.setdefault(annotation["image_id"], []).append(annotation)
    return CocoFile(
        images={to_nfc(str(entry["file_name"])): entry for entry in table["images"]},
        annotations=annotations,
        categories={entry["id"]: str(entry["name"]) for entry in table["categories"]},
    )


def read_whole_file(path: Path, size: int) -> Any:
    """Parse the JSON file about all images, which has ``size`` bytes. Raises ``ValueError`` if that is too large."""
    if size > LARGEST:
        raise ValueError(f"more than {LARGEST >> 20} MB")
    return parse_json(path.read_bytes())


def _entry(content: CocoFile, path: Path, image: ImageFile) -> Mapping[str, Any]:
    """Return the entry whose file name is the longest end of the image's path."""
    if (name := longest_end(image.path, content.images)) is not None:
        return content.images[name]
    raise DataError(
        f"{path}: expected an entry for {image.path} among its images, found none: add it (without annotations if it "
        "shows none), or leave the image out of the split"
    )


def _mask(segmentation: Any, size: tuple[int, int], where: Path) -> Mask:
    """Return the pixels of polygons (a list) or run lengths (a table)."""
    if isinstance(segmentation, list):
        return _polygons(segmentation, size, where)
    if not isinstance(segmentation, dict) or tuple(segmentation.get("size", ())) != size:
        found = segmentation.get("size") if isinstance(segmentation, dict) else segmentation
        raise DataError(f"{where}: expected run lengths of size {list(size)}, found {str(found)[:60]}")
    counts = segmentation["counts"]
    lengths = np.array(run_lengths(counts) if isinstance(counts, str) else counts)
    total = size[0] * size[1]
    if lengths.dtype.kind not in "iu" or lengths.ndim != 1 or (lengths < 0).any() or lengths.sum() != total:
        raise DataError(f"{where}: expected run lengths that add up to {total:,} pixels, found others")
    return _from_runs(lengths, size)


def run_lengths(text: str) -> list[int]:
    """Decode COCO's compressed run lengths: 5 bits a character; from the fourth on, differences to the last but one.

    >>> run_lengths("52203")
    [5, 2, 2, 2, 5]
    """
    lengths: list[int] = []
    value = shift = 0
    for letter in text.encode():
        bits = letter - 48
        if not 0 <= bits < 64 or shift > 30:
            raise ValueError(f"no run lengths: {text[:40]!r}")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
            value = shift = 0
    return lengths


def _polygons(polygons: Sequence[Any], size: tuple[int, int], where: Path) -> Mask:
    """Return the pixels of polygons as pycocotools draws them."""
    try:
        tools = import_module("pycocotools.mask")
    except ImportError:
        raise UsageError(f'{where}: pycocotools is not installed: pip install "equipoise[coco]"') from None
    for values in polygons:
        points_of(np.array(values, np.float64).reshape(-1, 2).tolist(), size, 3, where)
    if not polygons:
        raise DataError(f"{where}: expected a polygon, found none")
    joined = tools.merge(tools.frPyObjects(list(polygons), *size))
    return _from_runs(run_lengths(joined["counts"].decode()), size)


def _from_runs(lengths: Any, size: tuple[int, int]) -> Mask:
    """Return the pixels of runs by column, of which every second one is set."""
    return np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size, order="F")
