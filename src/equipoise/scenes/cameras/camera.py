"""A camera: what ties disparity in pixels to depth in metres."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Real

SAME_SHAPE = 0.05
"""Two sizes have the same shape when their ratios of width to height differ by no more than this."""
LONGEST_BASELINE_M = 5.0


@dataclass(frozen=True, kw_only=True)
class Camera:
    """A pinhole camera; with a baseline it is a stereo camera: depth [m] = fx · baseline_m / disparity [px].

    Fields that are not known are ``None``.

    Attributes:
        fx: focal length, px of the images that the camera belongs to.
        fy: vertical focal length, px.
        cx: column of the principal point, px; pixel centres lie at whole numbers.
        cy: row of the principal point, px.
        baseline_m: distance between the two cameras, m.
        height_m: height above the ground, m.
        pitch_rad: downward tilt, rad.
        size: height and width of the images whose pixels the numbers above are given in; ``None``: those of the image
            that the camera is used with.
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
        """The same camera for its images resized to ``size`` (height, width).

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
        """What divided by disparity is depth, fx · baseline, in m · px; ``None`` without a baseline."""
        return None if self.baseline_m is None else self.fx * self.baseline_m


def same_shape(size: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether one size is the other one scaled, but for rounding and the like."""
    return abs(math.log(size[1] * other[0] / (size[0] * other[1]))) <= SAME_SHAPE


def camera_fault(camera: Camera) -> str | None:
    """What no camera can have, as ``KEY: expected …, found …``; ``None`` where nothing is wrong."""
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
    """What looks as if it was meant otherwise, where a camera is used with images of ``size``; a line each."""
    shown = f"{size[1]}x{size[0]}"
    own = camera.size or size
    if not same_shape(own, size):
        yield f"size: expected the shape of the images, {shown}, found {own[1]}x{own[0]}: does it belong to them?"
    scaled = camera.scaled_to(size)
    if not size[1] / 10 <= scaled.fx <= size[1] * 20:
        yield f"fx: expected a focal length in px of images of {shown}, found {scaled.fx:.4g} px: {_UNIT}"
    for key, value, length in (("cx", scaled.cx, size[1]), ("cy", scaled.cy, size[0])):
        if value is not None and not 0 <= value < length:
            yield f"{key}: expected a place in images of {shown}, found {value:.4g} px: {_UNIT}"
    if camera.baseline_m is not None and camera.baseline_m > LONGEST_BASELINE_M:
        yield f"baseline_m: expected metres, found {camera.baseline_m:g}: is it in millimetres or centimetres?"


_UNIT = "is it in another unit, or does the camera belong to another size (camera.size)?"
