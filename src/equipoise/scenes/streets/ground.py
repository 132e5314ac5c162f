"""The ground and the sky: road with its markings, kerbs, pavements, terrain, side streets; clouds above."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.scenes.streets.canvas import Canvas
from equipoise.scenes.streets.labels import ROAD, SIDEWALK, SKY, TERRAIN
from equipoise.scenes.streets.noise import clouds, fine, grid, line, look_up
from equipoise.scenes.streets.weather import Weather

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Road:
    """The street's plan, in m. u is the distance from the road's middle, to the right.

    Attributes:
        middle: u of the camera, negative: the camera drives right of the middle.
        heading, bend: the middle's x at depth z is heading·z + bend·z².
        half: half the width of the carriageway.
        lanes: of the carriageway, both directions.
        pavement: width of each pavement; 0: none, terrain begins.
        crossing: depths of zebra crossings.
        junction: (depth, half width) of a side street; ``None``: none.
        parked: the outermost strip of the carriageway is for parking.
        asphalt, paving: brightness.
        grass: colour of terrain.
    """

    middle: float
    heading: float
    bend: float
    half: float
    lanes: int
    pavement: tuple[float, float]
    crossing: tuple[float, ...]
    junction: tuple[float, float] | None
    parked: bool
    asphalt: float
    paving: float
    grass: tuple[float, float, float]

    def x(self, u: float, z: float) -> float:
        """Camera coordinates of a place on the street."""
        return self.middle + u + self.heading * z + self.bend * z * z

    def pavement_width(self, side: int) -> float:
        """Of the left (−1) or right (1) pavement."""
        return self.pavement[0 if side < 0 else 1]


def paint_sky(canvas: Canvas, weather: Weather, rng: np.random.Generator) -> None:
    """From the top's colour to the horizon's, with clouds that shrink towards it."""
    rise = np.clip(canvas.slope_y, 0, None)[:, None]
    share = np.clip(rise / 0.35, 0, 1) ** 0.7
    top, low = weather.sky_top, weather.sky_low
    sky = low + (top - low) * share[..., None]
    drift, scale = rng.uniform(0, 256, 2), rng.uniform(9, 16)
    far = 1.0 / (rise + 0.09)
    cloud = look_up(clouds(), far * scale + drift[0], canvas.slope_x[None] * far * scale * 1.3 + drift[1])
    density = np.clip((cloud * 0.6 + weather.cloud * 2 - 1.1) * 0.9, 0, 0.85 * weather.cloud)[..., None]
    tone = weather.ambient * (0.94 + 0.05 * cloud[..., None])
    canvas.color[:] = sky * (1 - density) + tone * density
    canvas.label[:] = SKY


def paint_ground(canvas: Canvas, road: Road, weather: Weather, shadows: "list[Shadow]") -> None:
    """Everything below the horizon, at its exact depth."""
    camera = canvas.camera
    first = int(np.floor(camera.v0)) + 1
    if first >= camera.size[0]:
        return
    z = (camera.height_m / -canvas.slope_y[first:])[:, None]
    ok = z[:, 0] < 400
    first, z = first + int((~ok).sum()), z[ok]
    x = canvas.slope_x * z
    u = x - road.middle - road.heading * z - road.bend * z * z
    pixel, deep = z / camera.fx, z * z / (camera.fx * camera.height_m)
    color, label = _surface(road, u, z, pixel, deep)
    light = np.ones_like(u, np.float32)
    for shadow in shadows:
        shadow.darken(light, u, z, weather.contrast)
    color = color * light[..., None]
    if weather.wet > 0:
        color = color * (1 - 0.45 * weather.wet) + _reflection(canvas, first, z.shape[0]) * 0.5 * weather.wet
    canvas.color[first:] = color * canvas.light
    canvas.label[first:] = label
    canvas.depth_m[first:] = np.broadcast_to(z, u.shape)
    canvas.normal[first:] = (0.0, -1.0, 0.0)


def _surface(road: Road, u: Floats, z: Floats, pixel: Floats, deep: Floats) -> tuple[Floats, npt.NDArray[np.uint8]]:
    """Albedo and label."""
    far = np.clip(1.5 - pixel * 12, 0.15, 1)
    grain = look_up(fine(), u * 14, z * 9) * far
    patches = look_up(clouds(), u * 2.5 + 40, z * 0.7)
    asphalt = road.asphalt * (1 + 0.07 * grain + 0.05 * patches)
    asphalt -= 0.04 * np.exp(-(((np.abs(u) - road.half / 2) / 0.9) ** 2))
    slab = np.maximum(grid(u, 0.9, 0.05, pixel), grid(z, 0.9, 0.05, deep))
    paving = road.paving * (1 + 0.06 * grain + 0.03 * patches) * (1 - 0.22 * slab * far)
    grass = np.array(road.grass) * (1 + 0.22 * grain + 0.12 * patches)[..., None]
    on_road = np.abs(u) < road.half
    if road.junction is not None:
        on_road |= np.abs(z - road.junction[0]) < road.junction[1]
    width = np.where(u < 0, road.pavement[0], road.pavement[1])
    on_pavement = ~on_road & (np.abs(u) < road.half + width)
    label = np.where(on_road, ROAD, np.where(on_pavement, SIDEWALK, TERRAIN)).astype(np.uint8)
    tint = np.array([1.0, 0.985, 0.96])
    color = np.where(
        on_road[..., None], (asphalt + _markings(road, u, z, pixel, deep))[..., None] * [1, 1, 1.03], grass
    )
    color = np.where(on_pavement[..., None], paving[..., None] * tint, color)
    kerb = line(np.abs(u) - road.half - 0.08, 0.09, pixel) * on_pavement
    color = color * (1 - kerb[..., None]) + 0.72 * kerb[..., None]
    gutter = line(np.abs(u) - road.half + 0.12, 0.1, pixel) * on_road
    return (color * (1 - 0.3 * gutter[..., None])).astype(np.float32), label


def _markings(road: Road, u: Floats, z: Floats, pixel: Floats, deep: Floats) -> Floats:
    """Paint on the asphalt: middle line, lane lines, edges, zebra crossings and stop lines."""
    paint = np.zeros_like(u)
    inner = road.half - (2.2 if road.parked else 0.0)
    dashes = grid(z, 9.0, 0.45, deep)
    for lane in range(1, road.lanes):
        place = -inner + 2 * inner * lane / road.lanes
        solid = lane * 2 == road.lanes and road.lanes > 2
        paint = np.maximum(paint, line(u - place, 0.07, pixel) * (1.0 if solid else dashes))
    edge = line(np.abs(u) - inner + 0.25, 0.06, pixel)
    paint = np.maximum(paint, edge * (grid(z, 5.5, 0.9, deep) if road.parked else 1.0))
    if road.junction is not None:
        paint = paint * (np.abs(z - road.junction[0]) > road.junction[1] + 0.5)
    for depth in road.crossing:
        stripes = grid(u, 1.1, 0.5, pixel) * line(z - depth, 1.8, deep)
        stop = line(z - depth + 3.2, 0.22, deep) * (u > 0)
        clear = 1 - line(z - depth, 3.6, deep)
        paint = np.maximum(paint * clear, np.maximum(stripes, stop)) * (np.abs(u) < road.half)
    worn = 0.85 + 0.15 * np.clip(look_up(clouds(), u * 6, z * 4), -1, 1)
    return (paint * worn * (0.86 - road.asphalt)).astype(np.float32)


def _reflection(canvas: Canvas, first: int, count: int) -> Floats:
    """What is above the horizon, mirrored and smeared: a wet road."""
    rows = np.clip(first - 1 - np.arange(count) // 2, 0, None)
    above = canvas.color[rows]
    return np.repeat(above[:, ::8], 8, axis=1)[:, : above.shape[1]]


@dataclass(frozen=True, kw_only=True)
class Shadow:
    """A soft rectangle of shade on the ground: middle (u, z), half sizes, darkness 0 … 1, softness in m."""

    u: float
    z: float
    half_u: float
    half_z: float
    strength: float
    soft: float = 0.3

    def darken(self, light: Floats, u: Floats, z: Floats, contrast: float) -> None:
        """Multiply the light where the shadow falls."""
        rows = np.flatnonzero(np.abs(z[:, 0] - self.z) < self.half_z + self.soft)
        if not rows.size:
            return
        part = slice(int(rows[0]), int(rows[-1]) + 1)
        side = np.clip((self.half_u - np.abs(u[part] - self.u)) / self.soft + 0.5, 0, 1)
        deep = np.clip((self.half_z - np.abs(z[part] - self.z)) / self.soft + 0.5, 0, 1)
        light[part] *= (1 - self.strength * side * deep).astype(np.float32)
