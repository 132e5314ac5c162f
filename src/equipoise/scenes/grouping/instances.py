"""What grouping returns: the objects of an image, and the map of their pixels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.scenes.grouping.pixel_runs import Runs


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object.

    Attributes:
        id: its value in the instance map.
        semantic: the class of most of its pixels; ``None`` if classes are not predicted.
        score: confidence in 0 … 1: the mean closeness of its votes to its centre (1 = on it), times the mean
            probability of its pixels' class if that is known; by default also times how well its pixels surround the
            centre. (The paper defines no score.)
        box: (left, top, right, bottom), px; right and bottom are exclusive.
        pixels: the number of its pixels.
    """

    id: int
    semantic: int | None
    score: float
    box: tuple[int, int, int, int]
    pixels: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Grouping:
    """The result of grouping.

    Attributes:
        instance: int32 (H, W): 0 = no instance, otherwise the id of one of ``instances``.
        instances: the instances, by id.
    """

    instance: npt.NDArray[np.int32]
    instances: tuple[Instance, ...]


def instances_of(
    runs: Runs, scores: npt.NDArray[np.floating], *, with_classes: bool = True, first: int = 1
) -> tuple[Instance, ...]:
    """Describe objects.

    Args:
        runs: the runs of the pixels of the objects 0 … K − 1, from the top to the bottom; every object has one.
        scores: of each object.
        with_classes: whether the runs' classes are known.
        first: the id of object 0.
    """
    own, count = runs.own, len(scores)
    pixels = runs.counts(count)
    top, bottom = np.empty(count, np.intp), np.empty(count, np.intp)
    top[own[::-1]], bottom[own] = runs.row[::-1], runs.row  # Of equal indices the last assignment stays.
    left, right = np.full(count, np.iinfo(np.intp).max), np.zeros(count, np.intp)
    np.minimum.at(left, own, runs.left)
    np.maximum.at(right, own, runs.left + runs.length)
    classes: list[int] | list[None] = [None] * count
    if with_classes:
        table = np.bincount(own * 256 + runs.semantic, weights=runs.length, minlength=256 * count)
        classes = table.reshape(-1, 256).argmax(1).tolist()
    return tuple(
        Instance(
            id=first + k,
            semantic=classes[k],
            score=min(1.0, float(scores[k])),
            box=(int(left[k]), int(top[k]), int(right[k]), int(bottom[k]) + 1),
            pixels=int(pixels[k]),
        )
        for k in range(count)
    )
