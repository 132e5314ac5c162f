"""Paint vehicles of every kind; trucks, buses and trams are boxes whose visible sides are painted."""

import numpy as np

from equipoise.scenes.streets.canvas import Canvas, Floats, Mask, Shader, Wall
from equipoise.scenes.streets.cars import GLASS, RUBBER, Car, standing
from equipoise.scenes.streets.labels import BUS, CAR, TRAIN, TRUCK
from equipoise.scenes.streets.noise import grid, line
from equipoise.scenes.streets.pose import Pose
from equipoise.scenes.streets.weather import Weather

PAINTS = [
    (0.84, 0.84, 0.85), (0.9, 0.9, 0.88), (0.06, 0.06, 0.07), (0.1, 0.1, 0.11), (0.4, 0.41, 0.44), (0.62, 0.63, 0.66),
    (0.22, 0.23, 0.25), (0.55, 0.05, 0.06), (0.07, 0.13, 0.38), (0.13, 0.28, 0.18), (0.2, 0.34, 0.5), (0.3, 0.12, 0.1),
    (0.78, 0.62, 0.12), (0.5, 0.46, 0.38),
]  # fmt: skip
LIVERIES = [
    (0.72, 0.08, 0.08), (0.85, 0.68, 0.1), (0.1, 0.2, 0.5), (0.84, 0.84, 0.82), (0.1, 0.4, 0.3), (0.5, 0.52, 0.55),
    (0.85, 0.45, 0.1),
]  # fmt: skip
SIZES = {CAR: (4.5, 1.8, 1.5), TRUCK: (7.5, 2.4, 3.2), BUS: (11.5, 2.55, 3.1), TRAIN: (24.0, 2.6, 3.5)}
"""Length, width, height, m."""
CAB = 0.24
"""Length of a truck's cab, as a fraction of the truck's; the cab is lower than the load behind it."""
CAB_TOP = 0.8


def paint_vehicle(
    canvas: Canvas, kind: int, pose: Pose, instance: int, weather: Weather, rng: np.random.Generator
) -> None:
    """Paint a random vehicle's sides that face the camera."""
    vehicle(kind, weather, rng).paint_on(canvas, pose, instance)


def paint_crossing_vehicle(
    canvas: Canvas, kind: int, x: float, z: float, instance: int, weather: Weather, rng: np.random.Generator
) -> None:
    """Paint a random vehicle that crosses the street, seen from its side."""
    vehicle(kind, weather, rng).paint_across(canvas, x, z, bool(rng.random() < 0.5), instance)


def vehicle(kind: int, weather: Weather, rng: np.random.Generator) -> "Car | Box":
    """Draw a random vehicle of this kind."""
    paints = PAINTS if kind in (CAR, TRUCK) else LIVERIES
    paint = np.array(paints[rng.integers(len(paints))]) * rng.uniform(0.85, 1.1)
    return Car(paint, weather, rng) if kind == CAR else Box(kind, paint, weather, rng)


