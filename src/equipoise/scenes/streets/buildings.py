"""Paint facades with windows, shops and roofs; garden walls, fences and hedges."""

from dataclasses import replace

import numpy as np

from equipoise.scenes.streets.canvas import Canvas, Floats, Mask, Panel, Shader, Wall
from equipoise.scenes.streets.labels import BUILDING, FENCE, VEGETATION
from equipoise.scenes.streets.labels import WALL as WALL_LABEL
from equipoise.scenes.streets.noise import clouds, fine, grid, line, look_up
from equipoise.scenes.streets.weather import Weather

PLASTER = [
    (0.78, 0.72, 0.6), (0.7, 0.52, 0.42), (0.85, 0.82, 0.76), (0.6, 0.6, 0.6), (0.75, 0.6, 0.38), (0.56, 0.38, 0.32),
    (0.66, 0.7, 0.68), (0.8, 0.66, 0.6), (0.5, 0.47, 0.44), (0.42, 0.3, 0.26), (0.88, 0.84, 0.68), (0.62, 0.66, 0.74),
]  # fmt: skip
ROOFS = [(0.42, 0.22, 0.17), (0.26, 0.25, 0.27), (0.34, 0.24, 0.2), (0.3, 0.31, 0.34)]


def paint_building(canvas: Canvas, wall: Wall, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a facade, the end wall at its nearer end, and the visible part of a pitched roof."""
    style = _Style(rng, wall.high)
    along = np.array([wall.x1 - wall.x0, 0.0, wall.z1 - wall.z0])
    back = np.array([along[2], 0.0, -along[0]]) / wall.length
    if back[0] * (wall.x0 + wall.x1) + back[2] * (wall.z0 + wall.z1) < 0:
        back = -back
    depth = float(rng.uniform(8, 13))
    light = weather.facing(float(-back[0]), float(-back[2]))
    canvas.wall(replace(wall, high=style.eave), style.facade(light, weather), BUILDING)
    if style.pitch > 0:
        up = back * depth / 2 + [0.0, style.pitch, 0.0]
        roof = Panel(np.array([wall.x0, style.eave, wall.z0]), along, up)
        canvas.panel(roof, style.tiles(0.5 + 0.5 * light), BUILDING)
    light = weather.facing(float(-along[0]) / wall.length, float(-along[2]) / wall.length)
    end = Wall(wall.x0, wall.z0, wall.x0 + depth * back[0], wall.z0 + depth * back[2], 0.0, wall.high)
    canvas.wall(end, style.end_wall(light, depth, weather), BUILDING)


class _Style:
    """The look of one building, drawn once for all its walls."""

    def __init__(self, rng: np.random.Generator, height: float) -> None:
        self.base = np.array(PLASTER[rng.integers(len(PLASTER))], np.float32) * np.float32(rng.uniform(0.8, 1.1))
        self.roof = np.array(ROOFS[rng.integers(len(ROOFS))], np.float32)
        self.floor = float(rng.uniform(2.8, 3.6))
        self.ground = self.floor * 1.15
        self.bay = float(rng.uniform(1.9, 3.4))
        self.window = (float(rng.uniform(0.4, 0.62)), float(rng.uniform(0.45, 0.65)))
        self.pitch = float(rng.uniform(1.5, 3.2)) if rng.random() < 0.55 else 0.0
        self.eave = height - self.pitch
        self.shop = rng.random() < 0.45
        self.shop_color = rng.uniform(0.15, 0.8, 3)
        self.brick = rng.random() < 0.35
        self.key = rng.integers(0, 256, 2)
        self.glass = np.array([0.2, 0.25, 0.31], np.float32) * np.float32(rng.uniform(0.6, 1.3))
        self.frame = self.base * 0.3 + 0.62

    def facade(self, light: float, weather: Weather) -> Shader:
        """Shade windows on a grid, a shop or doors below, cornices between, the roof above."""

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
            color = self._plain(a, y, pixel) * light
            upper = (y > self.ground) & (y < self.eave - 0.35)
            self._windows(color, a, y, pixel, upper, weather)
            self._street_level(color, a, y, pixel, light, weather)
            cornice = line(y - self.ground, 0.12, pixel) + line(y - self.eave + 0.1, 0.16, pixel)
            color += (self.frame * light - color) * np.clip(cornice, 0, 1)[..., None] * 0.8
            return color, None

        return shade

    def tiles(self, light: float) -> Shader:
        """Shade the half of a pitched roof that slopes towards the street."""

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
            rows = 1 - 0.25 * grid(y, 0.45, 0.3, pixel) + 0.08 * look_up(clouds(), y * 5 + self.key[0], a * 3)
            return self.roof * (light * rows)[..., None], None

        return shade

    def end_wall(self, light: float, depth: float, weather: Weather) -> Shader:
        """Shade a plain wall with few windows, and its gable below a pitched roof."""

        def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
            color = self._plain(a, y, pixel) * light
            lone = (y > self.ground) & (y < self.eave - 0.5) & (np.floor(a / self.bay) % 3 == 1)
            self._windows(color, a, y, pixel, lone, weather)
            gable = y <= self.eave + self.pitch * (1 - np.abs(2 * a / depth - 1))
            return color, gable

        return shade

    def _plain(self, a: Floats, y: Floats, pixel: Floats) -> Floats:
        dirt = 0.05 * look_up(clouds(), y * 5 + self.key[0], a * 3 + self.key[1])
        grain = 0.05 * look_up(fine(), y * 16, a * 16) * np.clip(1.2 - pixel * 10, 0, 1)
        tone = 1 + dirt + grain - 0.12 * np.exp(-y / 0.5)
        if self.brick:
            tone = tone * (1 - 0.16 * np.maximum(grid(y, 0.3, 0.25, pixel), 0))
        return self.base * tone[..., None]

    def _windows(self, color: Floats, a: Floats, y: Floats, pixel: Floats, where: Mask, weather: Weather) -> None:
        """Shade glass in frames; each window has its own blind or light."""
        up = y - self.ground
        across = grid(a, self.bay, self.window[0], pixel)
        level = grid(up, self.floor, self.window[1], pixel)
        frame = grid(a, self.bay, self.window[0] + 0.12, pixel) * grid(up, self.floor, self.window[1] + 0.1, pixel)
        chance = look_up(fine(), np.floor(up / self.floor) * 7 + self.key[0], np.floor(a / self.bay) * 13 + self.key[1])
        lit = (chance > 0.62) * weather.lamps
        blind = np.where(chance < -0.5, 0.42, 0.0)
        pane = self.glass + blind[..., None] * 0.8 + lit[..., None] * np.array([0.75, 0.55, 0.25])
        sky = weather.sky_low * (0.22 * np.clip(0.5 + chance, 0, 1))[..., None]
        crossbar = np.clip(1 - line((a / self.bay % 1.0 - 0.5) * self.bay, 0.035, pixel), 0, 1)
        glass = (across * level * crossbar * where)[..., None]
        color += (self.frame - color) * (frame * where)[..., None] * 0.45
        color += (pane + sky - color) * glass

    def _street_level(self, color: Floats, a: Floats, y: Floats, pixel: Floats, light: float, weather: Weather) -> None:
        below = y < self.ground - 0.1
        if self.shop:
            front = grid(a, self.bay * 1.6, 0.84, pixel) * ((y > 0.4) & (y < self.ground - 0.9))
            inside = self.glass * 0.9 + (0.25 + 0.6 * weather.lamps) * np.array([0.5, 0.42, 0.3])
            color += (inside - color) * front[..., None]
            awning = ((y > self.ground - 0.85) & below).astype(np.float32)
            stripes = 0.75 + 0.25 * grid(a, 1.0, 0.5, pixel)
            color += (self.shop_color * light * stripes[..., None] - color) * awning[..., None]
        else:
            door = grid(a, self.bay * 3, 0.14, pixel) * (y < 2.2)
            window = grid(a + self.bay, self.bay, self.window[0], pixel) * ((y > 1.1) & (y < self.ground - 0.7))
            color += (self.glass - color) * (window * (1 - door))[..., None]
            color += (self.shop_color * 0.45 * light - color) * door[..., None]


def paint_wall(canvas: Canvas, wall: Wall, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a free-standing wall of stone or concrete."""
    base = np.array([0.55, 0.53, 0.5]) * rng.uniform(0.7, 1.25)
    light = weather.facing(-float(np.sign(wall.x0)), 0.0)
    course = float(rng.uniform(0.25, 0.6))

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, None]:
        joints = np.maximum(grid(y, course, 0.12, pixel), grid(a + np.floor(y / course) * 0.4, 0.9, 0.05, pixel))
        tone = 1 + 0.1 * look_up(clouds(), y * 11, a * 8) - 0.22 * joints
        cap = np.where(y > wall.high - wall.low - 0.12, 1.2, 1.0)
        return base * (tone * cap * light)[..., None], None

    canvas.wall(wall, shade, WALL_LABEL)


