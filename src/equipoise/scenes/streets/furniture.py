"""Paint street furniture: trees, poles, lamps, traffic lights and signs."""

import numpy as np

from equipoise.scenes.streets.canvas import Canvas, Floats, Mask, Wall
from equipoise.scenes.streets.labels import LIGHT, POLE, SIGN, VEGETATION
from equipoise.scenes.streets.noise import clouds, fine, look_up
from equipoise.scenes.streets.weather import Weather


def upright(x: float, z: float, width: float, low: float, high: float) -> Wall:
    """Return an upright rectangle parallel to the image plane."""
    return Wall(x - width / 2, z, x + width / 2, z, low, high)


def paint_tree(canvas: Canvas, x: float, z: float, height: float, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a trunk, and a crown of overlapping lumps lit from above."""
    width = height * float(rng.uniform(0.6, 0.9))
    trunk = height * float(rng.uniform(0.22, 0.36))
    thick = 0.018 * height + 0.12
    autumn = rng.random() < 0.15
    green = np.array([0.42, 0.3, 0.1] if autumn else [0.2, 0.33, 0.11], np.float32) * np.float32(
        rng.uniform(0.75, 1.35)
    )
    key = rng.integers(0, 256, 2)
    # Keep the lumps inside the rectangle, which would cut them off.
    lumps = rng.uniform(-1, 1, (7, 3)) * [0.4, 0.4, 0.06] + [0, 0, 0.39]
    pointed = rng.random() < 0.2
    sun = weather.sun_x

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
        s = (a / width - 0.5) * 2
        t = ((y - trunk) / (height - trunk) - 0.5) * 2
        rough = np.clip(0.1 * look_up(clouds(), y * 80 / width + key[0], a * 80 / width + key[1]), -0.15, 0.15)
        if pointed:
            # Tiers of branches, each darker at its bottom.
            swell = (0.42 * (1 - t) - np.abs(s)) * (0.8 + 0.5 * (t * 3.5 % 1.0))
        else:
            # Each lump bulges: light in the middle, dark towards the next one.
            swell = 0.55 - s * s - t * t - rough
            for cx, cy, r in lumps:
                swell = np.maximum(swell, r * r - (s - cx) ** 2 - (t - cy + 0.1) ** 2 + 0.01)
        crown = (swell > rough) & (np.abs(s) < 1) & (t > -1)
        leaf = 0.6 * look_up(fine(), y * 9 + key[1], a * 9) * np.clip(1.3 - pixel * 4, 0.25, 1)
        leaf = leaf + 0.8 * look_up(fine(), y * 43, a * 43 + key[0]) * np.clip(1.2 - pixel * 16, 0, 1)
        bulge = np.clip(swell * 3.0, 0, 0.6)
        tone = 0.55 + 0.28 * np.clip(t, -1, 1) - 0.2 * weather.contrast * s * sun + 0.3 * leaf + bulge
        tone = tone[..., None]
        stem = (np.abs(a - width / 2) < thick / 2 * (1.3 - 0.4 * y / trunk)) & (y < trunk + height * 0.15)
        bark = np.array([0.26, 0.2, 0.16], np.float32) * (1 + 0.25 * look_up(fine(), y * 4, a * 25))[..., None]
        color = np.where(crown[..., None], green * np.clip(tone, 0.12, 1.6), bark)
        return color, crown | stem

    canvas.wall(upright(x, z, width, 0.0, height), shade, VEGETATION)


def paint_pole(
    canvas: Canvas, x: float, z: float, height: float, thick: float, weather: Weather, rng: np.random.Generator
) -> None:
    """Paint a round pole, lighter in the middle."""
    tone = float(rng.uniform(0.25, 0.5))

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
        round_ = 1 - 0.45 * np.abs(a / thick * 2 - 1) + 0 * y
        return (tone * round_)[..., None], None

    canvas.wall(upright(x, z, thick, 0.0, height), shade, POLE)


def paint_lamp(canvas: Canvas, x: float, z: float, side: int, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a street lamp whose arm reaches over the road."""
    height = float(rng.uniform(6, 9))
    paint_pole(canvas, x, z, height, 0.16, weather, rng)
    reach = -side * float(rng.uniform(1.0, 2.0))
    glow = 0.3 + 0.9 * weather.lamps

    def arm(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
        lamp = (a > abs(reach) * 0.6) if reach > 0 else (a < abs(reach) * 0.4)
        color = np.where(lamp[..., None] & (y < 0.12)[..., None], glow * np.array([1, 0.92, 0.7]), 0.36)
        return color, None

    left, right = min(x, x + reach), max(x, x + reach)
    canvas.wall(Wall(left, z - 0.01, right, z - 0.01, height - 0.2, height + 0.02), arm, POLE)


def paint_traffic_light(canvas: Canvas, x: float, z: float, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a traffic light on a pole, with one of three lamps lit."""
    foot = float(rng.uniform(2.2, 3.2))
    paint_pole(canvas, x, z, foot + 0.9, 0.14, weather, rng)
    lit = int(rng.integers(3))
    lamps = np.array([(0.1, 0.95, 0.45), (1.0, 0.72, 0.1), (1.0, 0.14, 0.1)])

    def box(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
        cell = np.clip((y / 0.32).astype(int), 0, 2)
        inside = np.hypot(a - 0.19, y - (cell + 0.5) * 0.32) < 0.13
        color = np.where(
            inside[..., None], lamps[cell] * np.where(cell == lit, 1.1 + 0.8 * weather.lamps, 0.22)[..., None], 0.06
        )
        return color, None

    canvas.wall(upright(x, z - 0.08, 0.38, foot, foot + 0.96), box, LIGHT)


def paint_sign(canvas: Canvas, x: float, z: float, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a disc, triangle, board or diamond on a pole."""
    foot, size = float(rng.uniform(1.9, 2.6)), float(rng.uniform(0.6, 0.85))
    paint_pole(canvas, x, z, foot + size * 0.6, 0.08, weather, rng)
    kind = int(rng.integers(5))
    red, blue, white = np.array([0.75, 0.06, 0.08]), np.array([0.06, 0.2, 0.6]), np.array([0.92, 0.92, 0.9])
    yellow = np.array([0.95, 0.75, 0.1])

    def plate(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
        s, t = a / size * 2 - 1, y / size * 2 - 1
        radius = np.hypot(s, t)
        if kind == 0:
            where, color = radius < 1, np.where((radius > 0.72)[..., None], red, white)
        elif kind == 1:
            edge = (1 - t) / 2 - np.abs(s)
            where, color = edge > 0, np.where((edge < 0.2)[..., None] | (t < -0.78)[..., None], red, white)
        elif kind == 2:
            where = np.maximum(np.abs(s), np.abs(t)) < 0.95
            color = np.where((np.abs(s) + np.abs(t - 0.1) < 0.55)[..., None], white, blue)
        elif kind == 3:
            where = np.abs(s) + np.abs(t) < 1
            color = np.where((np.abs(s) + np.abs(t) < 0.66)[..., None], yellow, white)
        else:
            where = radius < 1
            color = np.where(((np.abs(t) < 0.2) & (np.abs(s) < 0.7))[..., None], white, red)
        return color, where

    canvas.wall(upright(x, z - 0.05, size, foot, foot + size), plate, SIGN)
