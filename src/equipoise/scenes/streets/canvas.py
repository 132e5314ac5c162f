"""What a scene is painted on: colour, depth, label and instance of every pixel, nearest surface first.

A surface writes a pixel only where it is nearer than what is there, and writes all four at once: so labels are exact,
and the order of occlusion is the order of depth, whatever the order of painting.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.scenes.streets.camera import StreetCamera

Floats = npt.NDArray[np.floating[Any]]
Mask = npt.NDArray[np.bool_]
Shader = Callable[[Floats, Floats, Floats], tuple[Floats, Mask | None]]
"""(place along the surface ``(1, w)`` m, height above its foot ``(n, w)`` m, size of a pixel there ``(1, w)`` m) →
colour ``(n, w, 3)`` and where the surface is (``None``: everywhere)."""

NEAREST_M = 0.6


@dataclass(frozen=True)
class Wall:
    """A vertical rectangle: from (x0, z0) to (x1, z1) on the ground plane, between two heights, all in m."""

    x0: float
    z0: float
    x1: float
    z1: float
    low: float
    high: float

    @property
    def length(self) -> float:
        """Along the ground, m."""
        return float(np.hypot(self.x1 - self.x0, self.z1 - self.z0))

    @property
    def distance(self) -> float:
        """Of its nearest end from the camera's plane, m."""
        return min(self.z0, self.z1)


class Canvas:
    """The picture so far. Empty pixels are infinitely far and have the label 0."""

    def __init__(self, camera: StreetCamera) -> None:
        height, width = camera.size
        self.camera = camera
        self.color = np.zeros((height, width, 3), np.float32)
        self.depth_m = np.full((height, width), np.inf, np.float32)
        self.label = np.zeros((height, width), np.uint8)
        self.instance = np.zeros((height, width), np.uint16)
        self.slope_x = camera.slope_x()
        self.slope_y = camera.slope_y()

    def wall(self, wall: Wall, shader: Shader, label: int, instance: int = 0) -> None:
        """Paint a vertical rectangle. Depth is that of its plane, pixel by pixel."""
        columns, along, depth = self._columns(wall)
        if not columns.size:
            return
        rows = self._rows(wall, float(depth.min()), float(depth.max()))
        if rows.start >= rows.stop:
            return
        window = (rows, slice(int(columns[0]), int(columns[-1]) + 1))
        y = self.camera.height_m + self.slope_y[rows, None] * depth - wall.low
        ok = (y >= 0) & (y <= wall.high - wall.low) & (depth < self.depth_m[window])
        if not ok.any():
            return
        color, where = shader(along[None], y, (depth / self.camera.fx)[None])
        if where is not None:
            ok &= where
        self._write(window, ok, color, np.broadcast_to(depth, ok.shape), label, instance)

    def _columns(self, wall: Wall) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        """The columns whose rays meet the wall, where along it, and at which depth."""
        dx, dz = wall.x1 - wall.x0, wall.z1 - wall.z0
        across = dx - self.slope_x * dz
        across = np.where(np.abs(across) < 1e-6, 1e-6, across)
        share = (self.slope_x * wall.z0 - wall.x0) / across
        depth = wall.z0 + share * dz
        columns = np.flatnonzero((share >= 0) & (share <= 1) & (depth > NEAREST_M))
        if not columns.size:
            return columns, share, depth
        between = slice(int(columns[0]), int(columns[-1]) + 1)
        return columns, (share[between] * wall.length).astype(np.float32), depth[between].astype(np.float32)

    def _rows(self, wall: Wall, near: float, far: float) -> slice:
        rows = [self.camera.row(y, z) for y in (wall.low, wall.high) for z in (near, far)]
        last = self.camera.size[0]
        return slice(min(max(int(min(rows)), 0), last), min(max(int(max(rows)) + 2, 0), last))

    def _write(
        self,
        window: tuple[slice, slice],
        ok: npt.NDArray[np.bool_],
        color: Floats,
        depth: Floats,
        label: int,
        instance: int,
    ) -> None:
        self.color[window][ok] = np.broadcast_to(color, (*ok.shape, 3))[ok]
        self.depth_m[window][ok] = depth[ok]
        self.label[window][ok] = label
        self.instance[window][ok] = instance
