"""Write PNGs of any bit depth and colour type, including those that Pillow cannot write."""

import struct
import zlib
from pathlib import Path

import numpy as np

GREY, RGB, PALETTE, GREY_ALPHA, RGBA = 0, 2, 3, 4, 6
SIGNATURE = b"\x89PNG\r\n\x1a\n"


def write_png(
    path: Path, pixels: np.ndarray, bits: int, color_type: int, *, palette: np.ndarray | None = None, alpha: bytes = b""
) -> None:
    """Write a PNG. ``pixels``: stored numbers ``(H, W)`` or ``(H, W, C)``; ``alpha``: the tRNS chunk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = pixels.shape[:2]
    rows = np.asarray(pixels).reshape(height, -1)
    parts = [chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0))]
    if palette is not None:
        parts.append(chunk(b"PLTE", np.asarray(palette, np.uint8).tobytes()))
    if alpha:
        parts.append(chunk(b"tRNS", alpha))
    parts.append(chunk(b"IDAT", zlib.compress(b"".join(b"\0" + packed(row, bits) for row in rows))))
    path.write_bytes(SIGNATURE + b"".join(parts) + chunk(b"IEND", b""))


def packed(row: np.ndarray, bits: int) -> bytes:
    """Pack numbers of ``bits`` bits each, the first one in the highest bits."""
    assert row.min() >= 0
    assert row.max() < 1 << bits
    if bits >= 8:
        return row.astype(f">u{bits // 8}").tobytes()
    each = (row[:, None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(each.reshape(-1).astype(np.uint8)).tobytes()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
