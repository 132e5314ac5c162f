"""Cars, trucks, buses and trams: boxes whose visible sides are cut to a profile and painted."""

from dataclasses import dataclass

import numpy as np

from equipoise.scenes.streets.canvas import Canvas, Floats, Mask, Shader, Wall
from equipoise.scenes.streets.labels import BUS, CAR, TRAIN, TRUCK
from equipoise.scenes.streets.noise import grid, line
from equipoise.scenes.streets.weather import Weather

PAINTS = [
    (0.82, 0.82, 0.84), (0.06, 0.06, 0.07), (0.4, 0.41, 0.44), (0.62, 0.63, 0.66), (0.55, 0.05, 0.06),
    (0.07, 0.13, 0.38), (0.13, 0.3, 0.18), (0.75, 0.6, 0.12), (0.3, 0.12, 0.1), (0.9, 0.9, 0.88), (0.2, 0.34, 0.5),
]  # fmt: skip
WAIST = 0.62
"""Where a car's windows begin, in parts of its height."""
GLASS = np.array([0.1, 0.13, 0.16])
SIZES = {CAR: (4.3, 1.78, 1.5), TRUCK: (7.5, 2.4, 3.2), BUS: (11.5, 2.55, 3.1), TRAIN: (24.0, 2.6, 3.5)}
"""Length, width, height, m."""


@dataclass(frozen=True, kw_only=True)
class Pose:
    """Where a vehicle stands: the middle of its near end, and its direction away from the camera."""

    x: float
    z: float
    heading: float
    oncoming: bool = False


def paint_vehicle(
    canvas: Canvas, kind: int, pose: Pose, instance: int, weather: Weather, rng: np.random.Generator
) -> tuple[float, float]:
    """Paint the end and the side that face the camera; returns length and width, m."""
    length, width, height = (float(v * rng.uniform(0.93, 1.07)) for v in SIZES[kind])
    van = kind == CAR and rng.random() < 0.22
    if van:
        length, height = length * 1.12, height * 1.28
    paint = np.array(PAINTS[rng.integers(len(PAINTS))]) * rng.uniform(0.85, 1.1)
    forward = np.array([np.sin(pose.heading), np.cos(pose.heading)])
    right = np.array([forward[1], -forward[0]])
    near = np.array([pose.x, pose.z])
    corner = {side: near + side * right * width / 2 for side in (-1, 1)}
    far = {side: corner[side] + forward * length for side in (-1, 1)}
    look = _Look(kind, van, length, width, height, paint, pose.oncoming, weather, rng)
    end = look.end(weather.facing(-float(forward[0]), -float(forward[1])))
    if kind == CAR:
        # The cabin begins behind boot or bonnet; below its windows one sees those.
        back = look.setback() * forward
        canvas.wall(_wall(corner[-1], corner[1], WAIST * height), end, kind, instance)
        canvas.wall(_wall(corner[-1] + back, corner[1] + back, height), end, kind, instance)
    else:
        canvas.wall(_wall(corner[-1], corner[1], height), end, kind, instance)
    # A side is seen where the camera lies on its outer half-plane.
    for side in (-1, 1):
        outward = side * right
        if float(np.dot(-corner[side], outward)) > 0:
            light = weather.facing(float(outward[0]), float(outward[1]))
            canvas.wall(_wall(corner[side], far[side], height), look.flank(light), kind, instance)
    return length, width


def paint_crossing_vehicle(
    canvas: Canvas, kind: int, x: float, z: float, instance: int, weather: Weather, rng: np.random.Generator
) -> tuple[float, float]:
    """A vehicle that crosses the street, seen from its side; returns length and width, m."""
    length, width, height = (float(v * rng.uniform(0.93, 1.07)) for v in SIZES[kind])
    paint = np.array(PAINTS[rng.integers(len(PAINTS))])
    look = _Look(kind, False, length, width, height, paint, False, weather, rng)
    flip = rng.random() < 0.5
    left, right = np.array([x - length / 2, z]), np.array([x + length / 2, z])
    ends = (right, left) if flip else (left, right)
    canvas.wall(_wall(*ends, height), look.flank(weather.facing(0.0, -1.0)), kind, instance)
    return length, width


def _wall(one: Floats, other: Floats, height: float) -> Wall:
    return Wall(float(one[0]), float(one[1]), float(other[0]), float(other[1]), 0.0, height)


