"""Small random scenes: classes with touching and overlapping objects."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

SIZE = (7, 10)
VOID = -1


@dataclass(frozen=True)
class Scene:
    """``classes``: indices, ``VOID`` = no label; ``objects``: 0 = none, otherwise numbers from 1."""

    countable: tuple[bool, ...]
    classes: np.ndarray
    objects: np.ndarray

    def masks(self) -> set[tuple[int, bytes]]:
        """Return each object's class and pixels."""
        return objects_of(self.objects, self.classes)


def objects_of(objects: np.ndarray, classes: np.ndarray) -> set[tuple[int, bytes]]:
    """Return the class and pixels of each object in two maps."""
    found = {int(k): objects == k for k in np.unique(objects[objects > 0])}
    return {(int(np.unique(classes[mask])[0]), mask.tobytes()) for mask in found.values()}


def scenes() -> st.SearchStrategy[Scene]:
    """Scenes with up to four classes, touching or overlapping objects, and pixels without a label or object."""
    return st.integers(0, 1 << 32).map(random_scene)


def random_scene(seed: int) -> Scene:
    rng = np.random.default_rng(seed)
    countable = tuple((rng.random(rng.integers(1, 5)) < 0.7).tolist())
    classes, objects = np.full(SIZE, rng.integers(len(countable))), np.zeros(SIZE, int)
    for number in range(1, 1 + int(rng.integers(7))):
        top, left, height, width = rng.integers((0, 0, 1, 1), (*SIZE, 5, 6)).tolist()
        box, kind = np.s_[top : top + height, left : left + width], int(rng.integers(VOID, len(countable)))
        classes[box] = kind
        objects[box] = number if kind != VOID and countable[kind] and rng.random() < 0.8 else 0
    return Scene(countable, classes, objects)


def cityscapes_kinds(scene: Scene) -> np.ndarray:
    """Map uncountable classes to 0, 1 (road, sky) in turn, countable ones to 2, 3 (person, car); 4: no label."""
    kinds = np.array([k % 2 + 2 * countable for k, countable in enumerate(scene.countable)] + [4])
    return kinds[scene.classes]
