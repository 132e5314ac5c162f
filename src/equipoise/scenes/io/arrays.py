"""Read arrays of numbers: NPY, NPZ, TIFF and OpenEXR, with the picture reader's limit on pixels and errors by path."""

import math
import zipfile
import zlib
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy
from PIL import Image

from equipoise.errors import DataError, UsageError
from equipoise.scenes.io.images import MAX_PIXELS
from equipoise.scenes.io.names import lookalike_hint

Numbers = npt.NDArray[Any]
"""Whole numbers or floats: ``(H, W)``, or ``(H, W, C)`` with several channels."""
MOST_CHANNELS = 16
DAMAGE = (
    *(OSError, RuntimeError, SyntaxError, ValueError, EOFError, IndexError, KeyError, TypeError, OverflowError),
    *(MemoryError, zipfile.BadZipFile, zlib.error, NotImplementedError, AttributeError, TokenError),
    *(Image.DecompressionBombError, Image.DecompressionBombWarning),
)
"""The exceptions of the decoders for damaged files. NumPy parses an NPY header as Python."""


def is_array(path: Path | str) -> bool:
    """Whether the suffix is one that ``read_array`` reads."""
    return Path(path).suffix.lower() in _READERS


def read_array(path: Path, *, key: str = "", channels: int = 1) -> Numbers:
    """Read numbers as stored, ``(H, W)`` or, with several channels, ``(H, W, channels)``.

    Args:
        path: an NPY, NPZ, TIFF or OpenEXR file.
        key: the array in an NPZ file, or the channel in an OpenEXR file; empty: the only one. With several channels,
            the layer in an OpenEXR file; empty: none.
        channels: the number of channels. OpenEXR's are R, G, B, A in this order, or ``key.R``, ``key.G`` …

    Raises:
        DataError: the file cannot be read, or holds something else.
        UsageError: OpenEXR is not installed.
    """
    try:
        if not path.is_file():
            found = "no regular file" if path.exists() else f"no file{lookalike_hint(path)}"
            raise DataError(f"{path}: expected an array, found {found}")
        numbers = _READERS[path.suffix.lower()](path, key, channels)
    except DAMAGE as error:
        reason = " ".join((getattr(error, "strerror", None) or str(error)).replace(str(path), "").split())[:120]
        raise DataError(
            f"{path}: expected an intact {path.suffix[1:].upper()} file, found something that cannot be decoded "
            f"({reason or type(error).__name__})"
        ) from None
    wanted = "(H, W)" if channels == 1 else f"(H, W, {channels})"
    if channels == 1 and numbers.ndim == 3 and numbers.shape[2] == 1:
        numbers = numbers[..., 0]
    if numbers.ndim != 2 + (channels > 1) or (channels > 1 and numbers.shape[2] != channels):
        raise DataError(f"{path}: expected the shape {wanted}, found {numbers.shape}")
    return numbers


def _expect_fit(path: Path, shape: Sequence[int]) -> None:
    """Raise ``DataError`` for a shape of no picture, or of one that is too large. Called before pixels are read."""
    if len(shape) not in (2, 3) or 0 in shape or (len(shape) == 3 and shape[2] > MOST_CHANNELS):
        raise DataError(f"{path}: expected the shape (height, width) or (height, width, channels), found {shape}")
    if shape[0] * shape[1] > MAX_PIXELS:
        raise DataError(f"{path}: expected at most {MAX_PIXELS:,} pixels, found {shape[1]}x{shape[0]}: make it smaller")


def _from_npy(path: Path, key: str, channels: int) -> Numbers:
    with path.open("rb") as file:
        return _npy_stream(path, file)


def _npy_stream(path: Path, file: IO[bytes]) -> Numbers:
    """Read an NPY stream without pickle: the header first, then as many bytes as it announces."""
    version = npy.read_magic(file)  # type: ignore[no-untyped-call]
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"NPY version {version[0]}.{version[1]}")
    read: Callable[[IO[bytes]], Any] = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, by_column, dtype = read(file)
    if dtype.kind not in "fiu":
        raise DataError(f"{path}: expected whole numbers or floats, found the type {dtype}")
    _expect_fit(path, shape)
    count = math.prod(shape) * dtype.itemsize
    data = file.read(count)
    if len(data) != count:
        raise ValueError(f"{len(data):,} of {count:,} bytes")
    return np.frombuffer(data, dtype).reshape(shape, order="F" if by_column else "C").astype(dtype.newbyteorder("="))


