"""Cars: a body and a cabin with raked windows that narrows towards the roof. The surfaces meet edge to edge."""

import numpy as np

from equipoise.scenes.streets.canvas import Canvas, Floats, Mask, Panel, Shader, Wall
from equipoise.scenes.streets.labels import CAR
from equipoise.scenes.streets.noise import line
from equipoise.scenes.streets.pose import Pose
from equipoise.scenes.streets.weather import Weather

GLASS = np.array([0.1, 0.13, 0.16], np.float32)
RUBBER = 0.055
UP = np.array([0.0, 1.0, 0.0])
BODIES = {
    "saloon": (4.6, 1.8, 1.44, 0.61, (0.13, 0.27, 0.55, 0.72)),
    "hatch": (3.9, 1.72, 1.5, 0.6, (0.02, 0.12, 0.57, 0.74)),
    "estate": (4.6, 1.8, 1.5, 0.6, (0.015, 0.07, 0.56, 0.73)),
    "van": (4.9, 1.92, 1.95, 0.55, (0.01, 0.03, 0.72, 0.87)),
    "suv": (4.5, 1.88, 1.68, 0.61, (0.02, 0.1, 0.58, 0.73)),
}
"""Length, width, height in m; the waist in parts of the height; and, from the rear in parts of the length, where the
boot ends, the roof begins and ends, and the bonnet begins."""
SHARES = (0.3, 0.25, 0.17, 0.11, 0.17)


