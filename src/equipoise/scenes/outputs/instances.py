"""COCO instances: objects as run lengths, in COCO's form for results."""

from collections.abc import Sequence
from types import ModuleType
from typing import Any, ClassVar

import numpy as np

from equipoise.errors import UsageError
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.outputs.coco import categories, category_id, coco_box, images
from equipoise.scenes.outputs.output import Contents, Entry, Files, Output, OutputSettings
from equipoise.scenes.tasks import InstanceTask, SemanticTask

IMAGES, RESULTS = "coco_images.json", "coco_instances.json"
INSTALL = 'pip install "equipoise[coco]"'


class CocoInstances(Output):
    """``coco_instances.json``, a list of results, and ``coco_images.json``, the images and categories they refer to.

    ``COCO("coco_images.json").loadRes("coco_instances.json")`` of pycocotools reads them.
    """

    name: ClassVar[str] = "coco"

    def lacking(self, contents: Contents) -> str:
        """Objects, and pycocotools."""
        pycocotools_mask()
        if InstanceTask.name not in contents.tasks:
            return "expected a model that predicts instances, found one that does not"
        return ""

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """No file for a single scene; its objects are in the record."""
        return Files(facts={self.name: {"annotations": list(results(scene))}})

    def joint(self, entries: Sequence[Entry], contents: Contents) -> dict[str, Any]:
        """The results of all images."""
        found = [
            {"image_id": number, **each}
            for number, entry in enumerate(entries, 1)
            for each in entry.facts[self.name]["annotations"]
        ]
        table = categories(contents.vocabulary, classes=SemanticTask.name in contents.tasks)
        info = {"description": f"the images that {RESULTS} refers to"}
        return {
            IMAGES: {"info": info, "images": images(entries), "annotations": [], "categories": table},
            RESULTS: found,
        }


def results(scene: Scene) -> list[dict[str, Any]]:
    """Return each object of a scene in COCO's form for results, without ``image_id``."""
    mask = pycocotools_mask()
    assert scene.instance is not None
    found = []
    for one in scene.instances or ():
        runs = mask.encode(np.asfortranarray(scene.instance == one.id, dtype=np.uint8))
        found.append(
            {
                "category_id": category_id(one.semantic),
                "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")},
                "bbox": coco_box(one.box),
                "area": one.pixels,
                "score": round(one.score, 6),
            }
        )
    return found


def pycocotools_mask() -> ModuleType:
    """Import pycocotools; raises ``UsageError`` with the line that installs it."""
    try:
        from pycocotools import mask
    except ImportError as error:
        raise UsageError(f"coco: expected pycocotools to encode masks, found: {error}: {INSTALL}") from None
    return mask  # type: ignore[no-any-return]
