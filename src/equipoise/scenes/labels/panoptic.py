"""Read COCO's panoptic labels: a PNG of segment ids for each image, and one JSON about the segments of all images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_colors
from equipoise.scenes.io.names import longest_end, to_nfc
from equipoise.scenes.labels.coco import read_whole_file

PANOPTIC = "coco_panoptic"
"""The encoding of these labels."""
HIGHEST = (1 << 24) - 1
Ids = npt.NDArray[np.int32]


@dataclass(frozen=True, kw_only=True)
class Segment:
    """One entry of ``segments_info``.

    Attributes:
        id: the number that its pixels have in the PNG.
        label: the name of its category.
        thing: whether its category is one of objects (``isthing``).
        crowd: whether it stands for several objects (``iscrowd``).
    """

    id: int
    label: str
    thing: bool
    crowd: bool


@dataclass(frozen=True, kw_only=True)
class PanopticFile:
    """The contents of a JSON file: the segments of each PNG by its file name, and name and ``isthing`` by category."""

    annotations: Mapping[str, Sequence[Mapping[str, Any]]]
    categories: Mapping[int, tuple[str, bool]]


def read_ids(path: Path) -> Ids:
    """Read the segment ids R + 256·G + 65536·B of a PNG, ``int32 (H, W)``; 0 = no segment."""
    codes = read_colors(path)
    return (codes >> 16) | (codes & 0xFF00) | ((codes & 0xFF) << 16)


def segments_of(path: Path, described: Path) -> dict[int, Segment]:
    """Return the segments of a PNG by id, as the JSON file ``described`` lists them. Raises ``DataError``."""
    try:
        status = described.stat()
        content = _read(described, status.st_mtime_ns, status.st_size)
        name = longest_end(path, content.annotations)
        if name is None:
            raise DataError(f"{path}: expected an annotation with its file_name in {described}, found none")
        return _segments(content, name, described)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError) as error:
        if isinstance(error, OSError):
            reason = error.strerror or str(error)
        else:
            reason = f"no key {error}" if isinstance(error, KeyError) else " ".join(str(error).split())[:120]
        raise DataError(f"{described}: expected {PANOPTIC} annotations, found a mistake: {reason}") from None


def replaced(ids: Ids, by_segment: Mapping[int, int], nothing: int, path: Path, described: Path) -> Ids:
    """Replace each segment's id by its number in ``by_segment``, and 0 (void) by ``nothing``.

    Raises:
        DataError: the PNG has an id that the JSON does not list.
    """
    found, index, counts = np.unique(ids, return_inverse=True, return_counts=True)
    known = {**by_segment, 0: nothing}
    if unknown := [(own, n) for own, n in zip(found.tolist(), counts.tolist(), strict=True) if own not in known]:
        (own, pixels), more = unknown[0], f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise DataError(
            f"{path}: expected the segments that {described} lists for it, found the id {own} on {pixels:,} "
            f"pixels{more}: add it to segments_info"
        )
    table = np.array([known[own] for own in found.tolist()], np.int32)
    return table[index].reshape(ids.shape)


def without_pixels(path: Path, described: Path) -> str:
    """Describe the segments that the JSON lists for a PNG but no pixel shows; empty if there are none."""
    lost = sorted(set(segments_of(path, described)) - set(np.unique(read_ids(path)).tolist()))
    return f"{', '.join(map(str, lost[:3]))}{f' and {len(lost) - 3} more' if len(lost) > 3 else ''}" if lost else ""


@lru_cache(maxsize=4)
def _read(path: Path, changed: int, size: int) -> PanopticFile:
    table = read_whole_file(path, size)
    annotations: dict[str, Sequence[Mapping[str, Any]]] = {}
    for annotation in table["annotations"]:
        name = to_nfc(str(annotation["file_name"]))
        if name in annotations:
            raise ValueError(f"two annotations with the file_name {name!r}")
        annotations[name] = annotation["segments_info"]
    categories: dict[int, tuple[str, bool]] = {}
    for entry in table["categories"]:
        number = _whole(entry["id"], "category id")
        if number in categories:
            raise ValueError(f"two categories with the id {number}")
        categories[number] = str(entry["name"]), bool(_whole(entry["isthing"], "isthing"))
    return PanopticFile(annotations=annotations, categories=categories)


def _segments(content: PanopticFile, name: str, described: Path) -> dict[int, Segment]:
    segments: dict[int, Segment] = {}
    for entry in content.annotations[name]:
        own, category = _whole(entry["id"], "segment id"), _whole(entry["category_id"], "category_id")
        where = f"{described}: annotation of {name}: segment {own}"
        if not 0 < own <= HIGHEST:
            raise DataError(f"{where}: expected an id of 1 … {HIGHEST:,}, which a PNG can hold, found {own}")
        if own in segments:
            raise DataError(f"{where}: expected each id once, found it twice")
        if category not in content.categories:
            raise DataError(f"{where}: expected one of the file's categories, found category_id {category}")
        label, thing = content.categories[category]
        crowd = _whole(entry.get("iscrowd", 0), "iscrowd")
        segments[own] = Segment(id=own, label=label, thing=thing, crowd=bool(crowd))
    return segments


def _whole(value: Any, what: str) -> int:
    """Return a whole number; JSON's ``true`` and ``1.0`` are none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{what}: expected a whole number, found {value!r:.40}")
    return value
