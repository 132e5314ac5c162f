"""The camera: converts between disparity in pixels and depth in metres."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Real

SAME_SHAPE = 0.05
"""Largest difference in log(width / height) at which two sizes count as the same shape."""
LONGEST_BASELINE_M = 5.0


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera. With a baseline it is a stereo camera: depth [m] = fx · baseline_m / disparity [px].

    Unknown values are ``None``.

    Attributes:
        fx: horizontal focal length, px.
        fy: vertical focal length, px.
        cx: column of the principal point, px; pixel centres are at integers.
        cy: row of the principal point, px.
        baseline_m: distance between the two cameras, m.
        height_m: height above the ground, m.
        pitch_rad: downward tilt of the optical axis, rad.
        size: (height, width) of the images that the values in px refer to; ``None``: the size of whichever image the
            camera is used with.

    Example:
        >>> Camera(fx=2000.0, baseline_m=0.25, size=(1024, 2048)).metre_pixels
        500.0
    """

    fx: float
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    baseline_m: float | None = None
    height_m: float | None = None
    pitch_rad: float | None = None
    size: tuple[int, int] | None = None

    def scaled_to(self, size: tuple[int, int]) -> "Camera":
        """Return this camera for images resized to ``size`` (height, width), px.

        >>> Camera(fx=2000.0, cx=999.5, size=(1000, 2000)).scaled_to((500, 1000))
        Camera(fx=1000.0, fy=None, cx=499.5, cy=None, baseline_m=None, height_m=None, pitch_rad=None, size=(500, 1000))
        """
        height, width = self.size or size
        down, right = size[0] / height, size[1] / width
        return replace(
            self,
            fx=self.fx * right,
            fy=None if self.fy is None else self.fy * down,
            cx=None if self.cx is None else (self.cx + 0.5) * right - 0.5,
            cy=None if self.cy is None else (self.cy + 0.5) * down - 0.5,
            size=size,
        )

    @property
    def metre_pixels(self) -> float | None:
        """Fx · baseline, m · px; depth is this divided by disparity. ``None`` without a baseline."""
        return None if self.baseline_m is None else self.fx * self.baseline_m


def same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether two sizes have the same aspect ratio, up to ``SAME_SHAPE``."""
    return abs(math.log(size[1] * other[0] / (size[0] * other[1]))) <= SAME_SHAPE


def camera_fault(camera: Camera) -> str | None:
    """Describe the first impossible value as ``KEY: expected …, found …``; ``None`` if all values are possible."""
    for key in ("fx", "fy", "baseline_m"):
        value = getattr(camera, key)
        if value is not None and not (_is_finite(value) and value > 0):
            return f"{key}: expected a number above 0, found {value!r}"
    for key in ("cx", "cy", "height_m", "pitch_rad"):
        value = getattr(camera, key)
        if value is not None and not _is_finite(value):
            return f"{key}: expected a finite number, found {value!r}"
    if camera.size is not None and min(camera.size) < 1:
        return f"size: expected [height, width] of 1 px or more, found {list(camera.size)}"
    return None


def _is_finite(value: object) -> bool:
    return type(value) is not bool and isinstance(value, Real) and math.isfinite(value)


def camera_doubts(camera: Camera, size: tuple[int, int]) -> Iterator[str]:
    """Yield a line for each value that is probably a mistake, for a camera used with images of ``size``."""
    shown = f"{size[1]}x{size[0]}"
    own = camera.size or size
    if not same_shape(own, size):
        yield f"size: expected the shape of the images, {shown}, found {own[1]}x{own[0]}: is it their camera?"
    scaled = camera.scaled_to(size)
    if not size[1] / 10 <= scaled.fx <= size[1] * 20:
        yield f"fx: expected a focal length in px of images of {shown}, found {scaled.fx:.4g} px: {_UNIT}"
    for key, value, length in (("cx", scaled.cx, size[1]), ("cy", scaled.cy, size[0])):
        if value is not None and not 0 <= value < length:
            yield f"{key}: expected a position within images of {shown}, found {value:.4g} px: {_UNIT}"
    if camera.baseline_m is not None and camera.baseline_m > LONGEST_BASELINE_M:
        yield f"baseline_m: expected metres, found {camera.baseline_m:g}: is it in millimetres or centimetres?"


_UNIT = "is it in another unit, or for images of another size (set camera.size)?"
