"""Read the numbers and colours of class and instance labels, from pictures and from arrays."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.arrays import Numbers, is_array, read_array
from equipoise.scenes.io.images import read_colors, read_labels

LOWEST, HIGHEST = -(1 << 31), (1 << 31) - 1
"""The numbers that labels may have."""


def read_numbers(path: Path, *, wide: bool = False, key: str = "") -> npt.NDArray[np.int32]:
    """Read one whole number a pixel, ``int32 (H, W)``: of a PNG, or of an array.

    Args:
        path: the file.
        wide: refuse 8-bit numbers that are not all 0; see ``read_labels``.
        key: the array in an NPZ file, or the channel in an OpenEXR file; empty: the only one.

    Raises:
        DataError: the file cannot be read, does not hold whole numbers of 32 bits, or holds floats so large that they
            may have been rounded from others.
    """
    if not is_array(path):
        return read_labels(path, wide=wide)
    numbers = read_array(path, key=key)
    if wide and numbers.dtype.itemsize == 1 and numbers.any():
        raise DataError(f"{path}: expected 16 bit, found 8, which cannot hold such labels")
    return _whole(numbers, path)


def read_color_codes(path: Path, *, key: str = "") -> npt.NDArray[np.int32]:
    """Read the colours of a PNG or of an array ``(H, W, 3)`` as 65536·R + 256·G + B, ``int32 (H, W)``.

    Raises ``DataError`` if the file cannot be read, or for numbers outside 0 … 255.
    """
    if not is_array(path):
        return read_colors(path)
    colors = _whole(read_array(path, key=key, channels=3), path, "colours of whole numbers 0 … 255")
    if ((colors < 0) | (colors > 255)).any():
        raise DataError(f"{path}: expected colours of 0 … 255, found {colors.min()} … {colors.max()}")
    codes: npt.NDArray[np.int32] = colors @ np.array([65536, 256, 1], np.int32)
    return codes


def _whole(numbers: Numbers, path: Path, what: str = "whole numbers") -> npt.NDArray[np.int32]:
    if numbers.dtype.kind == "f":
        odd = ~np.isfinite(numbers) | (numbers != np.rint(numbers))
        if odd.any():
            first = numbers[odd][0]
            advice = "" if np.isfinite(first) else ": pixels without a label need a number too"
            raise DataError(f"{path}: expected {what}, found {first!s}{advice}")
        _expect_exact(numbers, path)
    low, high = numbers.min().item(), numbers.max().item()
    if low < LOWEST or high > HIGHEST:
        raise DataError(f"{path}: expected numbers that fit in 32 bits, found {low if low < LOWEST else high}")
    return numbers.astype(np.int32)


def _expect_exact(floats: Numbers, path: Path) -> None:
    """Raise ``DataError`` for whole floats that others round to: 2,049 becomes 2,048 in 16 bits."""
    limit = 2 ** (np.finfo(floats.dtype).nmant + 1)
    rounded = np.abs(floats) >= limit
    if rounded.any():
        raise DataError(
            f"{path}: expected numbers below {limit:,}, as floats of {floats.dtype.itemsize * 8} bits are rounded from "
            f"there on, found {floats[rounded][0]:.0f}: store whole numbers, or floats of more bits"
        )
