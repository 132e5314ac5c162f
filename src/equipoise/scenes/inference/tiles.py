"""Sliding-window inference: the network runs on overlapping parts of the image, and their outputs are blended."""

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from equipoise.errors import UsageError

SMALLEST = 32
MOST_OVERLAP = 0.9


@dataclass(frozen=True, kw_only=True)
class Tiling:
    """How an image is cut into tiles.

    Attributes:
        size: height and width of a tile, in px of the network's input; 32 px or more each.
        overlap: the fraction of a tile that it shares with the next one, 0 … 0.9.
    """

    size: tuple[int, int]
    overlap: float = 0.25

    def __post_init__(self) -> None:
        """Raise ``UsageError`` for values out of range."""
        if len(self.size) != 2 or min(self.size) < SMALLEST:
            raise UsageError(f"tile: expected height and width of {SMALLEST} px or more, found {self.size}")
        if not 0 <= self.overlap <= MOST_OVERLAP:
            raise UsageError(f"overlap: expected 0 … {MOST_OVERLAP}, found {self.overlap}")

    def starts(self, length: int, axis: int, align: int) -> list[int]:
        """Where tiles start along an axis of ``length`` px: at multiples of ``align``, but for the last one.

        >>> Tiling(size=(64, 64), overlap=0.25).starts(160, 0, 8)
        [0, 48, 96]
        """
        tile = min(self.size[axis], length)
        step = max(1, round(self.size[axis] * (1 - self.overlap)))
        step = step // align * align or step
        return [*range(0, length - tile, step), length - tile]

    def weights(self, length: int, axis: int) -> Tensor:
        """How much each pixel of a tile counts along an axis: 1, falling linearly to its border where tiles overlap."""
        tile = min(self.size[axis], length)
        place = torch.arange(tile, dtype=torch.float32)
        faded = round(tile * self.overlap)
        return ((torch.minimum(place, tile - 1 - place) + 1) / (faded + 1)).clamp_max(1.0)


def tiled(
    predict: Callable[[Tensor], Mapping[str, Tensor]], tiling: Tiling, align: int
) -> Callable[[Tensor], dict[str, Tensor]]:
    """A predictor that runs ``predict`` tile by tile, so that memory for features does not grow with the image.

    Where several tiles cover a pixel, its location is their weighted mean; logits are averaged as they are. An image
    that one tile covers gives what ``predict`` gives.

    Args:
        predict: images ``(B, 3, H, W)`` to each task's location ``(B, C, H, W)``.
        tiling: size and overlap.
        align: the network's output stride: tiles start at its multiples, so that features lie where they would in the
            whole image.
    """

    def predicted(images: Tensor) -> dict[str, Tensor]:
        height, width = images.shape[2:]
        weights = tiling.weights(height, 0)[:, None] * tiling.weights(width, 1)
        total = torch.zeros(height, width)
        found: dict[str, Tensor] = {}
        for window in _windows(tiling, (height, width), align):
            total[window] += weights
            share = weights / total[window]
            for name, part in predict(images[..., *window]).items():
                if name not in found:
                    found[name] = part.new_zeros(*part.shape[:2], height, width)
                view = found[name][..., *window]
                view += (part - view) * share  # A running mean: equal values stay as they are, to the bit.
        return found

    return predicted


def _windows(tiling: Tiling, size: tuple[int, int], align: int) -> Iterator[tuple[slice, slice]]:
    starts = (tiling.starts(length, axis, align) for axis, length in enumerate(size))
    tile = [min(own, length) for own, length in zip(tiling.size, size, strict=True)]
    for top, left in itertools.product(*starts):
        yield slice(top, top + tile[0]), slice(left, left + tile[1])