def _from_npz(path: Path, key: str, channels: int) -> Numbers:
    with zipfile.ZipFile(path) as archive:
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        chosen = _chosen(path, names, key, "array")
        with archive.open(f"{chosen}.npy") as file:
            numbers = _npy_stream(path, file)
            if file.read(1):  # Reading the end verifies the checksum.
                raise ValueError("more bytes than its header announces")
            return numbers


def _chosen(path: Path, names: Sequence[str], key: str, what: str) -> str:
    if key in names:
        return key
    if not key and len(names) == 1:
        return names[0]
    found = ", ".join(names[:8]) or "none"
    wanted = f"the {what} {key!r}" if key else f"one {what}, or its name as key in the label's table"
    raise DataError(f"{path}: expected {wanted}, found {found}")


def _from_tiff(path: Path, key: str, channels: int) -> Numbers:
    """Read grey of 8, 16 or 32 bits, floats, or 8-bit colours."""
    with Image.open(path, formats=("TIFF",)) as picture:
        _expect_fit(path, (picture.height, picture.width))
        tags = getattr(picture, "tag_v2", {})
        pages, photometric, orientation = getattr(picture, "n_frames", 1), tags.get(262, 1), tags.get(274, 1)
        if pages != 1:
            raise DataError(f"{path}: expected one picture, found {pages} pages")
        if photometric not in (1, 2) or orientation != 1:
            raise DataError(
                f"{path}: expected numbers as stored, upright, found photometric interpretation {photometric} and "
                f"orientation {orientation}: save it without palette, inversion, compression of colours and rotation"
            )
        if picture.mode not in ("L", "I", "I;16", "I;16B", "F", "RGB", "RGBA"):
            raise DataError(f"{path}: expected grey of 8 … 32 bits or 8-bit RGB, found mode {picture.mode}")
        numbers = np.array(picture)
        return numbers.astype(numbers.dtype.newbyteorder("="))


def _from_exr(path: Path, key: str, channels: int) -> Numbers:
    try:
        openexr = import_module("OpenEXR")
    except ImportError:
        raise UsageError(f'{path}: OpenEXR is not installed: pip install "equipoise[images]"') from None
    header = openexr.File(str(path), header_only=True).parts[0].header
    (left, top), (right, bottom) = (corner.tolist() for corner in header["dataWindow"])
    _expect_fit(path, (bottom - top + 1, right - left + 1))
    if [corner.tolist() for corner in header["displayWindow"]] != [[left, top], [right, bottom]]:
        raise DataError(f"{path}: expected pixels for the whole display window, found another data window")
    opened = openexr.File(str(path), separate_channels=True)
    if not opened.parts:  # OpenEXR leaves out a part that it cannot decode.
        raise ValueError("damaged or incomplete pixels")
    if len(opened.parts) != 1:
        raise DataError(f"{path}: expected one part, found {len(opened.parts)}")
    found = {name: channel.pixels for name, channel in opened.channels().items()}
    if channels == 1:
        return np.asarray(found[_chosen(path, list(found), key, "channel")])
    names = [f"{key}.{letter}" if key else letter for letter in "RGBA"]
    if channels > 4 or not set(names[:channels]) <= set(found):
        layer = "" if key else ", or the layer of such channels as key in the label's table"
        raise DataError(
            f"{path}: expected {channels} of the channels {', '.join(names)}{layer}, found {', '.join(found)}"
        )
    return np.stack([found[name] for name in names[:channels]], axis=2)


_READERS: dict[str, Callable[[Path, str, int], Numbers]] = {
    ".npy": _from_npy,
    ".npz": _from_npz,
    ".tif": _from_tiff,
    ".tiff": _from_tiff,
    ".exr": _from_exr,
}
