"""Compute the stored disparity: exact values, with holes such as a stereo matcher leaves."""

import numpy as np
import numpy.typing as npt

from equipoise.scenes.streets.canvas import Canvas
from equipoise.scenes.streets.labels import BUS, CAR, SKY, TRAIN, TRUCK
from equipoise.scenes.streets.noise import clouds, look_up

SCALE = 256
LARGEST = 65535


def stored_disparity(canvas: Canvas, image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Return p = round(256·d) + 1 with d = baseline·fx/depth [px of this image]; 0 means no label.

    There are holes in the sky; at pixels that the other camera cannot see (hidden behind something nearer, or outside
    its view on the left); and in patches without texture or with reflections, which are larger on vehicles.
    """
    camera = canvas.camera
    disparity = camera.baseline_m * camera.fx / canvas.depth_m
    holes = (canvas.label == SKY) | hidden_from_the_right(disparity)
    holes |= _unmatched(canvas, image, rng)
    stored = np.clip(np.round(SCALE * disparity) + 1, 1, LARGEST)
    return np.where(holes, 0, stored).astype(np.uint16)


def hidden_from_the_right(disparity: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return the pixels of the left image that are not visible in the right one.

    A pixel at column x is at column x − d of the right image. It is hidden if a nearer pixel of the same row lands
    within half a pixel of it, and outside the image if x − d < 0.
    """
    height, width = disparity.shape
    landing = np.arange(width) - disparity
    column = np.round(landing).astype(np.int64)
    inside = column >= 0
    row = np.broadcast_to(np.arange(height)[:, None], disparity.shape)
    nearest = np.zeros((height, width), disparity.dtype)
    place = (row[inside] * width + column[inside]).astype(np.int64)
    np.maximum.at(nearest.reshape(-1), place, disparity[inside])
    # Several pixels of a slanted surface land on one: only a step of more than a pixel hides.
    hidden = nearest[row, np.maximum(column, 0)] > disparity + 1.0
    return np.where(inside, hidden, True)


def _unmatched(canvas: Canvas, image: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    height, width = canvas.label.shape
    shift = rng.uniform(0, 256, 2)
    cells = 256.0 / height
    patch = look_up(
        clouds(), np.arange(height)[:, None] * cells * 1.4 + shift[0], np.arange(width) * cells * 0.9 + shift[1]
    )
    grey = image.mean(2)
    texture = np.abs(np.diff(grey, axis=1, append=grey[:, -1:]))
    smooth = texture < 5
    vehicle = np.isin(canvas.label, [CAR, TRUCK, BUS, TRAIN])
    limit = np.where(vehicle, 0.95, 1.5) - np.where(smooth, 0.25, 0.0)
    speckle = rng.random((height, width)) < 0.006
    return (patch > limit) | speckle
