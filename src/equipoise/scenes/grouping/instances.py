"""What grouping returns: the objects of an image, and the map of their pixels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Instance:
    """One object.

    Attributes:
        id: its value in the instance map.
        semantic: the class of most of its pixels; ``None`` if classes are not predicted.
        score: confidence in 0 … 1: the mean closeness of its votes to its centre (1 = on it), times the mean
            probability of its pixels' class if that is known. (The paper defines no score.)
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
    own: npt.NDArray[np.intp],
    pixels: npt.NDArray[np.intp],
    scores: npt.NDArray[np.floating],
    semantic_HW: npt.NDArray[np.uint8] | None,
    size: tuple[int, int],
    *,
    first: int = 1,
) -> tuple[Instance, ...]:
    """Describe objects.

    Args:
        own: the object of each pixel, 0 … K − 1; every object has a pixel.
        pixels: the places of the pixels in the flattened image, in increasing order.
        scores: of each object.
        semantic_HW: the class of each pixel of the image; ``None``: no class.
        size: (height, width) of the image, px.
        first: the id of object 0.
    """
    counts = np.bincount(own)
    y, x = np.divmod(pixels.astype(np.int32), np.int32(size[1]))
    top, bottom = np.empty_like(counts), np.empty_like(counts)
    top[own[::-1]], bottom[own] = y[::-1], y  # Of equal indices the last assignment stays, and rows increase.
    columns = np.zeros((len(counts), size[1]), bool)
    columns[own, x] = True
    left, right = columns.argmax(1), size[1] - columns[:, ::-1].argmax(1)
    classes: list[int] | list[None] = [None] * len(counts)
    if semantic_HW is not None:
        table = np.bincount(own * 256 + semantic_HW.reshape(-1)[pixels], minlength=256 * len(counts))
        classes = table.reshape(-1, 256).argmax(1).tolist()
    return tuple(
        Instance(
            id=first + k,
            semantic=classes[k],
            score=min(1.0, float(scores[k])),
            box=(int(left[k]), int(top[k]), int(right[k]), int(bottom[k]) + 1),
            pixels=int(counts[k]),
        )
        for k in range(len(counts))
    )