class _Look:
    """One vehicle's shape and paint."""

    def __init__(
        self,
        kind: int,
        van: bool,
        length: float,
        width: float,
        height: float,
        paint: Floats,
        oncoming: bool,
        weather: Weather,
        rng: np.random.Generator,
    ) -> None:
        self.kind, self.van, self.length, self.width, self.height = kind, van, length, width, height
        self.paint, self.oncoming, self.weather = paint, oncoming, weather
        tint = rng.uniform(0.3, 0.9, 3)
        self.cargo = 0.5 * tint + 0.5 * tint.mean() if rng.random() < 0.5 else np.array([0.85, 0.85, 0.83])
        self.braking = rng.random() < 0.3
        self.bonnet, self.boot = float(rng.uniform(0.22, 0.28)), float(rng.uniform(0.06, 0.16))

    def setback(self) -> float:
        """How far behind its near end a car's cabin begins, m."""
        if self.van:
            return 0.12 * self.length if self.oncoming else 0.0
        return (self.bonnet + 0.07 if self.oncoming else self.boot + 0.04) * self.length

    def end(self, light: float) -> Shader:
        """The rear, or the front of an oncoming vehicle."""
        return self._car_end(light) if self.kind == CAR else self._box_end(light)

    def flank(self, light: float) -> Shader:
        """A side."""
        return self._car_flank(light) if self.kind == CAR else self._box_flank(light)

    def _car_end(self, light: float) -> Shader:
        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            s, t = a / self.width * 2 - 1, y / self.height
            taper = 1 - (0.08 if self.van else 0.3) * np.clip((t - WAIST) / (1 - WAIST), 0, 1)
            body = (t > 0.13) & (np.abs(s) < taper) & (t < 0.985 - 0.03 * s**4)
            wheels = (np.abs(np.abs(s) - 0.78) < 0.15) & (t <= 0.3)
            tone = (0.75 + 0.35 * np.clip(t, 0, 1)) * light
            color = self.paint * np.broadcast_to(tone, body.shape)[..., None]
            glass = (t > WAIST + 0.02) & (t < 0.93) & (np.abs(s) < taper - 0.1)
            sheen = np.array(self.weather.sky_low) * 0.3 * np.clip((t - WAIST) * 2.5, 0, 1)[..., None]
            color = np.where(glass[..., None], GLASS + sheen, color)
            lamp = (np.abs(np.abs(s) - 0.8) < 0.13) & (t > 0.42) & (t < 0.57)
            color = np.where(lamp[..., None], self._lamps(), color)
            plate = (np.abs(s) < 0.26) & (t > 0.3) & (t < 0.385)
            color = np.where(plate[..., None], 0.8, color)
            dark = (t < 0.24) | ((np.abs(s) < 0.5) & (t > 0.42) & (t < 0.53) & self.oncoming)
            color = np.where((dark | (wheels & ~(body & (t > 0.24))))[..., None], 0.055, color)
            return (color * np.array(self.weather.ambient)).astype(np.float32), body | wheels

        return shade

    def _lamps(self) -> Floats:
        if self.oncoming:
            return np.array([1.0, 0.98, 0.9]) * (0.85 + 0.6 * self.weather.lamps)
        return np.array([0.55, 0.04, 0.04]) * (1.9 if self.braking else 1.0 + self.weather.lamps)

    def _car_flank(self, light: float) -> Shader:
        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            place = a / self.length
            p, t = (1 - place if self.oncoming else place), y / self.height
            bonnet = 0.1 if self.van else self.bonnet
            boot = 0.02 if self.van else self.boot
            # The profile: boot, rear window, roof, windscreen, bonnet.
            roof = np.minimum(0.62 + (p - boot) / 0.09 * 0.38 * 0.9, 0.6 + (1 - bonnet - p) / 0.15 * 0.4)
            top = np.clip(np.maximum(roof, np.where(p > 0.5, 0.6 - 0.06 * (p - 0.7), 0.62)), 0, 1)
            body = (t > 0.14) & (t < top)
            wheel = np.minimum(
                np.hypot((p - 0.19) * self.length, y - 0.31), np.hypot((p - 0.81) * self.length, y - 0.31)
            )
            tyre = wheel < 0.31
            tone = (0.7 + 0.4 * np.clip(t, 0, 1) - 0.1 * line(t - 0.45, 0.02, pixel)) * light
            color = self.paint * tone[..., None]
            glass = (t > 0.63) & (t < top - 0.07) & (p > boot + 0.06) & (p < 1 - bonnet - 0.03)
            pillar = np.abs(p - 0.47) < 0.012
            sheen = np.array(self.weather.sky_low) * 0.22
            color = np.where((glass & ~pillar)[..., None], GLASS + sheen, color)
            color = np.where((t < 0.22)[..., None] | tyre[..., None], 0.055, color)
            color = np.where((wheel < 0.18)[..., None], 0.45 * light, color)
            lamp = (t > 0.42) & (t < 0.55) & (((p < 0.03) & (t > 0.4)) | (p > 0.97))
            color = np.where(lamp[..., None], np.where((p < 0.5)[..., None], [0.6, 0.05, 0.05], 0.85), color)
            return (color * np.array(self.weather.ambient)).astype(np.float32), body | tyre

        return shade

    def _box_end(self, light: float) -> Shader:
        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            s, t = a / self.width * 2 - 1, y / self.height
            where = (t > 0.1) & (np.abs(s) < 1 - 0.05 * np.clip((t - 0.85) / 0.15, 0, 1)) & (t < 1 - 0.02 * s**2)
            wheels = (np.abs(np.abs(s) - 0.72) < 0.17) & (t <= 0.22)
            truck_rear = self.kind == TRUCK and not self.oncoming
            base = self.cargo if truck_rear else self.paint
            color = base * np.broadcast_to((0.8 + 0.25 * t) * light, where.shape)[..., None]
            if truck_rear:
                color = np.where((np.abs(s) < 0.02)[..., None] & (t > 0.3)[..., None], color * 0.5, color)
            else:
                window = (t > 0.45) & (t < (0.88 if self.kind != TRUCK else 0.72)) & (np.abs(s) < 0.86)
                color = np.where(window[..., None], GLASS + np.array(self.weather.sky_low) * 0.2, color)
                board = (t > 0.9) & (t < 0.97) & (np.abs(s) < 0.6) & (self.kind != TRUCK)
                color = np.where(board[..., None], [0.5, 0.35, 0.05], color)
            lamp = (np.abs(np.abs(s) - 0.85) < 0.1) & (t > 0.2) & (t < 0.28)
            color = np.where(lamp[..., None], self._lamps(), color)
            color = np.where(((t < 0.16) | (wheels & (t < 0.2)))[..., None], 0.05, color)
            return (color * np.array(self.weather.ambient)).astype(np.float32), where | wheels

        return shade

    def _box_flank(self, light: float) -> Shader:
        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            place, t = a / self.length, y / self.height
            p = 1 - place if self.oncoming else place
            where = (t > 0.12) & (t < 0.99) & (p > -1)
            wheel = np.minimum(np.abs(a - 0.17 * self.length), np.abs(a - 0.8 * self.length))
            tyre = np.hypot(wheel, y - 0.45) < 0.45
            color = self.paint * np.broadcast_to((0.8 + 0.25 * t) * light, where.shape)[..., None]
            if self.kind == TRUCK:
                cab = p > 0.76
                color = np.where(cab[..., None] & (t > 0)[..., None], color, self.cargo * light)
                glass = (p > 0.82) & (p < 0.97) & (t > 0.48) & (t < 0.7)
                where &= ~(cab & (t > 0.8)) & ~((np.abs(p - 0.75) < 0.008) & (t > 0.25))
            else:
                panes = 1 - grid(a, 1.5, 0.09, pixel)
                glass = (t > 0.42) & (t < 0.8) & (panes > 0.5)
                stripe = (t > 0.3) & (t < 0.36)
                color = np.where(stripe[..., None], self.cargo * light, color)
                door = (grid(a, 5.0, 0.2, pixel) > 0.5) & (t > 0.14) & (t < 0.8) & (self.kind == BUS)
                color = np.where(door[..., None], color * 0.72, color)
            color = np.where(glass[..., None], GLASS + np.array(self.weather.sky_low) * 0.18, color)
            if self.kind == TRAIN:
                tyre &= False
            color = np.where(((t < 0.17) | tyre)[..., None], 0.05, color)
            return (color * np.array(self.weather.ambient)).astype(np.float32), where | tyre

        return shade
