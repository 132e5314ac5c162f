"""Convert inverse depth to metres: choose the camera, or explain why there is none."""

import warnings
from collections.abc import Iterable, Mapping

from equipoise.errors import UsageError
from equipoise.scenes.cameras.camera import Camera, camera_doubts, camera_fault, same_shape
from equipoise.scenes.cameras.distances import InverseDepthUnit
from equipoise.scenes.cameras.model_camera import ALIKE, SAME, ModelCamera


class DepthUnknownError(UsageError, ValueError):
    """Depth in metres cannot be computed from the prediction and the given camera."""


def default_camera(known: ModelCamera, size: tuple[int, int]) -> tuple[Camera | None, str]:
    """Return the camera of a model's training images for an image of ``size``, and why its metres may be wrong.

    The text is empty if nothing is wrong. If the camera is ``None``, the text says why.
    """
    if known.camera is None:
        return None, "the model was saved without a camera"
    if known.spread > ALIKE:
        return None, f"the cameras of the training images differ by up to {known.spread:.0%} in fx · baseline"
    doubts = []
    if known.spread > SAME:
        doubts.append(
            f"the cameras of the training images differ by up to {known.spread:.0%} in fx · baseline, so metres may be "
            "wrong by as much"
        )
    own = known.camera.size or size
    if not same_shape(own, size):
        doubts.append(
            f"the training images are {own[1]}x{own[0]}, this image is {size[1]}x{size[0]}: metres are right only if "
            "it has the same horizontal field of view"
        )
    doubt = "; ".join(doubts) + ": pass the camera of this image if you have it" if doubts else ""
    return known.camera.scaled_to(size), doubt


def camera_from_arguments(camera: Camera | None, numbers: Mapping[str, float | None]) -> Camera | None:
    """Return the camera passed as an object or as numbers by name; ``None`` if neither was passed."""
    named = {name: value for name, value in numbers.items() if value is not None}
    if camera is not None and named:
        raise DepthUnknownError(f"depth_m: expected a Camera or {_listed(named)}, found both: pass one of them")
    if camera is not None and not isinstance(camera, Camera):
        raise DepthUnknownError(f"depth_m: expected a Camera, or fx and baseline by name, found {camera!r:.80}")
    if camera is not None or not named:
        return _sound(camera)
    if {"baseline", "baseline_m"} <= named.keys():
        raise DepthUnknownError("depth_m: expected baseline_m or baseline, found both: pass one of them")
    fx, baseline = named.get("fx"), named.get("baseline", named.get("baseline_m"))
    if fx is None or baseline is None:
        lacking = "fx" if fx is None else "baseline_m"
        raise DepthUnknownError(f"depth_m: expected fx and baseline_m, found {_listed(named)}: add {lacking}")
    return _sound(Camera(fx=fx, baseline_m=baseline, fy=named.get("fy"), cx=named.get("cx"), cy=named.get("cy")))


def _sound(camera: Camera | None) -> Camera | None:
    """Return the camera; raise an error if its values are impossible."""
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
    """Return the factor for depth [m] = factor / inverse depth [``unit``] on an image of ``size``.

    Args:
        unit: the unit of inverse depth; ``None``: the model does not predict depth.
        size: (height, width) of the image, px.
        given: the camera of this image, which the caller passed.
        default: the camera of the training images, used if none is given.
        doubt: why metres from the default camera may be wrong, or why there is none.

    Raises:
        DepthUnknownError: depth in metres cannot be computed; the message says why.
    """
    if unit is None:
        raise DepthUnknownError("depth_m: expected a model trained on depth, found one without the task")
    if unit == "relative":
        raise DepthUnknownError(
            "depth_m: expected depth with a unit, found relative depth, whose scale is unknown: use inverse_depth"
        )
    if unit == "1/m":
        return 1.0
    camera = given or default
    if camera is None:
        raise DepthUnknownError(
            f"depth_m: expected a camera to convert disparity to metres, found none ({doubt}): "
            "call depth_m(fx=…, baseline_m=…), or add a [camera] table to the data description and train again"
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
    """Join names for a message."""
    return " and ".join(names)
