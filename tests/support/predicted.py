"""A predicted scene without a network: known classes, objects and depth."""

from dataclasses import replace
from typing import Any

import numpy as np

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.grouping import Instance
from equipoise.scenes.inference.scene import Scene
from tests.support.tiny import VOCABULARY, scene

CAMERA = Camera(fx=50.0, fy=60.0, cx=27.0, cy=19.0, baseline_m=0.2, size=(40, 56))


def predicted_scene(**changes: Any) -> Scene:
    """Ground, two boxes side by side and sky, with disparity; a piece of box that belongs to no object."""
    sample = scene(3)
    semantic = np.zeros((40, 56), np.uint8)
    semantic[:18] = 2
    semantic[20:30, 4:30] = 1
    semantic[35:37, 50:52] = 1
    instance = np.zeros((40, 56), np.int32)
    instance[20:30, 4:16], instance[20:30, 16:30] = 1, 2
    disparity = np.tile(np.linspace(0.0, 12.0, 40, dtype=np.float32)[:, None], (1, 56))
    made = Scene(
        image=sample.image,
        vocabulary=VOCABULARY,
        outputs={"semantic": semantic, "instance": instance, "depth": disparity},
        instances=(
            Instance(id=1, semantic=1, score=0.75, box=(4, 20, 16, 30), pixels=120),
            Instance(id=2, semantic=1, score=0.5, box=(16, 20, 30, 30), pixels=140),
        ),
        sigma={"semantic": 1.0, "instance": 2.0, "depth": 0.6},
        camera=CAMERA,
        half_width={"depth": 1.5},
    )
    return replace(made, **changes)
