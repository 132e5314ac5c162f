"""Reading pictures from disk: closed formats, a cap on pixels, one error a file."""

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
"""More than a 10 000 × 8 000 photograph: beyond it a small file may ask for all the memory there is."""

_WIDE_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


def read_image(path: Path) -> npt.NDArray[np.uint8]:
    """Any picture as RGB ``uint8 (H, W, 3)``: grey, palette, alpha (dropped) and 16 bit too, turned as EXIF says."""
    with _opened(path) as picture:
        try:
            return as_rgb(picture)
        except _DAMAGE as error:
            raise _damaged(path, error) from None


def as_rgb(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """A picture of any mode as RGB, turned as its EXIF says; 16 bit grey is brought to 8, alpha is dropped."""
    picture.load()
    try:
        upright = ImageOps.exif_transpose(picture)
    except (*_DAMAGE, KeyError, ZeroDivisionError, struct.error):
        upright = picture  # Its pixels are whole, so that what cannot be read is the EXIF.
    if upright.mode == "F" or 0 in upright.size:
        raise ValueError(f"mode {upright.mode}, {upright.size[0]}x{upright.size[1]} px")
    if upright.mode == "P" and "transparency" in upright.info:
        upright = upright.convert("RGBA")
    if upright.mode in _WIDE_MODES:
        grey = (np.asarray(upright).astype(np.int64).clip(0, 65535) // 257).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=2)
    return np.array(upright.convert("RGB"))


def read_labels(path: Path, *, wide: bool = False, palette: bool = True) -> npt.NDArray[np.int32]:
    """A label picture's numbers as they are stored, ``int32 (H, W)``: grey of 1 … 16 bits, or palette indices.

    Args:
        path: of a PNG.
        wide: what is meant does not fit in 8 bits; a picture that has no more, and is not empty, lost it when saved.
        palette: indices of a palette are numbers, too; depth has none, only colours that stand for it.
    """
    with _label(path) as picture:
        bits, color_type = _header(path)
        if color_type not in ((GREY, PALETTE) if palette else (GREY,)):
            wanted = "8 or 16 bit grey, or palette" if palette else "8 or 16 bit grey"
            raise DataError(f"{path}: expected one number a pixel ({wanted}), found {KINDS[color_type]}")
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
    """A label picture, known to be what was written: a changed byte may decode to another class."""
    picture = _opened(path)
    fault = broken_png(path)
    if picture.format != "PNG":
        fault = f"{path}: expected labels as PNG, found {picture.format}, whose compression changes labels"
    if fault is not None:
        picture.close()
        raise DataError(fault)
    return picture


def _expect_upright(path: Path, picture: Image.Image) -> None:
    """Raise ``DataError`` for labels that EXIF turns: they may fit their image before or after that."""
    if (orientation := _orientation(picture)) != 1:
        raise DataError(
            f"{path}: expected labels as they are stored, found an EXIF orientation ({orientation}) that turns them: "
            "turn the pixels themselves, and save the label without EXIF"
        )


SHALLOW = {2: 85, 4: 17}
"""What Pillow multiplies grey numbers of so many bits with."""


GREY, RGB, PALETTE, GREY_ALPHA = 0, 2, 3, 4
KINDS = {0: "grey", 2: "RGB colours", 3: "a palette", 4: "grey with transparency", 6: "RGBA colours"}
"""What the colour types of PNG are called."""


def _header(path: Path) -> tuple[int, int]:
    """How many bits a whole PNG has for a number, and its colour type, as its header says."""
    with path.open("rb") as file:
        head = file.read(26)
    return head[24], head[25]


def stored_bits(path: Path) -> int:
    """How many bits a label picture has for a number: 8 or 16; 0 if unknown."""
    try:
        with _opened(path) as picture:
            return 16 if picture.format == "PNG" and _header(path)[0] == 16 else 8
    except DataError:
        return 0


def expect_size(labels: npt.NDArray[np.int32], path: Path, image: npt.NDArray[np.uint8], image_path: Path) -> None:
    """Raise ``DataError`` where labels have another size than their image."""
    if labels.shape == image.shape[:2]:
        return
    (h, w), (eh, ew) = labels.shape, image.shape[:2]
    with _opened(image_path) as picture:
        turned = " turned upright as its EXIF says" if (w, h) == (eh, ew) == picture.size else ""
    raise DataError(f"{path}: expected the size of its image, {ew}x{eh}{turned}, found {w}x{h} (image: {image_path})")


def broken_png(path: Path) -> str | None:
    """What is wrong with a PNG that decodes all the same: a checksum, or its end; ``None`` where nothing is.

    Decoders show pictures whose pixels have changed; labels must not.
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
            return f"{path}: expected a whole PNG, found a wrong checksum: it has changed since it was written"
        if kind == b"IEND":
            return None
        place = end + 4
    return f"{path}: expected a whole PNG, found it cut"


def read_colors(path: Path) -> npt.NDArray[np.int32]:
    """A label picture's colours as numbers 65536·R + 256·G + B, ``int32 (H, W)``.

    Colours of 16 bits are read as they are stored, and raise ``DataError`` above 255: no high byte stands for both.
    So do transparent pixels, whose colour nobody sees.
    """
    with _label(path) as picture:
        bits, color_type = _header(path)
        if (bits == 16 and color_type != RGB) or color_type == GREY_ALPHA:
            raise DataError(f"{path}: expected 8-bit colours, found {bits}-bit {KINDS[color_type]}: save it as RGB")
        try:
            if color_type == PALETTE and np.asarray(picture).max() >= len(picture.getpalette() or ()) // 3:
                raise DataError(f"{path}: expected colours, found an index that its palette lacks: save it as RGB")
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
    """The colours of a 16-bit RGB picture, none of which has a high byte.

    Pillow knows 8-bit colours alone: it drops each number's second byte, or its first one if the bytes lie
    in the other order.
    """
    if high[..., :3].any():
        raise DataError(f"{path}: expected colours of 0 … 255, found larger ones of 16 bits: save it with 8 bits")
    with _opened(path) as picture:
        picture.tile = [tile._replace(args="RGB;16L") for tile in picture.tile]
        return np.dstack([np.asarray(picture), high[..., 3:]])


_DAMAGE = (OSError, RuntimeError, SyntaxError, ValueError, EOFError, IndexError, TypeError, OverflowError, MemoryError)
"""What Pillow's decoders raise for files that are cut or changed."""


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
        raise DataError(f"{path}: expected at most {MAX_PIXELS} pixels, found far more: is it a picture?") from None
    except PermissionError:
        raise DataError(f"{path}: expected a picture, found a file that may not be read") from None
    except _DAMAGE as error:
        if isinstance(error, UnidentifiedImageError) and (kind := other_kind(path)):
            raise DataError(f"{path}: found {kind}, which is not supported ({SUPPORTED}): convert it") from None
        raise _damaged(path, error) from None
    width, height = picture.size
    if width * height > MAX_PIXELS:
        picture.close()
        raise DataError(f"{path}: expected at most {MAX_PIXELS} pixels, found {width}x{height}: make it smaller")
    return picture


def _damaged(path: Path, error: BaseException) -> DataError:
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error).replace(str(path), "")
    message = "none of these formats" if isinstance(error, UnidentifiedImageError) else message
    reason = " ".join(message.split())[:120] or type(error).__name__
    return DataError(f"{path}: expected a PNG, JPEG or WebP picture, found something that cannot be decoded ({reason})")


def image_size(path: Path) -> tuple[int, int]:
    """Height and width of a picture as ``read_image`` gives it, from its header alone."""
    with _opened(path) as picture:
        width, height = picture.size
        turned = _orientation(picture) in _ON_ITS_SIDE
    return (width, height) if turned else (height, width)


def _orientation(picture: Image.Image) -> int:
    """How EXIF turns a picture, 1 … 8; 1, which is not at all, where it says nothing that can be read."""
    try:
        orientation = picture.getexif().get(_ORIENTATION, 1)
    except (*_DAMAGE, KeyError, ZeroDivisionError, struct.error):
        return 1
    return orientation if orientation in range(1, 9) else 1


_ORIENTATION, _ON_ITS_SIDE = 0x0112, (5, 6, 7, 8)
