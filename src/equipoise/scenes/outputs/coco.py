"""What the outputs in COCO's forms share: categories, images and boxes."""

from collections.abc import Sequence
from typing import Any

from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.outputs.output import Entry

OBJECT = {"id": 1, "name": "object", "supercategory": "object", "isthing": 1}
"""The only category of objects whose class is not predicted."""


def category_id(semantic: int | None) -> int:
    """Return the category of a class index: COCO counts from 1."""
    return 1 if semantic is None else semantic + 1


def categories(vocabulary: SceneVocabulary, *, classes: bool) -> list[dict[str, Any]]:
    """Describe the categories; ``classes``: whether classes are predicted."""
    if not classes:
        return [OBJECT]
    return [
        {
            "id": category_id(index),
            "name": each.name,
            "supercategory": each.category or each.name,
            "isthing": int(each.countable),
            "color": list(each.color),
        }
        for index, each in enumerate(vocabulary.classes)
    ]


def images(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Describe the images, which are numbered from 1."""
    return [
        {"id": number, "file_name": entry.file_name, "height": entry.size[0], "width": entry.size[1]}
        for number, entry in enumerate(entries, 1)
    ]


def coco_box(box: tuple[int, int, int, int]) -> list[int]:
    """Return (left, top, width, height) from (left, top, right, bottom) with exclusive ends.

    >>> coco_box((20, 10, 50, 30))
    [20, 10, 30, 20]
    """
    left, top, right, bottom = box
    return [left, top, right - left, bottom - top]
