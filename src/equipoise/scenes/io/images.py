"""Read pictures and label pictures: a fixed set of formats, a limit on pixels, and one error per file."""

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, ImageOps, UnidentifiedImageError

from equipoise.errors import DataError
from equipoise.scenes.io.kinds import SUPPORTED, other_kind
from equipoise.scenes.io.names import lookalike_hint

FORMATS = ("PNG", "JPEG", "WEBP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MAX_PIXELS = 80_000_000
"""The largest accepted picture, 10,000 × 8,000 px. Small files can claim more and exhaust the memory."""

_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Read a picture of any mode as RGB ``uint8 (H, W, 3)``, rotated according to its EXIF orientation.

    Raises ``DataError`` if it cannot be read. See ``as_rgb`` for the conversion of modes.
    """
    with _opened(path) as picture:
        try:
            return as_rgb(picture)
        except _DAMAGE as error:
            raise _damaged(path, error) from None


def as_rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Convert a picture of any mode to upright RGB: 16-bit grey is divided by 257, transparency is dropped."""
    picture.load()
    try:
        upright = ImageOps.exif_transpose(picture)
    except (*_DAMAGE, KeyError, ZeroDivisionError, struct.error):
        upright = picture  # The pixels are intact, so the EXIF data must be broken.
    if upright.mode == "F" or 0 in upright.size:
        raise ValueError(f"mode {upright.mode}, {upright.size[0]}x{upright.size[1]} px")
    if upright.mode == "P" and "transparency" in upright.info:
        upright = upright.convert("RGBA")
    if upright.mode in _WIDE_MODES:
        grey = (np.asarray(upright).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(upright.convert("RGB"))


def read_labels(path: Path, *, wide: bool = False, palette: bool = True) -> npt.NDArray[np.int32]:
    """Read the numbers of a label picture as stored, ``int32 (H, W)``: grey of 1 … 16 bits, or palette indices.

    Args:
        path: a PNG file.
        wide: refuse 8-bit pictures that are not all 0, because the described numbers do not fit in 8 bits and would
            have been damaged when the picture was saved.
        palette: accept palette indices as numbers. Depth pictures with a palette show colours instead.

    Raises:
        DataError: the file cannot be read, or does not store numbers.
    """
    with _label(path) as picture:
        bits, color_type = _header(path)
        if color_type not in ((GREY, PALETTE) if palette else (GREY,)):
            wanted = "8 or 16 bit grey, or palette" if palette else "8 or 16 bit grey"
            raise DataError(f"{path}: expected one number per pixel ({wanted}), found {KINDS[color_type]}")
        try:
            numbers = np.asarray(picture).astype(np.int32)
            if color_type == GREY:
                numbers //= SHALLOW.get(bits, 1)
            _expect_upright(path, picture)
        except _DAMAGE as error:
            raise _damaged(path, error) from None
        if wide and picture.mode not in _WIDE_MODES and numbers.any():
            raise DataError(f"{path}: expected 16 bit, found 8 (mode {picture.mode}), which cannot hold such labels")
        return numbers


def _label(path: Path) -> ImageFile.ImageFile:
    """Open a label picture and verify its checksums, since a changed byte may decode to another class."""
    picture = _opened(path)
    fault = broken_png(path)
    if picture.format != "PNG":
        fault = f"{path}: expected labels as PNG, found {picture.format}, whose compression changes labels"
    if fault is not None:
        picture.close()
        raise DataError(fault)
    return picture


def _expect_upright(path: Path, picture: Image.Image) -> None:
    """Raise ``DataError`` for labels with an EXIF orientation: they may fit their image with or without it."""
    if (orientation := _orientation(picture)) != 1:
        raise DataError(
            f"{path}: expected labels without an EXIF orientation, found orientation {orientation}: rotate the pixels "
            "themselves, and save the label without EXIF data"
        )


SHALLOW = {2: 85, 4: 17}
"""Bit depth → the factor by which Pillow multiplies grey numbers."""


GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4
KINDS = {0: "grey", 2: "RGB colours", 3: "a palette", 4: "grey with transparency", 6: "RGBA colours"}
"""The names of PNG's colour types."""


def _header(path: Path) -> tuple[int, int]:
    """Return the bit depth and the colour type in the header of an intact PNG."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[24], head[25]


def stored_bits(path: Path) -> int:
    """Return the bit depth of a label picture: 8 (or less) or 16; 0 if unknown."""
    try:
        with _opened(path) as picture:
            return 16 if picture.format == "PNG" and _header(path)[0] == 16 else 8
    except DataError:
        return 0


def expect_size(labels: npt.NDArray[np.int32], path: Path, image: npt.NDArray[np.uint8], image_path: Path) -> None:
    """Raise ``DataError`` if labels differ in size from their image."""
    if labels.shape == image.shape[:2]:
        return
    (h, w), (eh, ew) = labels.shape, image.shape[:2]
    with _opened(image_path) as picture:
        turned = " after rotation by its EXIF orientation" if (w, h) == (eh, ew) == picture.size else ""
    raise DataError(f"{path}: expected the size of its image, {ew}x{eh}{turned}, found {w}x{h} (image: {image_path})")


def broken_png(path: Path) -> str | None:
    """Describe a wrong checksum or a missing end of a PNG; ``None`` if it is intact or no PNG.

    Decoders accept such files although their pixels may have changed.
    """
    data = path.read_bytes()
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return None
    place = 8
    while place + 12 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        end = place + 8 + length
        if end + 4 > len(data):
            break
        if zlib.crc32(data[place + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            return f"{path}: expected an intact PNG, found a wrong checksum: it has changed since it was written"
        if kind == b"IEND":
            return None
        place = end + 4
    return f"{path}: expected an intact PNG, found a truncated one"


def read_colors(path: Path) -> npt.NDArray[np.int32]:
    """Read the colours of a label picture as numbers 65536·R + 256·G + B, ``int32 (H, W)``.

    Raises ``DataError`` if the file cannot be read, for transparent pixels, and for 16-bit colours above 255.
    """
    with _label(path) as picture:
        bits, color_type = _header(path)
        if (bits == 16 and color_type != RGB) or color_type == GREY_ALPHA:
            raise DataError(f"{path}: expected 8-bit colours, found {bits}-bit {KINDS[color_type]}: save it as RGB")
        try:
            if color_type == PALETTE and np.asarray(picture).max() >= len(picture.getpalette() or ()) // 3:
                raise DataError(f"{path}: expected colours, found an index outside its palette: save it as RGB")
            rgba = np.asarray(picture.convert("RGBA"))
            _expect_upright(path, picture)
            if bits == 16:
                rgba = _low_bytes(path, rgba)
        except _DAMAGE as error:
            raise _damaged(path, error) from None
    if (rgba[..., 3] != 255).any() or (bits == 16 and "transparency" in picture.info):
        raise DataError(f"{path}: expected opaque colours, found transparent pixels: save it as RGB")
    red, green, blue = (rgba[..., channel].astype(np.int32) for channel in range(3))
    return red * 65536 + green * 256 + blue


def _low_bytes(path: Path, high: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return the low bytes of a 16-bit RGB picture whose high bytes are all 0.

    Pillow reads 16-bit colours as 8-bit ones and drops the low bytes. With the opposite byte order in its raw mode, it
    drops the high bytes instead.
    """
    if high[..., :3].any():
        raise DataError(f"{path}: expected colours of 0 … 255, found larger 16-bit numbers: save it with 8 bits")
    with _opened(path) as picture:
        picture.tile = [tile._replace(args="RGB;16L") for tile in picture.tile]
        return np.dstack([np.asarray(picture), high[..., 3:]])


_DAMAGE = (OSError, RuntimeError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, MemoryError)
"""The exceptions of Pillow's decoders for damaged files."""


def _opened(path: Path) -> ImageFile.ImageFile:
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise DataError(f"{path}: expected a picture, found no regular file")
        picture = Image.open(path, formats=FORMATS)
    except FileNotFoundError:
        found = "a link to nothing" if path.is_symlink() else f"no file{lookalike_hint(path)}"
        raise DataError(f"{path}: expected a picture, found {found}") from None
    except IsADirectoryError:
        raise DataError(f"{path}: expected a picture, found a folder") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataError(f"{path}: expected at most {MAX_PIXELS:,} pixels, found far more: is it a picture?") from None
    except PermissionError:
        raise DataError(f"{path}: expected a picture, found a file without read permission") from None
    except _DAMAGE as error:
        if isinstance(error, UnidentifiedImageError) and (kind := other_kind(path)):
            raise DataError(f"{path}: found {kind}, which is not supported ({SUPPORTED}): convert it") from None
        raise _damaged(path, error) from None
    width, height = picture.size
    if width * height > MAX_PIXELS:
        picture.close()
        raise DataError(f"{path}: expected at most {MAX_PIXELS:,} pixels, found {width}x{height}: make it smaller")
    return picture


def _damaged(path: Path, error: BaseException) -> DataError:
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error).replace(str(path), "")
    message = "none of these formats" if isinstance(error, UnidentifiedImageError) else message
    reason = " ".join(message.split())[:120] or type(error).__name__
    return DataError(f"{path}: expected a PNG, JPEG or WebP picture, found something that cannot be decoded ({reason})")


def image_size(path: Path) -> tuple[int, int]:
    """Return the height and width that ``read_image`` gives a picture, from its header alone."""
    with _opened(path) as picture:
        width, height = picture.size
        turned = _orientation(picture) in _ON_ITS_SIDE
    return (width, height) if turned else (height, width)


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 … 8; 1 (upright) if it is missing or unreadable."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except (*_DAMAGE, KeyError, ZeroDivisionError, struct.error):
        return 1
    return orientation if orientation in range(1, 9) else 1


_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
