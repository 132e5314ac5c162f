"""From inverse depth to metres: which camera is used, and why there may be none."""

import warnings
from collections.abc import Iterable, Mapping

from equipoise.errors import UsageError
from equipoise.scenes.cameras.camera import Camera, camera_doubts, camera_fault, same_shape
from equipoise.scenes.cameras.distances import InverseDepthUnit
from equipoise.scenes.cameras.model_camera import ALIKE, SAME, ModelCamera


class DepthUnknownError(UsageError, ValueError):
    """Depth in metres cannot be known from what was predicted and given."""


def default_camera(known: ModelCamera, size: tuple[int, int]) -> tuple[Camera | None, str]:
    """The camera of a model's training images for an image of ``size``, and why its metres may be wrong.

    The text is empty where all is well. Without a camera it says why there is none.
    """
    if known.camera is None:
        return None, "this model knows no camera"
    if known.spread > ALIKE:
        return None, f"those of the training images differ by up to {known.spread:.0%} in fx · baseline"
    doubts = []
    if known.spread > SAME:
        doubts.append(
            f"the cameras of the training images differ by up to {known.spread:.0%} in fx · baseline, and so may metres"
        )
    own = known.camera.size or size
    if not same_shape(own, size):
        doubts.append(
            f"the camera of the training images took {own[1]}x{own[0]}, found {size[1]}x{size[0]}: metres hold only if "
            "this image shows the same width of view"
        )
    doubt = "; ".join(doubts) + ": pass the camera of this image if you know it" if doubts else ""
    return known.camera.scaled_to(size), doubt


def chosen_camera(camera: Camera | None, numbers: Mapping[str, float | None]) -> Camera | None:
    """The camera that a caller gave, whole or by its numbers; ``None`` for neither."""
    named = {name: value for name, value in numbers.items() if value is not None}
    if camera is not None and named:
        raise DepthUnknownError(f"depth_m: expected a Camera or {_listed(named)}, found both: leave one out")
    if camera is not None and not isinstance(camera, Camera):
        raise DepthUnknownError(f"depth_m: expected a Camera, or fx and baseline by name, found {camera!r:.80}")
    if camera is not None or not named:
        return _sound(camera)
    if {"baseline", "baseline_m"} <= named.keys():
        raise DepthUnknownError("depth_m: expected baseline_m or baseline, found both: leave one out")
    fx, baseline = named.get("fx"), named.get("baseline", named.get("baseline_m"))
    if fx is None or baseline is None:
        lacking = "fx" if fx is None else "baseline_m"
        raise DepthUnknownError(f"depth_m: expected fx and baseline_m, found {_listed(named)}: add {lacking}")
    return _sound(Camera(fx=fx, baseline_m=baseline, fy=named.get("fy"), cx=named.get("cx"), cy=named.get("cy")))


def _sound(camera: Camera | None) -> Camera | None:
    """The camera; raises where it cannot be one."""
    if camera is not None and (fault := camera_fault(camera)) is not None:
        raise DepthUnknownError(f"depth_m: {fault}")
    return camera


def metres_factor(
    unit: InverseDepthUnit | None,
    size: tuple[int, int],
    given: Camera | None,
    default: Camera | None,
    doubt: str,
) -> float:
    """What divided by inverse depth in ``unit`` is metres, on an image of ``size``.

    Raises:
        DepthUnknownError: nothing is, and why.
    """
    if unit is None:
        raise DepthUnknownError("depth_m: expected a model that was trained on depth, found one that was not")
    if unit == "relative":
        raise DepthUnknownError(
            "depth_m: expected depth with a unit, found relative depth, whose scale is not known: use inverse_depth"
        )
    if unit == "1/m":
        return 1.0
    camera = given or default
    if camera is None:
        raise DepthUnknownError(
            f"depth_m: expected a camera, which disparity in px needs to become metres, found none ({doubt}): "
            "call depth_m(fx=…, baseline_m=…), or describe it as [camera] in the data and train again"
        )
    scaled = camera.scaled_to(size).metre_pixels
    if scaled is None:
        raise DepthUnknownError(f"depth_m: expected a camera with a baseline, found {camera}: add baseline_m")
    if given is not None:
        doubt = "; ".join(camera_doubts(given, size))
    if doubt:
        warnings.warn(f"depth_m: {doubt}", UserWarning, stacklevel=3)
    return scaled


def _listed(names: Iterable[str]) -> str:
    """Names as a message has them."""
    return " and ".join(names)