def paint_fence(canvas: Canvas, wall: Wall, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a fence of boards, or of iron bars with gaps between."""
    boards = rng.random() < 0.55
    base = np.array([0.5, 0.36, 0.24] if boards else [0.16, 0.18, 0.18]) * rng.uniform(0.8, 1.4)
    light = weather.facing(-float(np.sign(wall.x0)), 0.0)

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask | None]:
        bars = (a / 0.16 % 1.0 < 0.45) | (a % 2.5 < 0.12) | (np.abs(y - 0.2) < 0.06)
        bars = bars | (np.abs(y - (wall.high - 0.2)) < 0.06)
        tone = 1 + 0.14 * look_up(fine(), y * 3, a * 7) - (0.3 * grid(a, 0.16, 0.16, pixel) if boards else 0)
        color = base * (tone * light + 0 * y)[..., None]
        return color, None if boards else bars

    canvas.wall(wall, shade, FENCE)


def paint_hedge(canvas: Canvas, wall: Wall, weather: Weather, rng: np.random.Generator) -> None:
    """Paint a clipped hedge with a ragged top."""
    base = np.array([0.2, 0.34, 0.13]) * rng.uniform(0.8, 1.3)
    light = weather.facing(-float(np.sign(wall.x0)), 0.0)
    shift = float(rng.uniform(0, 200))

    def shade(a: Floats, y: Floats, pixel: Floats) -> tuple[Floats, Mask]:
        leaf = look_up(fine(), y * 9 + shift, a * 9) * np.clip(1.2 - pixel * 5, 0.2, 1)
        lump = look_up(clouds(), y * 14, a * 9 + shift)
        color = base * ((1 + 0.35 * leaf + 0.2 * lump) * light * (0.65 + 0.35 * y / wall.high))[..., None]
        ragged = y < wall.high * (0.9 + 0.07 * look_up(clouds(), a * 0 + shift, a * 14))
        return color, ragged

    canvas.wall(wall, shade, VEGETATION)
