"""The classes of Cityscapes, and the label ids and instance ids that stand for them."""

from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass

_CLASSES: tuple[tuple[int, str, tuple[int, int, int], bool, str], ...] = (
    (7, "road", (128, 64, 128), False, "flat"),
    (8, "sidewalk", (244, 35, 232), False, "flat"),
    (11, "building", (70, 70, 70), False, "construction"),
    (12, "wall", (102, 102, 156), False, "construction"),
    (13, "fence", (190, 153, 153), False, "construction"),
    (17, "pole", (153, 153, 153), False, "object"),
    (19, "traffic light", (250, 170, 30), False, "object"),
    (20, "traffic sign", (220, 220, 0), False, "object"),
    (21, "vegetation", (107, 142, 35), False, "nature"),
    (22, "terrain", (152, 251, 152), False, "nature"),
    (23, "sky", (70, 130, 180), False, "sky"),
    (24, "person", (220, 20, 60), True, "human"),
    (25, "rider", (255, 0, 0), True, "human"),
    (26, "car", (0, 0, 142), True, "vehicle"),
    (27, "truck", (0, 0, 70), True, "vehicle"),
    (28, "bus", (0, 60, 100), True, "vehicle"),
    (31, "train", (0, 80, 100), True, "vehicle"),
    (32, "motorcycle", (0, 0, 230), True, "vehicle"),
    (33, "bicycle", (119, 11, 32), True, "vehicle"),
)
"""(label id, name, colour, countable, category) of the 19 evaluated classes, in the order of their train ids."""

CLASSES = tuple(
    SceneClass(name=name, color=color, countable=countable, category=category)
    for _, name, color, countable, category in _CLASSES
)
COUNTABLE_IDS = tuple(label for label, _, _, countable, _ in _CLASSES if countable)
AVERAGE_PIXELS = {
    "person": 3462.4756337644,
    "rider": 3930.4788056518,
    "car": 12794.0202738185,
    "truck": 27855.1264367816,
    "bus": 35732.1511111111,
    "train": 67583.7075812274,
    "motorcycle": 6298.7200839748,
    "bicycle": 4672.3249222261,
}
"""The average pixels of an object at 1024×2048, from the official script evalPixelLevelSemanticLabeling."""
SKY = 10
INSTANCE_FACTOR = 1000
LOWEST_COUNTABLE, HIGHEST_ID = 24, 33


def label_ids() -> dict[str, int]:
    """Return the label id of each evaluated class, by its name."""
    return {name: label for label, name, *_ in _CLASSES}


def average_pixels(classes: Sequence[SceneClass]) -> tuple[float, ...] | None:
    """Return Cityscapes' average pixels of an object of each class, 0 if it has none; ``None`` for other classes."""
    if [c.name for c in classes] != [c.name for c in CLASSES]:
        return None
    return tuple(AVERAGE_PIXELS.get(c.name, 0.0) for c in classes)


@cache
def train_ids() -> npt.NDArray[np.uint8]:
    """Return the train id of each stored label id ``(256,)``; ids that are not evaluated become ``IGNORE``."""
    table = np.full(256, IGNORE, np.uint8)
    for index, (label, *_) in enumerate(_CLASSES):
        table[label] = index
    return table
