"""Render one street: from (seed, split, index) to the image and all its labels."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from equipoise.scenes.streets.camera import StreetCamera, random_camera
from equipoise.scenes.streets.canvas import Canvas
from equipoise.scenes.streets.ground import paint_ground, paint_sky
from equipoise.scenes.streets.labels import INSTANCE_FACTOR
from equipoise.scenes.streets.roadside import close_view, furnish, line_with_houses, shade_street
from equipoise.scenes.streets.stereo import stored_disparity
from equipoise.scenes.streets.traffic import drive, walk
from equipoise.scenes.streets.weather import develop, random_weather
from equipoise.scenes.streets.world import World, random_road


@dataclass(frozen=True, kw_only=True, eq=False)
class Street:
    """All arrays that are written for one scene.

    Attributes:
        image: ``uint8 (H, W, 3)``.
        label: ``uint8 (H, W)``, Cityscapes' label ids.
        instance: ``uint16 (H, W)``, class · 1000 + index for countable classes, the label id elsewhere.
        disparity: ``uint16 (H, W)``, as stored: round(256·d) + 1, 0 = no label.
        depth_m: ``float32 (H, W)``, exact, infinite in the sky; not written.
        normal: ``float32 (H, W, 3)``, exact unit vectors in camera axes, NaN in the sky; written where asked for.
        camera: of this image.
    """

    image: npt.NDArray[np.uint8]
    label: npt.NDArray[np.uint8]
    instance: npt.NDArray[np.uint16]
    disparity: npt.NDArray[np.uint16]
    depth_m: npt.NDArray[np.float32]
    normal: npt.NDArray[np.float32]
    camera: StreetCamera


def render(seed: int, split: int, index: int, size: tuple[int, int]) -> Street:
    """Render the street of this seed, split and index, which determine it completely."""
    rng = np.random.default_rng((seed, split, index))
    weather, road = random_weather(rng), random_road(rng)
    canvas = Canvas(random_camera(size, rng), weather.ambient)
    world = World(road, weather, rng)
    for side in (-1, 1):
        line_with_houses(world, side)
        furnish(world, side)
        walk(world, side)
    close_view(world)
    drive(world)
    shade_street(world)
    paint_sky(canvas, weather, rng)
    paint_ground(canvas, road, weather, world.shadows)
    for _, paint in sorted(world.things, key=lambda thing: thing[0]):
        paint(canvas)
    image = develop(canvas.color, canvas.depth_m, weather, rng)
    disparity = stored_disparity(canvas, image, rng)
    instance = np.where(canvas.instance > 0, canvas.instance, canvas.label).astype(np.uint16)
    return Street(
        image=image,
        label=canvas.label,
        instance=renumbered(instance),
        disparity=disparity,
        depth_m=canvas.depth_m,
        normal=canvas.normal,
        camera=canvas.camera,
    )


def renumbered(instance: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint16]:
    """Renumber the ids of each class from 0 without gaps, over the visible instances."""
    ids, inverse = np.unique(instance, return_inverse=True)
    kind = ids // INSTANCE_FACTOR
    first = np.searchsorted(kind, kind)
    new = np.where(kind > 0, kind * INSTANCE_FACTOR + np.arange(len(ids)) - first, ids)
    return new.astype(np.uint16)[inverse.reshape(instance.shape)]
