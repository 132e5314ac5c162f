"""Tileable noise tables, made once per process from a fixed seed and equal on every machine."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

SIDE = 256
Floats = npt.NDArray[np.floating[Any]]


@functools.cache
def fine() -> Floats:
    """Return white noise in −1 … 1."""
    return np.random.default_rng(1).uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)


@functools.cache
def clouds() -> Floats:
    """Return fractal noise (octaves of smooth lattices) with zero mean and unit standard deviation."""
    rng = np.random.default_rng(2)
    total = np.zeros((SIDE, SIDE))
    place = np.arange(SIDE)
    for cells in (4, 8, 16, 32, 64):
        lattice = rng.standard_normal((cells, cells))
        position = place * cells / SIDE
        low = position.astype(int)
        part = position - low
        part = part * part * (3 - 2 * part)
        high = (low + 1) % cells
        rows = lattice[low] * (1 - part)[:, None] + lattice[high] * part[:, None]
        total += (rows[:, low] * (1 - part) + rows[:, high] * part) / cells**0.9
    return ((total - total.mean()) / total.std()).astype(np.float32)


def look_up(table: Floats, a: npt.NDArray[np.floating], b: npt.NDArray[np.floating]) -> Floats:
    """Look up the tiled table at integer positions (a, b); the arrays broadcast."""
    return table[np.floor(a).astype(np.int32) & (SIDE - 1), np.floor(b).astype(np.int32) & (SIDE - 1)]


def line(offset: npt.NDArray[np.floating], half_width: float, pixel: npt.NDArray[np.floating]) -> Floats:
    """Return how much of a pixel is covered by a line whose middle is ``offset`` away, 0 … 1 (antialiased)."""
    covered = np.clip((half_width - np.abs(offset)) / np.maximum(pixel, 1e-4) + 0.5, 0, 1)
    # A line thinner than a pixel cannot cover all of it.
    return (covered * np.minimum(1.0, 2 * half_width / np.maximum(pixel, 1e-4))).astype(np.float32)


def grid(value: npt.NDArray[np.floating], period: float, share: float, pixel: npt.NDArray[np.floating]) -> Floats:
    """Return antialiased bars that fill ``share`` of each period; their mean if a period is under two pixels."""
    offset = (value / period) % 1.0 - 0.5
    sharp = np.clip((share / 2 - np.abs(offset)) * period / np.maximum(pixel, 1e-4) + 0.5, 0, 1)
    fade = np.clip(period / np.maximum(pixel, 1e-4) - 1.0, 0, 1)
    return (sharp * fade + share * (1 - fade)).astype(np.float32)
