"""Images with the same few objects as outlines of four kinds: COCO, labelme, YOLO and Cityscapes' polygons."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from pycocotools import mask as coco_mask

from equipoise.scenes.data.folder import FolderDataset
from tests.support.folders import SIZE, write_images

HEIGHT, WIDTH = SIZE
TRIANGLE = [5.0, 5.0, 40.5, 8.0, 20.0, 44.0]
SQUARE = [12.0, 10.0, 24.0, 10.0, 24.0, 20.0, 12.0, 20.0]
FAR = [50.0, 30.0, 70.0, 30.0, 70.0, 60.0]
CLASSES = """classes = [
  { name = "ground", value = 7 },
  { name = "car", value = 0, countable = true },
  { name = "person", value = 1, countable = true },
]"""
KINDS = {"coco": "labels.json", "labelme": "images/{name}.json", "yolo": "yolo/{name}.txt"}
KINDS |= {"cityscapes_polygons": "gt/{name}_gtFine_polygons.json"}


def pairs(values: list[float]) -> list[list[float]]:
    return np.reshape(values, (-1, 2)).tolist()


def runs(mask: np.ndarray) -> list[int]:
    """Count the runs of a mask by column, beginning with those of 0."""
    counts, last = [0], 0
    for value in mask.flatten(order="F").tolist():
        if value != last:
            counts.append(0)
            last = value
        counts[-1] += 1
    return counts


def mask_of(seed: int) -> np.ndarray:
    mask = np.zeros(SIZE, np.uint8)
    y, x = np.random.default_rng(seed).integers(0, 30, 2)
    mask[y : y + 9, x : x + 14] = 1
    mask[y + 3, x + 2 : x + 5] = 0
    return mask


def coco_table() -> dict:
    packed = coco_mask.encode(np.asfortranarray(mask_of(1)))
    segmentations = [
        (1, [SQUARE]),
        (1, [TRIANGLE, FAR]),
        (2, {"size": list(SIZE), "counts": packed["counts"].decode()}),
        (2, {"size": list(SIZE), "counts": runs(mask_of(3))}),
        (2, {"size": list(SIZE), "counts": runs(np.eye(*SIZE, 20, dtype=np.uint8))}),
    ]
    return {
        "images": [{"id": 10 + k, "file_name": f"{k}.png", "height": HEIGHT, "width": WIDTH} for k in range(2)],
        "categories": [{"id": 1, "name": "car"}, {"id": 2, "name": "person"}],
        "annotations": [
            {"id": k, "image_id": 10, "category_id": category, "segmentation": found, "iscrowd": int(k == 4)}
            for k, (category, found) in enumerate(segmentations)
        ],
    }


def labelme_table() -> dict:
    shapes = [
        {"label": "car", "points": pairs(TRIANGLE), "group_id": 4, "shape_type": "polygon"},
        {"label": "person", "points": [[30, 20], [20, 10]], "group_id": None, "shape_type": "rectangle"},
        {"label": "person", "points": [[45, 12], [50, 12]], "shape_type": "circle"},
        {"label": "car", "points": pairs(FAR), "group_id": 4, "shape_type": "polygon"},
    ]
    return {"shapes": shapes, "imageData": "x" * 99, "imageHeight": HEIGHT, "imageWidth": WIDTH}


def cityscapes_table() -> dict:
    shapes = [("ground", [0, 20, 64, 20, 64, 48, 0, 48]), ("car", TRIANGLE), ("persongroup", SQUARE), ("person", FAR)]
    shapes += [("out of roi", [0, 44, 64, 44, 64, 48, 0, 48]), ("license plate", [20, 20, 24, 20, 24, 24])]
    objects = [{"label": label, "polygon": pairs(points)} for label, points in shapes]
    return {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": [*objects, {**objects[3], "deleted": 1}]}


def yolo_lines() -> str:
    scale = np.array([WIDTH, HEIGHT])
    lines = [(0, SQUARE), (1, TRIANGLE)]
    return "".join(f"{k} {' '.join(map(str, (np.array(pairs(p)) / scale).ravel()))}\n" for k, p in lines)


def write(root: Path, kind: str, table: dict | None = None, *, more: str = "", outside: str = "ground") -> Path:
    """Write two images with annotations of one kind, the second without objects, and their description."""
    write_images(root, range(2))
    empty = {"labelme": {**labelme_table(), "shapes": []}, "cityscapes_polygons": {**cityscapes_table(), "objects": []}}
    for name in range(2):
        path = root / KINDS[kind].replace("{name}", str(name))
        path.parent.mkdir(exist_ok=True)
        if kind == "yolo":
            path.write_text("" if name else yolo_lines())
        elif kind == "coco":
            path.write_text(json.dumps(table or coco_table()))
        else:
            full = table or (labelme_table() if kind == "labelme" else cityscapes_table())
            path.write_text(json.dumps(empty[kind] if name else full))
    tables = f'files = "{KINDS[kind]}"\nencoding = "{kind}"\n'
    (root / "data.toml").write_text(
        f'images = "images/{{name}}.png"\n[split.train]\nfraction = 1.0\n[semantic]\n{tables}'
        f'outside = "{outside}"\n{more}\n{CLASSES}\n[instance]\n{tables}'
    )
    return root / "data.toml"


def opened(*given: object, **options: object) -> FolderDataset:
    return FolderDataset(write(*given, **options), "train")


def coco_with(**changes: object) -> Callable[[], dict]:
    def make() -> dict:
        table = coco_table()
        table["annotations"][0] |= changes
        return table

    return make
