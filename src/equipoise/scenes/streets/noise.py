"""Noise to look up: tileable, made once a process from a fixed seed, the same on every machine."""

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

SIDE = 256
Floats = npt.NDArray[np.floating[Any]]


@functools.cache
def fine() -> Floats:
    """White noise in −1 … 1."""
    return np.random.default_rng(1).uniform(-1, 1, (SIDE, SIDE)).astype(np.float32)


@functools.cache
def clouds() -> Floats:
    """Fractal noise of zero mean and unit deviation: octaves of smooth lattices."""
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
    """The table at whole places (a, b), tiled; the arrays broadcast."""
    return table[np.floor(a).astype(np.int32) & (SIDE - 1), np.floor(b).astype(np.int32) & (SIDE - 1)]


def line(offset: npt.NDArray[np.floating], half_width: float, pixel: npt.NDArray[np.floating]) -> Floats:
    """How much of a pixel a line covers whose middle is ``offset`` away: antialiased, 0 … 1."""
    covered = np.clip((half_width - np.abs(offset)) / np.maximum(pixel, 1e-4) + 0.5, 0, 1)
    # A line thinner than a pixel cannot cover all of it.
    return (covered * np.minimum(1.0, 2 * half_width / np.maximum(pixel, 1e-4))).astype(np.float32)


def grid(value: npt.NDArray[np.floating], period: float, share: float, pixel: npt.NDArray[np.floating]) -> Floats:
    """Bars of ``share`` of each period, antialiased, and their mean where a period is under two pixels."""
    offset = (value / period) % 1.0 - 0.5
    sharp = np.clip((share / 2 - np.abs(offset)) * period / np.maximum(pixel, 1e-4) + 0.5, 0, 1)
    fade = np.clip(period / np.maximum(pixel, 1e-4) - 1.0, 0, 1)
    return (sharp * fade + share * (1 - fade)).astype(np.float32)
