"""Paint people: standing, walking, and riding bicycles and motorcycles."""

import numpy as np

from equipoise.scenes.streets.canvas import Canvas, Floats, Mask
from equipoise.scenes.streets.furniture import upright
from equipoise.scenes.streets.labels import BICYCLE, MOTORCYCLE, PERSON, RIDER
from equipoise.scenes.streets.weather import Weather

SKIN = np.array([[0.82, 0.62, 0.5], [0.62, 0.43, 0.32], [0.42, 0.28, 0.2], [0.9, 0.72, 0.62]])


class Clothes:
    """The colours of one person."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.skin = SKIN[rng.integers(len(SKIN))]
        self.hair = np.array([0.16, 0.11, 0.08]) * rng.uniform(0.4, 2.6)
        dye = rng.uniform(0.08, 0.8, 3) * rng.uniform(0.5, 1.1)
        self.top = dye + (dye.mean() - dye) * rng.uniform(0.1, 0.8)
        self.trousers = np.array([0.14, 0.16, 0.22]) * rng.uniform(0.5, 2.2) * rng.uniform(0.8, 1.2, 3)
        self.shoes = np.array([0.1, 0.09, 0.08]) * rng.uniform(0.5, 3)


def paint_person(
    canvas: Canvas, x: float, z: float, height: float, instance: int, weather: Weather, rng: np.random.Generator
) -> None:
    """Paint head, trunk, arms and legs of a person who stands or walks."""
    clothes, width = Clothes(rng), 0.46 * height
    stride, swing = float(rng.uniform(-0.13, 0.13)), float(rng.uniform(-0.07, 0.07))
    skirt, bag = rng.random() < 0.2, rng.random() < 0.3
    slim = float(rng.uniform(0.85, 1.15))

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
        s, t = (a - width / 2) / height, y / height
        down = np.clip((0.47 - t) / 0.47, 0, 1)
        legs = (t < 0.49) & (
            (np.abs(s - 0.045 - stride * down) < 0.043 * slim) | (np.abs(s + 0.045 + stride * down) < 0.043 * slim)
        )
        legs |= skirt & (t > 0.25) & (t < 0.5) & (np.abs(s) < 0.075 + 0.09 * (0.5 - t))
        shoulder = np.clip((0.84 - t) / 0.06, 0, 1)
        trunk = (
            (t >= 0.46) & (t < 0.84) & (np.abs(s) < (0.075 + 0.035 * (t - 0.46) / 0.38) * slim * (0.5 + 0.5 * shoulder))
        )
        reach = np.clip((0.8 - t) / 0.36, 0, 1)
        arms = (
            (t > 0.43)
            & (t < 0.8)
            & ((np.abs(s - 0.125 * slim - swing * reach) < 0.026) | (np.abs(s + 0.125 * slim + swing * reach) < 0.026))
        )
        carried = bag & (np.hypot(s - 0.16, t - 0.44) < 0.06)
        head = (s / 0.052) ** 2 + ((t - 0.925) / 0.075) ** 2 < 1
        neck = (np.abs(s) < 0.028) & (t > 0.82) & (t < 0.88)
        shape = np.broadcast_shapes(s.shape, t.shape)
        color = np.empty((*shape, 3), np.float32)
        color[:] = clothes.trousers
        color[np.broadcast_to(t < 0.04, shape)] = clothes.shoes
        color[trunk | arms | (legs & skirt & (t > 0.25))] = clothes.top
        color[(arms & (t < 0.47)) | neck | head] = clothes.skin
        color[head & ((t > 0.945) | (np.abs(s) > 0.04))] = clothes.hair
        color[carried & ~trunk] = clothes.shoes
        light = (0.8 + 0.35 * t - 0.9 * weather.contrast * s * weather.sun_x)[..., None]
        return color * light, legs | trunk | arms | head | neck | carried

    canvas.wall(upright(x, z, width, 0.0, height), shade, PERSON, instance)


def paint_cycle(
    canvas: Canvas,
    x: float,
    z: float,
    *,
    motor: bool,
    across: bool,
    instance: int,
    rider: int,
    weather: Weather,
    rng: np.random.Generator,
) -> None:
    """Paint a bicycle or motorcycle from the side (``across``) or from behind; ``rider``: the id of its rider."""
    width, height = (1.75 if across else 0.62), 1.08
    paint = rng.uniform(0.05, 0.75, 3)
    flip = -1.0 if rng.random() < 0.5 else 1.0

    def machine(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
        s = flip * (a - width / 2)
        thin = np.maximum(0.025, pixel * 0.5)
        if not across:
            wheel = (np.abs(s) < (0.1 if motor else np.maximum(0.03, pixel * 0.5))) & (y < 0.66)
            bars = (np.abs(y - 1.0) < np.maximum(0.03, pixel * 0.6)) & (np.abs(s) < 0.3)
            body = (np.abs(s) < (0.2 if motor else thin)) & (y > 0.45) & (y < 0.95)
            where = wheel | bars | body
            color = np.where(body[..., None], paint, 0.06)
            tail = body & (y > 0.6) & (y < 0.68)
            color = np.where(tail[..., None], [0.7, 0.05, 0.05], color)
            return color, where
        radius = 0.31 if motor else 0.34
        rear, front = np.hypot(s + 0.52, y - radius), np.hypot(s - 0.52, y - radius)
        ring = 0.11 if motor else np.maximum(0.035, pixel * 0.6)
        tyres = (np.abs(rear - radius + ring) < ring) | (np.abs(front - radius + ring) < ring)
        if motor:
            body = (np.abs(s) < 0.45) & (y > 0.32) & (y < 0.72 + 0.12 * np.sin(s * 5))
            seat = (s > -0.55) & (s < 0.0) & (y > 0.68) & (y < 0.82)
            bars = (np.abs(s - 0.42) < 0.05) & (y > 0.6) & (y < 1.05)
        else:
            body = _tube(s, y, -0.1, 0.32, 0.35, 0.8, thin) | _tube(s, y, -0.12, 0.8, 0.38, 0.82, thin)
            body |= _tube(s, y, -0.52, radius, -0.1, 0.32, thin) | _tube(s, y, -0.52, radius, -0.12, 0.8, thin)
            body |= _tube(s, y, -0.1, 0.32, -0.15, 0.88, thin) | _tube(s, y, 0.52, radius, 0.36, 0.95, thin)
            seat = (np.abs(s + 0.17) < 0.12) & (np.abs(y - 0.9) < 0.04)
            bars = (np.abs(s - 0.34) < 0.1) & (np.abs(y - 0.99) < 0.035)
        color = np.where(body[..., None], paint, 0.07)
        return color, tyres | body | seat | bars

    canvas.wall(upright(x, z, width, 0.0, height), machine, MOTORCYCLE if motor else BICYCLE, instance)
    if rider:
        _paint_rider(canvas, x, z - 0.05, across=across, flip=flip, instance=rider, weather=weather, rng=rng)


def _paint_rider(
    canvas: Canvas,
    x: float,
    z: float,
    *,
    across: bool,
    flip: float,
    instance: int,
    weather: Weather,
    rng: np.random.Generator,
) -> None:
    clothes, helmet = Clothes(rng), rng.uniform(0.1, 0.9, 3)
    width, low, high = (1.2 if across else 0.7), 0.3, 1.78

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
        s, y = flip * (a - width / 2), y + low
        if across:
            trunk = _tube(s, y, -0.15, 0.92, 0.12, 1.42, 0.15)
            arms = _tube(s, y, 0.1, 1.32, 0.36, 1.02, 0.055)
            legs = _tube(s, y, -0.12, 0.92, 0.2, 0.72, 0.085) | _tube(s, y, 0.2, 0.72, 0.02, 0.34, 0.065)
            head = np.hypot(s - 0.2, y - 1.62) < 0.13
        else:
            shoulder = 0.21 * np.sqrt(np.clip((1.47 - y) / 0.12, 0, 1))
            trunk = (np.abs(s) < np.minimum(shoulder, 0.13 + 0.12 * (y - 0.85))) & (y > 0.85)
            arms = _tube(np.abs(s), y, 0.18, 1.38, 0.29, 1.02, 0.05)
            legs = (np.abs(np.abs(s) - 0.13) < 0.075) & (y > 0.35) & (y < 0.95)
            head = np.hypot(s, y - 1.62) < 0.13
        color = np.empty((*np.broadcast_shapes(s.shape, y.shape), 3))
        color[:] = clothes.trousers
        color[trunk | arms] = clothes.top
        color[head] = clothes.skin
        color[head & (y > 1.62)] = helmet
        return color, trunk | arms | legs | head

    canvas.wall(upright(x, z, width, low, high), shade, RIDER, instance)


def _tube(s: Floats, y: Floats, x0: float, y0: float, x1: float, y1: float, thick: "float | Floats") -> Mask:
    """Return the pixels within ``thick`` of the line between two points."""
    dx, dy = x1 - x0, y1 - y0
    share = np.clip(((s - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
    near: np.ndarray = np.hypot(s - x0 - share * dx, y - y0 - share * dy) < thick
    return near
