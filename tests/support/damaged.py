"""Random labelled images in Cityscapes' ids, and predictions that are the truth damaged at random."""

from dataclasses import dataclass

import numpy as np

from equipoise.scenes.grouping import Instance
from equipoise.scenes.labels.cityscapes_classes import CLASSES, COUNTABLE_IDS, INSTANCE_FACTOR, train_ids

COUNTABLE = tuple(k for k, c in enumerate(CLASSES) if c.countable)
LABEL_OF = {int(train_ids()[label]): label for label in range(34) if train_ids()[label] != 255}
"""Label id of each train id."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Truth:
    """Label ids ``uint8`` and instance ids ``uint16``, as the official files hold them."""

    labels: np.ndarray
    instances: np.ndarray

    @property
    def semantic(self) -> np.ndarray:
        """Train ids, as our reader gives them."""
        return train_ids()[self.labels]

    @property
    def instance(self) -> np.ndarray:
        """Ids of objects, 0 = none, as our reader gives them."""
        ids = self.instances.astype(np.int32)
        return np.where(np.isin(ids // INSTANCE_FACTOR, COUNTABLE_IDS), ids, 0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Answer:
    """A predicted class map, instance map, and the objects of the latter."""

    semantic: np.ndarray
    instance: np.ndarray
    objects: tuple[Instance, ...]


def random_truth(rng: np.random.Generator, size: tuple[int, int], objects: int) -> Truth:
    """Stuff in blocks, with void, objects, and groups of some classes."""
    stuff = rng.choice([0, 4, 7, 8, 11, 21, 23], (4, 4))
    labels = np.kron(stuff, np.ones((-(-size[0] // 4), -(-size[1] // 4)), int))[: size[0], : size[1]]
    labels, instances = labels.astype(np.uint8), labels.astype(np.uint16)
    for number in range(objects):
        place = _rectangle(rng, size)
        label = int(rng.choice([24, 26, 33]))
        labels[place] = label
        instances[place] = label if rng.random() < 0.2 else label * INSTANCE_FACTOR + number
    return Truth(labels=labels, instances=instances)


def damaged(rng: np.random.Generator, truth: Truth, *, changes: int) -> Answer:
    """The truth after objects have been moved, lost, split, joined, misnamed or invented."""
    semantic = np.where(truth.semantic == 255, 0, truth.semantic).astype(np.uint8)
    instance = np.unique(truth.instance, return_inverse=True)[1].reshape(semantic.shape).astype(np.int32)
    for _ in range(changes):
        place, kind = _rectangle(rng, semantic.shape), rng.integers(5)
        if kind == 0:
            semantic[place] = rng.integers(0, len(CLASSES))
        elif kind == 1:
            instance[place] = 0
        elif kind == 2:
            instance[place], semantic[place] = instance.max() + 1, rng.choice(COUNTABLE)
        elif kind == 3:
            instance[place] = instance[place].max()
        else:
            shift = int(rng.integers(-3, 4))
            instance, semantic = np.roll(instance, shift, 1), np.roll(semantic, shift, 1)
    return answer(rng, semantic, instance)


def answer(rng: np.random.Generator, semantic: np.ndarray, instance: np.ndarray) -> Answer:
    """An answer whose objects have the class of most of their countable pixels, and scores of which some are equal."""
    objects = []
    for own in np.unique(instance[instance > 0]).tolist():
        inside = semantic[(instance == own) & np.isin(semantic, COUNTABLE)]
        if not inside.size:
            instance[instance == own] = 0
            continue
        score, pixels = round(float(rng.random()), 1), int((instance == own).sum())
        semantic_of = int(np.bincount(inside).argmax())
        objects.append(Instance(id=own, semantic=semantic_of, score=score, box=(0, 0, 1, 1), pixels=pixels))
    return Answer(semantic=semantic, instance=instance, objects=tuple(objects))


def _rectangle(rng: np.random.Generator, size: tuple[int, ...]) -> tuple[slice, slice]:
    top, left = (int(rng.integers(0, n)) for n in size)
    height, width = (int(rng.integers(1, max(2, n // 2))) for n in size)
    return slice(top, top + height), slice(left, left + width)