class Car:
    """The shape and paint of one car."""

    def __init__(self, paint: Floats, weather: Weather, rng: np.random.Generator) -> None:
        length, width, height, waist, self.outline = BODIES[str(rng.choice(list(BODIES), p=SHARES))]
        self.length, self.width, self.height = (float(v * rng.uniform(0.95, 1.05)) for v in (length, width, height))
        self.waist = waist * self.height
        self.narrowing = float(rng.uniform(0.1, 0.15)) * self.width / 2
        self.paint, self.weather = paint.astype(np.float32), weather
        self.braking, self.trim = bool(rng.random() < 0.3), bool(rng.random() < 0.4)

    def paint_on(self, canvas: Canvas, pose: Pose, instance: int) -> None:
        """Paint every surface that faces the camera."""
        forward, right = pose.axes()
        places = 1 - np.array(self.outline)[::-1] if pose.oncoming else np.array(self.outline)
        shelf, roof, roof_end, _ = places * self.length
        across, rise = right * self.width, UP * (self.height - self.waist)
        left = np.array([pose.x, 0.0, pose.z]) - across / 2
        light = self.weather.facing(-float(forward[0]), -float(forward[2]))
        canvas.wall(standing(left, across, self.waist), self._end(light, pose.oncoming), CAR, instance)
        corner = left + UP * self.waist
        canvas.panel(Panel(corner, across, forward * self.length), self._plain(), CAR, instance)  # bonnet and boot
        rake = forward * (roof - shelf) + rise
        canvas.panel(Panel(corner + forward * shelf, across, rake), self._screen(light, rake), CAR, instance)
        inset = right * self.narrowing
        top = corner + rise + inset + forward * roof
        canvas.panel(Panel(top, across - 2 * inset, forward * (roof_end - roof)), self._plain(), CAR, instance)
        for foot, outward in ((left, -right), (left + across, right)):
            if float(foot @ outward) < 0:
                self._paint_side(canvas, foot, forward * self.length, outward, pose.oncoming, instance)

    def paint_across(self, canvas: Canvas, x: float, z: float, leftwards: bool, instance: int) -> None:
        """Paint only the side, for a car that crosses the view."""
        foot, along = np.array([x - self.length / 2, 0.0, z]), np.array([self.length, 0.0, 0.0])
        self._paint_side(canvas, foot, along, np.array([0.0, 0.0, -1.0]), leftwards, instance)

    def _paint_side(
        self, canvas: Canvas, foot: Floats, along: Floats, outward: Floats, turned: bool, instance: int
    ) -> None:
        """Paint doors, wheels and the slanted windows; ``turned``: the front is at the start of ``along``."""
        light = self.weather.facing(float(outward[0]), float(outward[2]))
        canvas.wall(standing(foot, along, self.waist), self._doors(light, turned), CAR, instance)
        lean = UP * (self.height - self.waist) - outward * self.narrowing
        canvas.panel(Panel(foot + UP * self.waist, along, lean), self._windows(light, turned, lean), CAR, instance)

    def _glass(self, t: Floats) -> Floats:
        """Shade glass, which reflects more sky the higher it is."""
        return GLASS + self.weather.sky_low * (0.08 + 0.25 * np.clip(t, 0, 1))[..., None]

    def _plain(self) -> Shader:
        """Shade the bonnet, boot and roof, which face the sky."""
        color = self.paint * 1.1 + self.weather.sky_low * 0.08

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
            return color, None

        return shade

    def _end(self, light: float, front: bool) -> Shader:
        """Shade bumper, lamps, plate and near wheels; the front end has a grille."""
        lamps = np.array([1.0, 0.98, 0.9]) * (0.85 + 0.6 * self.weather.lamps)
        if not front:
            lamps = np.array([0.5, 0.04, 0.04]) * (2.0 if self.braking else 1.0 + self.weather.lamps)

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            s, t = a / self.width * 2 - 1, y / self.waist
            body = (t > 0.2) & (np.abs(s) < 1 - 0.06 * np.clip(1 - t / 0.5, 0, 1) ** 2)
            tyre = (np.abs(np.abs(s) - 0.8) < 0.14) & (t <= 0.4)
            tone = (0.74 + 0.36 * t - 0.08 * s**4 - 0.12 * line(y - 0.52 * self.waist, 0.012, pixel)) * light
            color = self.paint * tone[..., None]
            if front:
                grille = (np.abs(s) < 0.46) & (t > 0.6) & (t < 0.8)
                color = np.where(grille[..., None], 0.07, color)
                lamp = np.hypot((np.abs(s) - 0.75) / 0.19, (t - 0.72) / 0.13) < 1
            else:
                lamp = (np.abs(np.abs(s) - 0.84) < 0.13) & (np.abs(t - 0.76) < 0.13)
            color = np.where(lamp[..., None], lamps, color)
            plate = (np.abs(s) < 0.27) & (np.abs(t - (0.45 if front else 0.6)) < 0.06)
            dark = (t < 0.33) | ((t < 0.5) & self.trim) | (tyre & ~body)
            color = np.where((dark & ~plate)[..., None], RUBBER + 0.03, color)
            color = np.where((tyre & (t < 0.3))[..., None], 0.6 * RUBBER, color)
            return np.where(plate[..., None], 0.8, color), body | tyre

        return shade

    def _screen(self, light: float, rake: Floats) -> Shader:
        """Shade the near window and its pillars."""
        narrowing, rise = 2 * self.narrowing / self.width, float(np.linalg.norm(rake))

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            s, t = a / self.width * 2 - 1, y / rise
            edge = 1 - t * narrowing
            glass = (np.abs(s) < edge - 0.08) & (t > 0.06) & (t < 0.92)
            color = np.where(glass[..., None], self._glass(t), self.paint * (light * (0.95 + 0.15 * t))[..., None])
            return color, np.abs(s) <= edge

        return shade

    def _doors(self, light: float, turned: bool) -> Shader:
        """Shade the side of the body, with wheels in their arches."""
        radius = 0.2 * self.height

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            p, t = 1 - a / self.length if turned else a / self.length, y / self.waist
            hub = np.hypot(np.minimum(np.abs(p - 0.18), np.abs(p - 0.81)) * self.length, y - radius)
            body = (t > 0.22) & (p >= 0)
            seams = line((p - 0.52) * self.length, 0.012, pixel) + line((p - 0.3) * self.length, 0.012, pixel)
            tone = 0.72 + 0.36 * t - 0.15 * line(y - 0.7 * self.waist, 0.015, pixel) - 0.2 * seams * (t > 0.35)
            color = self.paint * (tone * light)[..., None]
            tail, head = (p < 0.025) & (np.abs(t - 0.76) < 0.12), (p > 0.965) & (np.abs(t - 0.72) < 0.12)
            color = np.where(tail[..., None], [0.55, 0.05, 0.05], color)
            color = np.where(head[..., None], 0.85, color)
            color = np.where(((t < 0.34) | (hub < 1.15 * radius))[..., None], RUBBER, color)
            rim = (hub < 0.62 * radius) & (hub > 0.12 * radius)
            return np.where(rim[..., None], 0.5 * light, color), body | (hub < radius)

        return shade

    def _windows(self, light: float, turned: bool, lean: Floats) -> Shader:
        """Shade the side of the cabin: windows and pillars, as wide as the roof at the top and the waist below."""
        rear, roof_rear, roof_front, front = self.outline
        rise = float(np.linalg.norm(lean))

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            p, t = 1 - a / self.length if turned else a / self.length, y / rise
            first, last = rear + (roof_rear - rear) * t, front - (front - roof_front) * t
            glass = (p > first + 0.035) & (p < last - 0.03) & (t > 0.05) & (t < 0.86)
            glass &= (np.abs(p - 0.52) > 0.011) & (np.abs(p - 0.3) > 0.008)
            color = np.where(glass[..., None], self._glass(t), self.paint * (light * (0.95 + 0.12 * t))[..., None])
            return color, (p >= first) & (p <= last)

        return shade


def standing(foot: Floats, along: Floats, height: float) -> Wall:
    """Return an upright wall above an edge on the ground."""
    end = foot + along
    return Wall(float(foot[0]), float(foot[2]), float(end[0]), float(end[2]), 0.0, height)
