"""Add traffic to a street: driving, parked and crossing vehicles; people on foot and on cycles."""

from functools import partial

import numpy as np

from equipoise.scenes.streets.ground import Road
from equipoise.scenes.streets.labels import BICYCLE, BUS, CAR, MOTORCYCLE, PERSON, RIDER, TRAIN, TRUCK
from equipoise.scenes.streets.people import paint_cycle, paint_person
from equipoise.scenes.streets.pose import Pose
from equipoise.scenes.streets.vehicles import SIZES, paint_crossing_vehicle, paint_vehicle
from equipoise.scenes.streets.world import World

PARKING_M = 2.2
"""Width of the parking strip at the kerb, m."""


def drive(world: World) -> None:
    """Add vehicles in each lane, parked ones, one that crosses at a junction, and cyclists at the edge."""
    rng, road = world.rng, world.road
    inner = road.half - (PARKING_M if road.parked else 0.0)
    for lane in range(road.lanes):
        u = -inner + 2 * inner * (lane + 0.5) / road.lanes
        _fill_lane(world, u, oncoming=lane < road.lanes // 2)
    for side in (-1, 1) if road.parked else ():
        _park(world, side)
    if road.junction is not None and rng.random() < 0.45:
        _cross(world, road.junction[0])
    for _ in range(int(rng.poisson(0.8))):
        side = -1 if rng.random() < 0.4 else 1
        z = float(rng.gamma(3, 7) + 4)
        _cycle(world, side * (inner - 0.7), z, ridden=True, across=False, motor=bool(rng.random() < 0.35))


def walk(world: World, side: int) -> None:
    """Add people on the pavement, alone, in groups or crossing; and bicycles and motorcycles parked at walls."""
    rng, road = world.rng, world.road
    width = max(road.pavement_width(side), 1.0)
    for _ in range(int(rng.poisson(2.6))):
        z, u = float(rng.gamma(2.2, 9) + 3.5), side * (road.half + float(rng.uniform(0.35, width)))
        for member in range(int(rng.choice([1, 1, 2, 3]))):
            _person(world, u + 0.6 * member * float(rng.choice([-1, 1])), z + float(rng.uniform(-0.5, 0.5)))
    for crossing in road.crossing:
        for _ in range(int(rng.poisson(0.9))):
            _person(world, float(rng.uniform(-road.half, road.half)), crossing + float(rng.uniform(-1.2, 1.2)))
    if rng.random() < 0.12:
        _person(world, float(rng.uniform(-road.half, road.half)), float(rng.uniform(12, 45)))
    for _ in range(int(rng.poisson(0.75))):
        z, u = float(rng.uniform(4, 32)), side * (road.half + width - 0.3)
        for member in range(int(rng.choice([1, 1, 2, 4]))):
            motor = bool(rng.random() < 0.3)
            _cycle(world, u - side * 0.25 * member, z + 0.6 * member, ridden=False, across=True, motor=motor)
    if rng.random() < 0.12:
        u, z = side * float(rng.uniform(0, road.half)), float(rng.uniform(9, 30))
        _cycle(world, u, z, ridden=True, across=True, motor=bool(rng.random() < 0.3))


def _fill_lane(world: World, u: float, *, oncoming: bool) -> None:
    rng = world.rng
    own = abs(u + world.road.middle) < 1.2
    z = float(rng.uniform(9, 28) if own else rng.uniform(3, 26))
    while z < 110:
        kind = int(rng.choice([CAR, TRUCK, BUS, TRAIN], p=[0.8, 0.085, 0.075, 0.04]))
        if rng.random() < 0.62:
            z += _vehicle(world, kind, u + float(rng.normal(0, 0.12)), z, oncoming=oncoming)
        z += float(rng.gamma(2.0, 9.0)) + 5


def _park(world: World, side: int) -> None:
    rng, road = world.rng, world.road
    z = float(rng.uniform(2.5, 9))
    while z < 90:
        if _clear(road, z) and rng.random() < 0.72:
            kind = TRUCK if rng.random() < 0.04 else CAR
            z += _vehicle(world, kind, side * (road.half - 1.05), z, oncoming=side < 0 and rng.random() < 0.8)
        else:
            z += 5.0
        z += float(rng.uniform(0.7, 1.8))


def _clear(road: Road, z: float) -> bool:
    """Whether parking is possible here."""
    near_junction = road.junction is not None and abs(z + 2.5 - road.junction[0]) < road.junction[1] + 7
    return not near_junction and all(abs(z + 2.2 - crossing) > 5.5 for crossing in road.crossing)


def _vehicle(world: World, kind: int, u: float, z: float, *, oncoming: bool) -> float:
    """Add a vehicle and return its length, m."""
    (length, width, height), road = SIZES[kind], world.road
    heading = float(np.arctan(road.heading + 2 * road.bend * (z + length / 2)))
    world.shadow(u, z + length / 2, width / 2, length / 2, height)
    pose = Pose(x=road.x(u, z), z=z, heading=heading, oncoming=oncoming)
    world.add(z, paint_vehicle, kind, pose, world.instance(kind))
    return length


def _cross(world: World, z: float) -> None:
    rng = world.rng
    kind = int(rng.choice([CAR, BUS, TRUCK, TRAIN], p=[0.6, 0.15, 0.13, 0.12]))
    z, u = z + float(rng.uniform(-2, 2)), float(rng.uniform(-9, 9))
    length, width, height = SIZES[kind]
    world.shadow(u, z + width / 2, length / 2, width / 2, height)
    world.add(z, paint_crossing_vehicle, kind, world.road.x(u, z), z, world.instance(kind))


def _cycle(world: World, u: float, z: float, *, ridden: bool, across: bool, motor: bool) -> None:
    instance = world.instance(MOTORCYCLE if motor else BICYCLE)
    rider = world.instance(RIDER) if ridden else 0
    world.shadow(u, z, 0.8 if across else 0.35, 0.2 if across else 0.6, 1.2)
    paint = partial(paint_cycle, motor=motor, across=across, instance=instance, rider=rider)
    world.add(z, paint, world.road.x(u, z), z)


def _person(world: World, u: float, z: float) -> None:
    if z < 2.5:
        return
    height = float(np.clip(world.rng.normal(1.7, 0.12), 1.0, 1.98))
    world.shadow(u, z, 0.22, 0.2, height)
    world.add(z, paint_person, world.road.x(u, z), z, height, world.instance(PERSON))
