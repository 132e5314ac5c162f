"""A coloured point cloud as PLY."""

from functools import partial
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.metres import metres_factor
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.outputs.output import Contents, Files, Output, OutputSettings
from equipoise.scenes.outputs.pictures import Disparity

POINT = np.dtype([(axis, "<f4") for axis in "xyz"] + [(color, "u1") for color in ("red", "green", "blue")])
HEADER = """ply
format binary_little_endian 1.0
comment x right, y down, z forward, metres
element vertex {count}
property float x
property float y
property float z
property uchar red
property uchar green
property uchar blue
end_header
"""


class PointCloud(Output):
    """``NAME.ply``: a point for each pixel with a known depth, in metres in camera axes: x right, y down, z forward.

    Pixels of the sky, infinitely far ones and those beyond ``farthest_m`` are left out. A camera without fy has square
    pixels, one without principal point has it in the middle of the image.
    """

    name: ClassVar[str] = "ply"

    def lacking(self, contents: Contents) -> str:
        """Depth in metres, and a camera."""
        if fault := Disparity().lacking(contents):
            return fault
        unit, camera = contents.vocabulary.inverse_depth_unit, contents.camera
        if unit == "relative":
            return "expected depth with a unit, found relative depth, whose scale is unknown"
        if camera is None:
            return f"expected a camera, found none ({contents.camera_doubt}): give --camera FILE"
        if unit == "px" and camera.baseline_m is None:
            return "expected a camera with a baseline to convert disparity to metres, found one without"
        return ""

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """The points."""
        file, found = f"{name}.ply", points(scene, settings.farthest_m)
        facts = {"file": file, "points": len(found), "farthest_m": settings.farthest_m, "doubt": scene.camera_doubt}
        return Files(files={file: partial(_ply, found)}, facts={self.name: facts})


def points(scene: Scene, farthest_m: float) -> npt.NDArray[Any]:
    """Return the points of a scene, an array of ``POINT``, row by row."""
    assert scene.inverse_depth is not None
    assert scene.camera is not None
    factor = metres_factor(scene.inverse_depth_unit, scene.size, None, scene.camera, "")
    shown = scene.inverse_depth * farthest_m >= factor
    if scene.semantic is not None and scene.vocabulary.sky is not None:
        shown &= scene.semantic != scene.vocabulary.sky
    rows, columns = np.nonzero(shown)
    fx, fy, cx, cy = _intrinsics(scene.camera, scene.size)
    z = factor / scene.inverse_depth[shown].astype(np.float64)
    found = np.empty(len(z), POINT)
    found["x"], found["y"], found["z"] = (columns - cx) * z / fx, (rows - cy) * z / fy, z
    for channel, color in enumerate(("red", "green", "blue")):
        found[color] = scene.image[..., channel][shown]
    return found


def _intrinsics(camera: Camera, size: tuple[int, int]) -> tuple[float, float, float, float]:
    height, width = size
    fy = camera.fx if camera.fy is None else camera.fy
    cx = (width - 1) / 2 if camera.cx is None else camera.cx
    return camera.fx, fy, cx, (height - 1) / 2 if camera.cy is None else camera.cy


def _ply(found: npt.NDArray[Any]) -> bytes:
    return HEADER.format(count=len(found)).encode("ascii") + found.tobytes()
