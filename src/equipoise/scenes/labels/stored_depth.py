"""Read depth as a data description defines it: pictures of numbers or colours, and arrays."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.io.arrays import is_array, read_array
from equipoise.scenes.io.images import read_colors, read_labels
from equipoise.scenes.labels.label import Array, Files, Labels, Reader, Source
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.values import expect_storable

DISTANCES = ("depth_m", "ray_distance_m")
"""The kinds that are stored in metres."""
MOST_WEIGHTS = 4
Numbers = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class DepthDescription:
    """Where depth labels are and how depth is stored: value = (p + offset) / divisor for the stored number p.

    Attributes:
        files: the pattern of the files: PNG of 8 or 16 bit, TIFF, OpenEXR, NPY or NPZ.
        kind: ``disparity_px``: the value is disparity in px of the picture; ``depth_m``: depth in metres along the
            optical axis; ``ray_distance_m``: metres from the camera along each pixel's ray, which the camera's ``fx``,
            ``cx`` and ``cy`` turn into depth; ``relative``: a number without a unit, larger is nearer.
        offset: added to the stored number.
        divisor: divides the sum; its absolute value is 10^-6 … 10^9.
        channels: for depth in several channels: the weight of each, p = Σ weight · channel. Left out: one channel.
        key: the array in NPZ files, or the channel in OpenEXR files (with ``channels`` its layer). Empty: the
            only one.
        invalid: stored numbers that mean no label; for floats also ``nan`` and ``inf``.
        infinite: stored numbers that mean infinitely far; for floats also ``inf``.
        optional: images may lack this label.
    """

    files: str
    kind: Literal["disparity_px", "depth_m", "ray_distance_m", "relative"]
    offset: float = 0.0
    divisor: float = 1.0
    channels: tuple[float, ...] = ()
    key: str = ""
    invalid: tuple[int | float, ...] = ()
    infinite: tuple[int | float, ...] = ()
    optional: bool = False


def check_depth(described: DepthDescription, where: str) -> None:
    """Raise ``RecipeError`` for values out of range, and for a number with two meanings."""
    if not abs(described.offset) <= 1e9:
        raise RecipeError(f"{where}: depth.offset: expected a finite number of at most 10^9, found {described.offset}")
    if not 1e-6 <= abs(described.divisor) <= 1e9:
        raise RecipeError(f"{where}: depth.divisor: expected 10^-6 … 10^9 in size, found {described.divisor}")
    if described.channels and not 2 <= len(described.channels) <= MOST_WEIGHTS:
        raise RecipeError(f"{where}: depth.channels: expected 2 … 4 weights, found {len(described.channels)}")
    if not all(abs(weight) <= 1e9 for weight in described.channels):
        raise RecipeError(
            f"{where}: depth.channels: expected weights of at most 10^9, found {list(described.channels)}"
        )
    if not (described.channels or is_array(described.files)):
        for key in ("invalid", "infinite"):
            for value in getattr(described, key):
                expect_storable(value, f"{where}: depth.{key}")
    if both := {str(float(n)) for n in described.invalid} & {str(float(n)) for n in described.infinite}:
        raise RecipeError(f"{where}: depth: expected {float(min(both)):g} in invalid or in infinite, found it in both")


def check_ray_camera(described: DepthDescription, camera: Camera | None, where: str) -> None:
    """Raise ``RecipeError`` if distances along rays are described without the camera that defines the rays."""
    if described.kind != "ray_distance_m":
        return
    missing = [key for key in ("fx", "cx", "cy") if camera is None or getattr(camera, key) is None]
    if missing:
        raise RecipeError(
            f'{where}: depth.kind = "ray_distance_m": expected [camera] with fx, cx and cy, found no '
            f"{', '.join(missing)}: add them, as depth = distance / sqrt(1 + ((x - cx) / fx)² + ((y - cy) / fy)²)"
        )


class StoredDepth(Reader):
    """Reads depth as a data description defines it. A depth of 0 m has no inverse and counts as no label."""

    def __init__(self, described: DepthDescription, source: Source, *, palette: bool = False) -> None:
        self._described, self._sky, self._palette = described, source.vocabulary.sky, palette
        self._camera = source.camera
        self._at_sky = 0.0 if source.sky_is_zero else np.nan
        self.special = (*described.invalid, *described.infinite)
        self._wide = min((n for n in self.special if n), default=0) > 255 or abs(described.divisor) > 255

    def stored(self, path: Path) -> Numbers:
        """Read numbers of one channel as stored, or combine those of several."""
        described, count = self._described, len(self._described.channels) or 1
        if is_array(path):
            numbers = read_array(path, key=described.key, channels=count)
        elif count == 1:
            return read_labels(path, wide=self._wide, palette=self._palette)
        elif count == 3:
            colors = read_colors(path)
            numbers = np.stack([colors >> 16, (colors >> 8) & 255, colors & 255], axis=2)
        else:
            raise DataError(f"{path}: expected {count} channels (depth.channels), found a picture, which has 3")
        return numbers if count == 1 else numbers.astype(np.float64) @ np.array(described.channels)

    def understood(self, stored: Numbers, path: Path) -> npt.NDArray[np.float32]:
        """Convert to inverse depth. Raises ``DataError`` for negative values, and for NaN without a meaning."""
        described = self._described
        invalid, infinite = (are_one_of(stored, numbers) for numbers in (described.invalid, described.infinite))
        known = ~invalid & ~infinite
        _expect_finite(stored, known, path)
        with np.errstate(over="ignore", invalid="ignore"):
            value = (stored.astype(np.float64) + described.offset) / described.divisor + 0.0  # no negative zero
            self._expect_positive(value, stored, known, path)
            if described.kind == "ray_distance_m" and self._camera is not None:
                value /= ray_lengths(self._camera, (stored.shape[0], stored.shape[1]))
            if described.kind in DISTANCES:
                value = np.divide(1.0, value, out=np.full(value.shape, np.nan), where=value > 0)
            value[invalid] = np.nan
            value[infinite] = 0.0
            result = value.astype(np.float32)
        if np.isinf(result).any():
            raise DataError(f"{path}: expected depth that 32-bit floats hold, found {stored[np.isinf(result)][0]!s}")
        return result

    def _expect_positive(self, value: Numbers, stored: Numbers, known: npt.NDArray[np.bool_], path: Path) -> None:
        below_zero = (value < 0) & known
        if below_zero.any():
            raise DataError(
                f"{path}: expected depth of 0 or more, found {value[below_zero].min():.4g} for the stored number "
                f"{stored[below_zero].min()}: check depth.offset and depth.divisor, or add it to depth.invalid"
            )

    def settled(self, name: str, found: Labels, files: Files) -> Array:
        """Set the sky to infinitely far or to no label, whatever is stored there."""
        semantic = found.get(SemanticLabel.name)
        if semantic is None or self._sky is None:
            return found[name]
        return np.where(semantic == self._sky, np.float32(self._at_sky), found[name])


def ray_lengths(camera: Camera, size: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return the length of each pixel's ray per metre of depth, sqrt(1 + ((x − cx)/fx)² + ((y − cy)/fy)²), ``size``.

    ``fy`` is ``fx`` if unknown; the principal point is the middle of the image if unknown.

    >>> ray_lengths(Camera(fx=1.0, cx=0.0, cy=0.0), (1, 2)).round(3).tolist()
    [[1.0, 1.414]]
    """
    scaled = camera.scaled_to(size)
    cx = (size[1] - 1) / 2 if scaled.cx is None else scaled.cx
    cy = (size[0] - 1) / 2 if scaled.cy is None else scaled.cy
    fy = scaled.fx * (size[0] * (camera.size or size)[1]) / (size[1] * (camera.size or size)[0])
    across = (np.arange(size[1]) - cx) / scaled.fx
    down = (np.arange(size[0]) - cy) / (fy if scaled.fy is None else scaled.fy)
    lengths: npt.NDArray[np.float64] = np.sqrt(1.0 + across[None] ** 2 + down[:, None] ** 2)
    return lengths


def are_one_of(stored: Numbers, numbers: Sequence[float]) -> npt.NDArray[np.bool_]:
    """Return which stored numbers are listed. Listed numbers are rounded to the precision of stored floats."""
    with np.errstate(over="ignore"):
        listed = np.array(numbers, stored.dtype if stored.dtype.kind == "f" else np.float64)
    found = np.isin(stored, listed)
    if stored.dtype.kind == "f" and any(map(math.isnan, numbers)):
        found |= np.isnan(stored)
    return found


def _expect_finite(stored: Numbers, known: npt.NDArray[np.bool_], path: Path) -> None:
    """Raise ``DataError`` for NaN or infinity that the description does not mention."""
    if stored.dtype.kind != "f":
        return
    for word, odd, keys in (
        ("nan", np.isnan(stored), "depth.invalid if it means no label"),
        ("inf", stored == np.inf, "depth.infinite or depth.invalid"),
        ("-inf", stored == -np.inf, "depth.invalid if it means no label"),
    ):
        if count := int(np.count_nonzero(odd & known)):
            raise DataError(f"{path}: expected finite depth, found {word} on {count:,} pixels: add {word} to {keys}")