class Box:
    """The shape and paint of a truck, bus or tram."""

    def __init__(self, kind: int, paint: Floats, weather: Weather, rng: np.random.Generator) -> None:
        self.kind, self.paint, self.weather = kind, paint.astype(np.float32), weather
        self.length, self.width, self.height = (float(v * rng.uniform(0.93, 1.07)) for v in SIZES[kind])
        tint = rng.uniform(0.3, 0.9, 3)
        self.cargo = 0.4 * tint + 0.6 * tint.mean() if rng.random() < 0.5 else np.array([0.85, 0.85, 0.83])
        self.braking = bool(rng.random() < 0.3)
        self.glass = GLASS + weather.sky_low * 0.2

    def paint_on(self, canvas: Canvas, pose: Pose, instance: int) -> None:
        """Paint every surface that faces the camera."""
        forward, right = pose.axes()
        across = right * self.width
        left = np.array([pose.x, 0.0, pose.z]) - across / 2
        light = self.weather.facing(-float(forward[0]), -float(forward[2]))
        cab = self.kind == TRUCK and pose.oncoming
        end = standing(left, across, self.height * (CAB_TOP if cab else 1.0))
        canvas.wall(end, self._end(light, pose.oncoming), self.kind, instance)
        if cab:
            load = standing(left + forward * self.length * CAB, across, self.height)
            canvas.wall(load, self._load(light), self.kind, instance)
        for foot, outward in ((left, -right), (left + across, right)):
            if float(foot @ outward) < 0:
                side = standing(foot, forward * self.length, self.height)
                light = self.weather.facing(float(outward[0]), float(outward[2]))
                canvas.wall(side, self._side(light, pose.oncoming), self.kind, instance)

    def paint_across(self, canvas: Canvas, x: float, z: float, leftwards: bool, instance: int) -> None:
        """Paint only the side, for a vehicle that crosses the view."""
        wall = Wall(x - self.length / 2, z, x + self.length / 2, z, 0.0, self.height)
        canvas.wall(wall, self._side(self.weather.facing(0.0, -1.0), leftwards), self.kind, instance)

    def _load(self, light: float) -> Shader:
        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
            return self.cargo * light, None

        return shade

    def _end(self, light: float, front: bool) -> Shader:
        """Shade the doors of the load, or a large window with lamps below."""
        lamps = np.array([1.0, 0.98, 0.9]) * (0.85 + 0.6 * self.weather.lamps)
        if not front:
            lamps = np.array([0.55, 0.04, 0.04]) * (1.9 if self.braking else 1.0 + self.weather.lamps)

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            s, t = a / self.width * 2 - 1, y / self.height
            where = (t > 0.1) & (np.abs(s) <= 1)
            tyre = (np.abs(np.abs(s) - 0.74) < 0.17) & (t <= 0.22)
            doors = self.kind == TRUCK and not front
            tone = np.broadcast_to((0.8 + 0.25 * t - 0.06 * s**4) * light, where.shape)[..., None]
            color = (self.cargo if doors else self.paint) * tone
            if doors:
                seams = line(a - self.width / 2, 0.02, pixel) + line(np.abs(s) - 0.93, 0.03, pixel) * (t > 0.25)
                color = color * (1 - 0.35 * np.clip(seams, 0, 1))[..., None]
            else:
                top = CAB_TOP - 0.08 if self.kind == TRUCK else 0.88
                color = np.where(((t > 0.46) & (t < top) & (np.abs(s) < 0.9))[..., None], self.glass, color)
                board = (t > 0.905) & (t < 0.97) & (np.abs(s) < 0.6) & (self.kind != TRUCK)
                color = np.where(board[..., None], [0.5, 0.35, 0.05], color)
            lamp = (np.abs(np.abs(s) - 0.84) < 0.1) & (t > 0.2) & (t < 0.28)
            color = np.where(lamp[..., None], lamps, color)
            return np.where(((t < 0.17) | tyre)[..., None] & ~lamp[..., None], RUBBER, color), where | tyre

        return shade

    def _side(self, light: float, turned: bool) -> Shader:
        """Shade cab and load, or windows and doors; ``turned``: the front is at the start of the wall."""

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            p, t = 1 - a / self.length if turned else a / self.length, y / self.height
            hub = np.hypot(np.minimum(np.abs(p - 0.2), np.abs(p - 0.86)) * self.length, y - 0.46)
            color = self.paint * np.broadcast_to((0.8 + 0.25 * t) * light, hub.shape)[..., None]
            if self.kind == TRUCK:
                cab = p > 1 - CAB
                where = (t > 0.14) & ~(cab & (t > CAB_TOP)) & ~((np.abs(p - 1 + CAB) < 0.008) & (t > 0.25))
                ribs = 1 - 0.12 * grid(a, 0.9, 0.08, pixel)
                color = np.where(cab[..., None], color, self.cargo * light * ribs[..., None])
                glass = (p > 1 - CAB + 0.07) & (p < 0.97) & (t > 0.47) & (t < CAB_TOP - 0.08)
            else:
                where = (t > 0.1) & (p > -1)
                glass = (t > 0.42) & (t < 0.82) & (grid(a, 1.5, 0.09, pixel) < 0.5)
                color = np.where(((t > 0.3) & (t < 0.36))[..., None], self.cargo * light, color)
                door = (np.abs(p * self.length % 4.6 - 2.3) < 0.6) & (t > 0.13) & (t < 0.82)
                color = np.where((door & (p > 0.1))[..., None], color * 0.6, color)
            color = np.where(glass[..., None], self.glass, color)
            tyre = (hub < 0.46) & (self.kind != TRAIN)
            color = np.where(((t < 0.17) | (hub < 0.5) & (self.kind != TRAIN))[..., None], RUBBER, color)
            return np.where((tyre & (hub < 0.22))[..., None], 0.35 * light, color), where | tyre

        return shade
