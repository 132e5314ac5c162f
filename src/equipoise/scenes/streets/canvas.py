"""The canvas of a scene: colour, depth, label, instance and normal of every pixel, of the nearest surface.

A surface writes a pixel only where it is nearer than what is there, and writes all of them at once: so labels are
exact, and the order of occlusion is the order of depth, whatever the order of painting.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.scenes.streets.camera import StreetCamera

Floats = npt.NDArray[np.floating[Any]]
Vector = tuple[float, float, float]
Mask = npt.NDArray[np.bool_]
Shader = Callable[[Floats, Floats, Floats], tuple[Floats, Mask | None]]
"""(place along the surface ``(1, w)`` m, height above its foot ``(n, w)`` m, size of a pixel there ``(1, w)`` m) →
colour in white light ``(n, w, 3)`` and where the surface is (``None``: everywhere)."""

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


@dataclass(frozen=True)
class Panel:
    """A slanted parallelogram: a corner (x, y, z), its edge ``along`` and its edge ``up``, all in m."""

    corner: Floats
    along: Floats
    up: Floats


class Canvas:
    """The picture so far. Empty pixels are infinitely far, have the label 0 and no normal.

    Normals are unit vectors in camera axes (x right, y down, z forward), as facades and panels really stand.
    """

    def __init__(self, camera: StreetCamera, light: Floats) -> None:
        """``light``: the colour of the light on everything, RGB."""
        height, width = camera.size
        self.camera, self.light = camera, light.astype(np.float32)
        self.color = np.zeros((height, width, 3), np.float32)
        self.depth_m = np.full((height, width), np.inf, np.float32)
        self.label = np.zeros((height, width), np.uint8)
        self.instance = np.zeros((height, width), np.uint16)
        self.normal = np.full((height, width, 3), np.nan, np.float32)
        self.slope_x = camera.slope_x().astype(np.float32)
        self.slope_y = camera.slope_y().astype(np.float32)

    def wall(self, wall: Wall, shader: Shader, label: int, instance: int = 0) -> None:
        """Paint a vertical rectangle. Depth is that of its plane, pixel by pixel."""
        columns = self._columns(wall)
        if columns.start >= columns.stop:
            return
        dx, dz = wall.x1 - wall.x0, wall.z1 - wall.z0
        slope = self.slope_x[columns]
        across = dx - slope * dz
        across = np.where(np.abs(across) < 1e-6, 1e-6, across)
        share = np.clip((slope * wall.z0 - wall.x0) / across, 0, 1)
        depth = (wall.z0 + share * dz).astype(np.float32)
        along = (share * wall.length).astype(np.float32)
        near = float(depth.min())
        rows = self._rows(wall, near, float(depth.max()))
        window = (rows, columns)
        if rows.start >= rows.stop or self.depth_m[window].max() <= near:
            return
        y = self.camera.height_m + self.slope_y[rows, None] * depth - wall.low
        ok = (y >= 0) & (y <= wall.high - wall.low) & (depth < self.depth_m[window])
        if not ok.any():
            return
        color, where = shader(along[None], y, (depth / self.camera.fx)[None])
        if where is not None:
            ok &= where
        normal = _towards_camera((dz, 0.0, -dx), (wall.x0, 0.0, wall.z0))
        self._write(window, ok, color, np.broadcast_to(depth, ok.shape), label, instance, normal)

    def panel(self, panel: Panel, shader: Shader, label: int, instance: int = 0) -> None:
        """Paint a parallelogram of any slant; the shader is given places along its two edges, from the corner.

        With the ray d·r through a pixel, corner + a·along + b·up = d·r gives, by Cramer's rule with
        n = along × up:  d = corner·n / r·n,  a = r·(up × corner) / r·n,  b = r·(corner × along) / r·n.
        """
        corner, along, up = _vector(panel.corner), _vector(panel.along), _vector(panel.up)
        corner = (corner[0], corner[1] - self.camera.height_m, corner[2])
        other = _add(corner, along)
        window = self._bounds([corner, other, _add(corner, up), _add(other, up)])
        if window is None:
            return
        normal = _cross(along, up)
        facing = self._on_rays(normal, window)
        # A ray along the plane meets it nowhere: far outside of the edges.
        facing = np.where(np.abs(facing) < 1e-9, 1e-9, facing)
        depth = (_dot(corner, normal) / facing).astype(np.float32)
        a = self._on_rays(_cross(up, corner), window) / facing
        b = self._on_rays(_cross(corner, along), window) / facing
        ok = (a >= 0) & (a <= 1) & (b >= 0) & (b <= 1) & (depth > NEAREST_M) & (depth < self.depth_m[window])
        if not ok.any():
            return
        a, b = (a * _dot(along, along) ** 0.5).astype(np.float32), (b * _dot(up, up) ** 0.5).astype(np.float32)
        color, where = shader(a, b, depth / np.float32(self.camera.fx))
        if where is not None:
            ok &= where
        self._write(window, ok, color, depth, label, instance, _towards_camera(normal, corner))

    def _on_rays(self, vector: Vector, window: tuple[slice, slice]) -> Floats:
        """``vector`` · r for the ray r = (X/Z, Y/Z, 1) of each pixel."""
        return vector[1] * self.slope_y[window[0], None] + (vector[0] * self.slope_x[window[1]] + vector[2])

    def _bounds(self, points: list[Vector]) -> tuple[slice, slice] | None:
        """Rows and columns that hold the points' convex hull; all of them where it reaches behind the camera."""
        height, width = self.camera.size
        depths = [z for _, _, z in points]
        if max(depths) <= NEAREST_M:
            return None
        if min(depths) <= NEAREST_M:
            return slice(0, height), slice(0, width)
        rows = _within([self.camera.v0 - self.camera.fx * y / z for _, y, z in points], height)
        columns = _within([self.camera.u0 + self.camera.fx * x / z for x, _, z in points], width)
        return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None

    def _columns(self, wall: Wall) -> slice:
        """The columns whose rays meet the wall in front of the camera."""
        ends = [(wall.x0, wall.z0), (wall.x1, wall.z1)]
        if wall.distance < NEAREST_M:
            (x, z), (far_x, far_z) = sorted(ends, key=lambda end: end[1])
            if far_z <= NEAREST_M:
                return slice(0, 0)
            share = (NEAREST_M - z) / (far_z - z)
            ends = [(x + share * (far_x - x), NEAREST_M), (far_x, far_z)]
        return _within([self.camera.u0 + self.camera.fx * x / z for x, z in ends], self.camera.size[1])

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
        normal: Vector,
    ) -> None:
        self.color[window][ok] = np.broadcast_to(color, (*ok.shape, 3))[ok] * self.light
        self.depth_m[window][ok] = depth[ok]
        self.label[window][ok] = label
        self.instance[window][ok] = instance
        self.normal[window][ok] = normal


def _within(places: list[float], count: int) -> slice:
    """The whole numbers below ``count`` between the least and the largest place."""
    return slice(min(max(math.ceil(min(places)), 0), count), min(max(math.floor(max(places)) + 1, 0), count))


def _towards_camera(normal: Vector, point: Vector) -> Vector:
    """The unit normal of a plane through a point seen from the camera, on the camera's side, with y downwards."""
    length = _dot(normal, normal) ** 0.5 * (-1.0 if _dot(normal, point) > 0 else 1.0)
    return normal[0] / length, -normal[1] / length, normal[2] / length


def _vector(array: Floats) -> Vector:
    x, y, z = array.tolist()
    return x, y, z


def _add(a: Vector, b: Vector) -> Vector:
    return a[0] + b[0], a[1] + b[1], a[2] + b[2]


def _cross(a: Vector, b: Vector) -> Vector:
    # np.cross takes forty times as long for three numbers.
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


def _dot(a: Vector, b: Vector) -> float:
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
