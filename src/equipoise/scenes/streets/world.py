"""A random plan of a street, and the list of things on it."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from equipoise.scenes.streets.canvas import Canvas
from equipoise.scenes.streets.ground import Road, Shadow
from equipoise.scenes.streets.labels import INSTANCE_FACTOR
from equipoise.scenes.streets.weather import Weather

FARTHEST_M = 150.0
Thing = Callable[[Canvas], object]


@dataclass
class World:
    """A street and the things on it, each with its depth (painting near things first is fastest)."""

    road: Road
    weather: Weather
    rng: np.random.Generator
    things: list[tuple[float, Thing]] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, depth: float, paint: Callable[..., object], *arguments: object) -> None:
        """Add a thing, painted by ``paint(canvas, *arguments, weather=…, rng=…)``."""

        def thing(canvas: Canvas) -> object:
            return paint(canvas, *arguments, weather=self.weather, rng=self.rng)

        self.things.append((depth, thing))

    def instance(self, label: int) -> int:
        """Return the next instance id of a class: class · 1000 + index."""
        index = self.counts.get(label, 0)
        self.counts[label] = index + 1
        return label * INSTANCE_FACTOR + index

    def shadow(self, u: float, z: float, half_u: float, half_z: float, height: float) -> None:
        """Add the dark area below a thing and, in sunshine, its cast shadow."""
        w = self.weather
        self.shadows.append(Shadow(u=u, z=z, half_u=half_u, half_z=half_z, strength=0.5, soft=0.35))
        reach = height * w.shadow_m / 2
        if w.contrast > 0.3:
            strength = 0.75 * w.contrast
            self.shadows.append(
                Shadow(
                    u=u + reach * w.sun_x,
                    z=z + reach * w.sun_z,
                    half_u=half_u + abs(reach * w.sun_x) * 0.8,
                    half_z=half_z + abs(reach * w.sun_z) * 0.8,
                    strength=strength,
                    soft=0.5,
                )
            )


def random_road(rng: np.random.Generator) -> Road:
    """Draw a street of 2 … 4 lanes, straight or curved."""
    lanes = int(rng.choice([2, 2, 2, 3, 4]))
    parked = bool(rng.random() < 0.5)
    half = lanes * float(rng.uniform(2.9, 3.5)) / 2 + (2.2 if parked else 0.3)
    lane = 2 * (half - (2.2 if parked else 0.0)) / lanes
    driven = lane / 2 if lanes % 2 == 0 else lane * (1.0 if lanes == 3 else 0.5)
    bend = float(rng.normal(0, 0.0009)) if rng.random() < 0.6 else 0.0
    junction = (float(rng.uniform(18, 55)), float(rng.uniform(3.5, 5.5))) if rng.random() < 0.3 else None
    crossing = [junction[0] - junction[1] - 3.5] if junction is not None and rng.random() < 0.7 else []
    if rng.random() < 0.2:
        crossing.append(float(rng.uniform(9, 30)))
    pavement = tuple(float(rng.uniform(1.8, 4.2)) if rng.random() < 0.92 else 0.0 for _ in range(2))
    grass = np.array([0.32, 0.42, 0.17]) * rng.uniform(0.75, 1.25) * rng.uniform(0.9, 1.1, 3)
    return Road(
        middle=-driven + float(rng.normal(0, 0.25)),
        heading=float(rng.normal(0, 0.035)),
        bend=bend,
        half=half,
        lanes=lanes,
        pavement=(pavement[0], pavement[1]),
        crossing=tuple(crossing),
        junction=junction,
        parked=parked,
        asphalt=float(rng.uniform(0.27, 0.42)),
        paving=float(rng.uniform(0.48, 0.68)),
        grass=(float(grass[0]), float(grass[1]), float(grass[2])),
    )
