"""Draw labels and predictions: pure functions from arrays to RGB."""

from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from PIL import Image

Picture = npt.NDArray[np.uint8]
"""``uint8 (H, W, 3)`` RGB."""
NO_LABEL = (0, 0, 0)
OUTLINE = 600
"""Outlines are one px wide for every this many px of the picture's shorter side."""


def class_colors(values: npt.NDArray[Any], colors: Sequence[tuple[int, int, int]]) -> Picture:
    """Draw class indices ``(H, W)`` in their colours; black = no label."""
    table = np.zeros((256, 3), np.uint8)
    table[: len(colors)] = np.array(colors, np.uint8).reshape(-1, 3)
    return table[values.astype(np.uint8)]


def offset_colors(offsets: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_], radius: float) -> Picture:
    """Draw vectors ``(2, H, W)``: direction as hue, length / ``radius`` as saturation; black outside the mask."""
    direction = (np.arctan2(offsets[1], offsets[0]) / (2 * np.pi)) % 1.0
    length = np.clip(np.hypot(offsets[0], offsets[1]) / radius, 0.0, 1.0)
    colors = hsv(direction, length, np.ones_like(length))
    return np.where(mask[..., None], colors, np.uint8(0))


def disparity_colors(values: npt.NDArray[np.float32], maximum: float | None = None) -> Picture:
    """Draw inverse depth ``(H, W)``: near is bright, far is dark, grey = no label.

    Brightness is the square root of value / ``maximum`` (by default the largest value), since most of a street is far.
    """
    known = np.isfinite(values)
    top = maximum if maximum is not None else float(values[known].max()) if known.any() else 1.0
    share = np.sqrt(np.clip(np.where(known, values, np.float32(0)) / np.float32(max(top, 1e-12)), 0, 1))
    table = (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    colors: Picture = table[(share * 255.99).astype(np.uint8)]
    colors[~known] = 96
    return colors


def disparity_top(values: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> float:
    """Return the inverse depth to draw brightest: about the largest of the truth, or of the values if there is none."""
    known = truth[np.isfinite(truth)]
    if known.size:
        return float(np.quantile(known, 0.995))
    known = values[np.isfinite(values)]
    return float(known.max()) if known.size else 1.0


def instance_colors(instance: npt.NDArray[np.int32]) -> Picture:
    """Draw each id in its own colour, chosen by the order of the ids; black = none."""
    seen = np.zeros(int(instance.max(initial=0)) + 1, bool)
    seen[instance] = True
    ids = np.flatnonzero(seen[1:]) + 1
    order = np.arange(len(ids))
    table = np.zeros((len(seen), 3), np.uint8)
    # The golden ratio spreads neighbours in the order over the circle of hues.
    table[ids] = hsv((order * 0.618034) % 1.0, np.full(len(ids), 0.65), np.where(order % 2 == 0, 1.0, 0.8))
    return table[instance]


def outlines(instance: npt.NDArray[np.int32]) -> npt.NDArray[np.bool_]:
    """Return the pixels of instances at their borders ``(H, W)``; borders are wider in large pictures."""
    wide = max(1, round(min(instance.shape) / OUTLINE))
    around = np.pad(instance, wide, mode="edge")
    inner, before, after = slice(wide, -wide), slice(None, -2 * wide), slice(2 * wide, None)
    above, below, left, right = around[before, inner], around[after, inner], around[inner, before], around[inner, after]
    inside = (above == instance) & (below == instance) & (left == instance) & (right == instance)
    edge: npt.NDArray[np.bool_] = (instance > 0) & ~inside
    return edge


def overlay(image: Picture, colors: Picture, alpha: float, mask: npt.NDArray[np.bool_] | None = None) -> Picture:
    """Draw ``colors`` over ``image`` with opacity ``alpha``, where ``mask`` is true."""
    mixed = np.array(Image.blend(Image.fromarray(image), Image.fromarray(colors), alpha))
    return mixed if mask is None else np.where(mask[..., None], mixed, image)


def distinct_colors(count: int, taken: Sequence[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """Return ``count`` colours, each as far as possible from earlier ones, the taken ones and ``NO_LABEL``."""
    hues, tones = np.meshgrid(np.arange(48) * 0.618034 % 1.0, np.arange(len(_TONES)), indexing="ij")
    saturation, value = np.array(_TONES)[tones.reshape(-1)].T
    pool = np.unique(hsv(hues.reshape(-1), saturation, value), axis=0).astype(np.int64)
    known = np.array([NO_LABEL, *taken])
    nearest = ((pool[:, None] - known) ** 2).sum(2).min(1)
    chosen = []
    for _ in range(count):
        best = pool[nearest.argmax()]
        nearest = np.minimum(nearest, ((pool - best) ** 2).sum(1))
        chosen.append((int(best[0]), int(best[1]), int(best[2])))
    return chosen


_TONES = ((0.7, 0.9), (0.4, 0.95), (0.9, 0.65), (0.55, 0.75), (0.25, 1.0), (0.95, 0.45), (0.4, 0.55), (1.0, 1.0))
"""Pairs of saturation and value. With all hues they give 384 colours, more than there can be classes."""


def hsv(hue: npt.NDArray[Any], saturation: npt.NDArray[Any], value: npt.NDArray[Any]) -> Picture:
    """Convert hue, saturation and value in 0 … 1, of any shape, to RGB ``uint8 (…, 3)``."""
    corner = (np.array([5.0, 3.0, 1.0]) + hue[..., None] * 6.0) % 6.0
    ramp = np.clip(np.minimum(corner, 4.0 - corner), 0.0, 1.0)
    rgb = value[..., None] * (1.0 - saturation[..., None] * ramp)
    colors: Picture = (rgb * 255).round().astype(np.uint8)
    return colors


def normal_colors(normals: npt.NDArray[np.float32]) -> Picture:
    """Draw unit vectors ``(H, W, 3)`` as colours v = 127.5·(n + 1); black = no label.

    >>> normal_colors(np.array([[[0, 0, -1], [1, 0, 0], [np.nan] * 3]], np.float32)).tolist()
    [[[128, 128, 0], [255, 128, 128], [0, 0, 0]]]
    """
    values = np.where(np.isnan(normals), -1.0, normals)
    return np.clip(np.round((values + 1.0) * 127.5), 0, 255).astype(np.uint8)
