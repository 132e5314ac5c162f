"""Grey PNGs of few bits, as optimizers write them."""

import struct
import zlib

import numpy as np
import pytest

from equipoise.scenes.io.images import broken_png, read_labels


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_numbers_of_few_bits_are_read_as_they_are_stored(tmp_path, bits):
    """Two rows of eight pixels, as optimizers write them."""
    numbers = np.arange(16).reshape(2, 8) % (1 << bits)
    rows = [b"\0" + int("".join(f"{v:0{bits}b}" for v in row), 2).to_bytes(bits, "big") for row in numbers]

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + parts)
    assert read_labels(tmp_path / "x.png").tolist() == numbers.tolist()
    assert broken_png(tmp_path / "x.png") is None
