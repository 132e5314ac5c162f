"""Write small folders of images with classes and depth, and their description."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tests.support.cityscapes import save

SIZE = (48, 64)
CLASSES = '[{ name = "road", value = 0 }, { name = "car", value = 1 }]'


def write_images(root: Path, names: Sequence[object] = range(6), suffix: str = ".png") -> None:
    """Write images of one colour each."""
    for i, name in enumerate(names):
        save(root / f"images/{name}{suffix}", np.full((*SIZE, 3), 20 * i, np.uint8))


def write_classes(root: Path, names: Sequence[object] = range(6), value: int = 1) -> None:
    """Write class labels: a box of one class on another class."""
    for name in names:
        labels = np.zeros(SIZE, np.uint8)
        labels[20:40, 10:30] = value
        save(root / f"classes/{name}.png", labels)


def write_depth(root: Path, depth: np.ndarray, names: Sequence[object] = range(6)) -> None:
    """Write the same stored numbers for each image."""
    for name in names:
        save(root / f"depth/{name}.png", depth)


def describe(
    root: Path,
    *,
    train: str = "fraction = 0.5",
    val: str = "fraction = 0.5",
    images: str = "images/{name}.png",
    semantic: str | None = f"classes = {CLASSES}",
    depth: str | None = None,
) -> Path:
    """Write a description with the given tables."""
    lines = [f'images = "{images}"', "[split.train]", train, "[split.val]", val]
    if semantic is not None:
        lines += ["[semantic]", 'files = "classes/{name}.png"', semantic]
    if depth is not None:
        lines += ["[depth]", 'files = "depth/{name}.png"', depth]
    path = root / "data.toml"
    path.write_text("\n".join(lines) + "\n")
    return path
