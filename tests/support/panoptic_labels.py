"""Images with COCO's panoptic labels, written by hand: void, stuff, objects, a crowd, and an uncountable thing."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from equipoise.scenes.data.folder import FolderDataset
from tests.support.cityscapes import save
from tests.support.folders import SIZE, write_images

CATEGORIES = [
    {"id": 7, "name": "road", "isthing": 0},
    {"id": 21, "name": "car", "isthing": 1},
    {"id": 1, "name": "person", "isthing": 1},
    {"id": 80, "name": "lamp", "isthing": 1},
]
CLASSES = """classes = [
  { name = "road" },
  { name = "car", countable = true },
  { name = "person", countable = true },
  { name = "lamp" },
]"""
SEGMENTS = {5: 7, 300: 21, 70_000: 21, 16_000_000: 1, 9: 80, 12: 1}
"""Segment id → category; 12 is a crowd."""
JSON, PATTERN = "annotations/panoptic_train.json", "panoptic_train/{name}.png"


def ids_of(image: int) -> np.ndarray:
    """The ids of the segments: columns of one segment each, below a row of void; the second image has road alone."""
    ids = np.full(SIZE, 5)
    if image == 0:
        ids[:, 8:] = np.repeat([*list(SEGMENTS)[1:], 300], 10)[: SIZE[1] - 8]
    ids[:4] = 0
    return ids


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write ids as R + 256·G + 256²·B."""
    save(path, np.stack([ids % 256, ids // 256 % 256, ids // 65536], -1).astype(np.uint8))


def table(**changes: Any) -> dict[str, Any]:
    """The JSON; ``changes`` are keys of the first annotation's second segment, a car."""
    annotations = []
    for image in range(2):
        shown = [int(k) for k in np.unique(ids_of(image)) if k]
        segments: list[dict[str, Any]] = [
            {"id": k, "category_id": SEGMENTS[k], "iscrowd": int(k == 12), "area": int((ids_of(image) == k).sum())}
            for k in sorted(shown)
        ]
        annotations.append({"image_id": image, "file_name": f"{image}.png", "segments_info": segments})
    car = next(one for one in annotations[0]["segments_info"] if one["id"] == 300)
    car.update(changes)
    images = [{"id": k, "file_name": f"{k}.png", "height": SIZE[0], "width": SIZE[1]} for k in range(2)]
    return {"images": images, "annotations": annotations, "categories": list(CATEGORIES)}


def write(root: Path, content: Any = None, *, semantic: bool = True, more: str = "") -> Path:
    """Write two images with panoptic labels, and their description; ``semantic``: describe classes too."""
    write_images(root, range(2))
    for image in range(2):
        write_ids(root / PATTERN.replace("{name}", str(image)), ids_of(image))
    (root / JSON).parent.mkdir(exist_ok=True)
    (root / JSON).write_text(json.dumps(table() if content is None else content))
    keys = f'files = "{PATTERN}"\nsegments = "{JSON.replace("train", "{split}")}"\nencoding = "coco_panoptic"\n'
    classes = f"[semantic]\n{keys}{more}\n{CLASSES}\n" if semantic else ""
    (root / "data.toml").write_text(
        f'images = "images/{{name}}.png"\n[split.train]\nfraction = 1.0\n{classes}[instance]\n{keys}'
    )
    return root / "data.toml"


def opened(root: Path, content: Any = None, **options: Any) -> FolderDataset:
    """Write and open."""
    return FolderDataset(write(root, content, **options), "train")


def picture(path: Path) -> np.ndarray:
    """The ids in a PNG, by another reader."""
    red, green, blue = np.moveaxis(np.array(Image.open(path)).astype(int), -1, 0)
    return red + 256 * green + 256**2 * blue
