"""Fill both sides of a street: houses, gardens, parks, trees, lamps, signs, traffic lights; and its far end."""

import numpy as np

from equipoise.scenes.streets.buildings import paint_building, paint_fence, paint_hedge, paint_wall
from equipoise.scenes.streets.canvas import NEAREST_M, Wall
from equipoise.scenes.streets.furniture import paint_lamp, paint_pole, paint_sign, paint_traffic_light, paint_tree
from equipoise.scenes.streets.ground import Shadow
from equipoise.scenes.streets.world import FARTHEST_M, World

BOUNDARIES = (paint_fence, paint_hedge, paint_wall)


def line_with_houses(world: World, side: int) -> None:
    """Add rows of buildings, houses with gardens, or parks, from the camera into the distance, in random order."""
    rng, road = world.rng, world.road
    kinds = ("row", "houses", "park")
    kind = str(rng.choice(kinds, p=[0.55, 0.27, 0.18]))
    edge = road.half + road.pavement_width(side)
    z, tall = 1.2, float(rng.uniform(7, 19))
    while z < FARTHEST_M:
        length = float(rng.uniform(9, 24))
        if road.junction is not None:
            first, last = road.junction[0] - road.junction[1], road.junction[0] + road.junction[1]
            if z < last and z + length > first:
                if first - z < 5:
                    z = last
                    continue
                length = first - z
        if rng.random() < 0.12:
            kind = str(rng.choice(kinds))
        if kind == "row":
            _building(world, side, edge, z, length, tall * float(rng.uniform(0.8, 1.25)))
            length += 0.0 if rng.random() < 0.8 else float(rng.uniform(2, 6))
        elif kind == "houses":
            _boundary(world, side * (edge + 0.05), z, length, float(rng.uniform(0.8, 1.7)))
            setback = float(rng.uniform(3, 8))
            _building(world, side, edge + setback, z + length * 0.15, length * 0.65, float(rng.uniform(5.5, 9.5)))
            if rng.random() < 0.6:
                u = side * (edge + float(rng.uniform(1.5, 4)))
                plant(world, u, z + length * float(rng.random()), float(rng.uniform(4, 9)))
        else:
            if rng.random() < 0.5:
                _boundary(world, side * (edge + 0.05), z, length, float(rng.uniform(0.7, 2.0)))
            for _ in range(int(rng.integers(2, 5))):
                u = side * (edge + float(rng.uniform(1.5, 16)))
                plant(world, u, z + length * float(rng.random()), float(rng.uniform(5, 13)))
        z += length


def furnish(world: World, side: int) -> None:
    """Add lamps in a row, trees along the kerb, signs, poles, and traffic lights at crossings."""
    rng, road = world.rng, world.road
    u = side * (road.half + 0.45)
    if rng.random() < 0.6:
        for z in _row(float(rng.uniform(5, 18)), float(rng.uniform(18, 32))):
            world.add(z, paint_lamp, road.x(u, z), z, side)
    if road.pavement_width(side) > 2 and rng.random() < 0.4:
        size = float(rng.uniform(4, 9))
        for z in _row(float(rng.uniform(6, 14)), float(rng.uniform(7, 14))):
            plant(world, side * (road.half + 0.8), z, size * float(rng.uniform(0.85, 1.15)))
    for _ in range(int(rng.poisson(1.5))):
        z = float(rng.uniform(6, 60))
        world.add(z, paint_sign, road.x(u + side * float(rng.uniform(0, 0.5)), z), z)
    for _ in range(int(rng.poisson(0.8))):
        z, height = float(rng.uniform(5, 50)), float(rng.choice([0.95, 3.5, 7.5]))
        world.add(z, paint_pole, road.x(u, z), z, height, 0.13 if height < 2 else 0.18)
    for crossing in road.crossing:
        if crossing > 5 and (road.junction is not None or rng.random() < 0.5):
            z = crossing - 2.2
            world.add(z, paint_traffic_light, road.x(u, z), z)


def close_view(world: World) -> None:
    """Add a distant row of trees and houses across the street."""
    rng, road = world.rng, world.road
    for index in range(10):
        z = FARTHEST_M + float(rng.uniform(0, 60))
        x = (index - 5) * 22 + float(rng.uniform(-6, 6)) + road.x(0.0, z)
        height = float(rng.uniform(8, 20))
        if rng.random() < 0.5:
            world.add(z, paint_building, Wall(x - 14, z, x + 14, z, 0.0, height))
        else:
            world.add(z, paint_tree, x, z, height)


def shade_street(world: World) -> None:
    """Add the shadow that a row of houses casts on the street."""
    weather, road = world.weather, world.road
    if weather.contrast < 0.3 or abs(weather.sun_x) < 0.2 or world.rng.random() < 0.35:
        return
    reach = float(world.rng.uniform(0.2, 1.1)) * road.half
    side = -1 if weather.sun_x > 0 else 1
    edge = side * (road.half + 8)
    middle, half = (edge - side * reach) / 2, abs(edge + side * reach) / 2
    world.shadows.append(Shadow(u=middle, z=60.0, half_u=half, half_z=90.0, strength=0.62 * weather.contrast, soft=0.6))


def plant(world: World, u: float, z: float, height: float) -> None:
    """Add a tree, unless it is too near."""
    if 5 < z < FARTHEST_M:
        world.shadow(u, z, 0.4, 0.4, height * 0.5)
        world.add(z, paint_tree, world.road.x(u, z), z, height)


def _building(world: World, side: int, edge: float, z: float, length: float, height: float) -> None:
    world.add(z, paint_building, _along(world, side * edge, z, length, height))


def _boundary(world: World, u: float, z: float, length: float, height: float) -> None:
    world.add(z, BOUNDARIES[int(world.rng.integers(len(BOUNDARIES)))], _along(world, u, z, length, height))


def _along(world: World, u: float, z: float, length: float, height: float) -> Wall:
    """Return a wall beside the street."""
    near, far = max(z, NEAREST_M), z + length
    return Wall(world.road.x(u, near), near, world.road.x(u, far), far, 0.0, height)


def _row(start: float, spacing: float) -> list[float]:
    return [float(z) for z in np.arange(start, 110.0, spacing)]
