"""Write tiny data sets: one in Cityscapes' own layout, one as a folder with a description."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

DESCRIPTION = """
images = "rgb/{name}.png"
[split.train]
list = "train.txt"
[split.val]
fraction = 0.5
[semantic]
files = "classes/{name}.png"
ignore = [255]
sky = "sky"
classes = [
  { name = "ground", value = 3, color = [90, 90, 90] },
  { name = "box", value = [7, 8], countable = true },
  { name = "sky", value = 0 },
]
[instance]
files = "objects/{name}.png"
[depth]
files = "depth/{name}.png"
kind = "depth_m"
divisor = 1000
invalid = [0]
"""


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def write_cityscapes(root: Path, split: str = "train", count: int = 3, size: tuple[int, int] = (32, 64)) -> None:
    height = size[0]
    for i in range(count):
        rng = np.random.default_rng(i)
        labels = np.full(size, 7, np.uint8)
        labels[: height // 2] = 23
        labels[20:28, 10:20] = 26
        labels[0, 0] = 255  # the license plate's label −1, stored as a byte
        instances = labels.astype(np.uint16)
        instances[20:28, 10:20] = 26000
        instances[20:28, 15:20] = 26001
        instances[30, 30:40] = 24  # a group of persons
        disparity = np.full(size, 256 * 4 + 1, np.uint16)
        disparity[-1] = 0
        base = f"{split}/town/town_{i:06d}_000000"
        save(root / f"leftImg8bit/{base}_leftImg8bit.png", rng.integers(0, 255, (*size, 3)).astype(np.uint8))
        save(root / f"gtFine/{base}_gtFine_labelIds.png", labels)
        save(root / f"gtFine/{base}_gtFine_instanceIds.png", instances)
        save(root / f"disparity/{base}_disparity.png", disparity)
        camera = {
            "extrinsic": {"baseline": 0.2, "z": 1.2, "pitch": 0.03},
            "intrinsic": {"fx": 70.0, "fy": 71.0, "u0": 32.0, "v0": 16.0},
        }
        path = root / f"camera/{base}_camera.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(camera))


def write_folder(root: Path, count: int = 4, size: tuple[int, int] = (24, 33)) -> Path:
    for i in range(count):
        classes = np.full(size, 3, np.uint8)
        classes[:8] = 0
        classes[10:16, 4:12], classes[10:16, 20:28] = 7, 8
        classes[-1, -1] = 255
        objects = np.zeros(size, np.uint16)
        objects[10:16, 4:12], objects[10:16, 20:28] = 7000, 7001
        depth = np.full(size, 4000, np.uint16)
        depth[:, 0] = 0
        save(root / f"rgb/a/{i}.png", np.full((*size, 3), 20 * i, np.uint8))
        save(root / f"classes/a/{i}.png", classes)
        save(root / f"objects/a/{i}.png", objects)
        save(root / f"depth/a/{i}.png", depth)
    (root / "train.txt").write_text("a/0\nrgb/a/2.png\n")
    (root / "data.toml").write_text(DESCRIPTION)
    return root / "data.toml"
