"""COCO panoptic: a PNG whose colours are segment ids, and a JSON file about the segments of all images."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.outputs.coco import categories, category_id, coco_box, images
from equipoise.scenes.outputs.output import Contents, Entry, Files, Output, OutputSettings, png
from equipoise.scenes.tasks import InstanceTask, SemanticTask

JSON = "coco_panoptic.json"


class Panoptic(Output):
    """``NAME_panoptic.png``, and ``coco_panoptic.json`` about all images.

    A colour stands for the segment id R + 256·G + 65536·B, as in ``panopticapi``; 0 is no segment. Every object is a
    segment with the id that it has in ``NAME_instance.png``, and so are the other pixels of each class that is not
    countable. Pixels of countable classes that belong to no object are in no segment.
    """

    name: ClassVar[str] = "panoptic"

    def lacking(self, contents: Contents) -> str:
        """Objects, and classes of which some are countable."""
        if {SemanticTask.name, InstanceTask.name} <= set(contents.tasks) and contents.vocabulary.countable:
            return ""
        return "expected a model that predicts countable classes and instances, found one that does not"

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """The picture, and its segments."""
        file, (ids, segments) = f"{name}_panoptic.png", panoptic_segments(scene)
        facts = {"file": file, "id": "R + 256 * G + 65536 * B", "segments_info": segments}
        return Files(files={file: partial(_png, ids)}, facts={self.name: facts})

    def joint(self, entries: Sequence[Entry], contents: Contents) -> dict[str, Any]:
        """The segments of all images."""
        annotations = []
        for number, entry in enumerate(entries, 1):
            facts, folder = entry.facts[self.name], entry.name.rpartition("/")[0]
            file = f"{folder}/{facts['file']}" if folder else facts["file"]
            annotations.append({"image_id": number, "file_name": file, "segments_info": facts["segments_info"]})
        table = categories(contents.vocabulary, classes=True)
        return {JSON: {"images": images(entries), "annotations": annotations, "categories": table}}


def panoptic_segments(scene: Scene) -> tuple[npt.NDArray[np.int32], list[dict[str, Any]]]:
    """Return the segment id of each pixel, ``int32 (H, W)``, 0 = none, and COCO's ``segments_info``."""
    assert scene.semantic is not None
    assert scene.instance is not None
    objects = scene.instances or ()
    ids = scene.instance.copy()
    segments = [_segment(one.id, category_id(one.semantic), 1, one.pixels, coco_box(one.box)) for one in objects]
    free = scene.instance == 0
    number = max((one.id for one in objects), default=0)
    for index, each in enumerate(scene.vocabulary.classes):
        mask = free & (scene.semantic == index)
        if each.countable or not mask.any():
            continue
        number += 1
        ids[mask] = number
        segments.append(_segment(number, category_id(index), 0, int(mask.sum()), coco_box(_box(mask))))
    return ids, segments


def _segment(number: int, category: int, isthing: int, area: int, box: list[int]) -> dict[str, Any]:
    return {"id": number, "category_id": category, "isthing": isthing, "area": area, "bbox": box, "iscrowd": 0}


def _box(mask: npt.NDArray[np.bool_]) -> tuple[int, int, int, int]:
    columns, rows = np.flatnonzero(mask.any(0)), np.flatnonzero(mask.any(1))
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _png(ids: npt.NDArray[np.int32]) -> bytes:
    return png(np.stack([ids & 255, ids >> 8 & 255, ids >> 16 & 255], -1).astype(np.uint8))
