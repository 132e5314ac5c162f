"""Reading images: modes, rotation, bit depth, decompression bombs."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_colors, read_image, read_labels
from tests.support.cityscapes import save


def test_damaged_labels_are_an_error(tmp_path):
    """A single changed bit, with which the image still decodes, but to another class."""
    save(tmp_path / "x.png", np.random.default_rng(0).integers(0, 9, (20, 30)).astype(np.uint8))
    data = bytearray((tmp_path / "x.png").read_bytes())
    data[-6] ^= 1  # in the last checksum
    (tmp_path / "x.png").write_bytes(data)
    read_image(tmp_path / "x.png")
    for read in (read_labels, read_colors):
        with pytest.raises(DataError, match="wrong checksum"):
            read(tmp_path / "x.png")


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "P", "1", "CMYK", "I;16"])
def test_any_mode_is_rgb(tmp_path, mode):
    path = tmp_path / ("x.jpg" if mode == "CMYK" else "x.png")
    if mode == "I;16":
        Image.fromarray(np.full((3, 5), 51400, np.uint16)).save(path)
    else:
        Image.new("RGB", (5, 3), (200, 200, 200)).convert(mode).save(path)
    image = read_image(path)
    assert image.shape == (3, 5, 3)
    assert image.dtype == np.uint8
    assert abs(int(image[1, 2, 1]) - 200) <= 60


def test_exif_turns_the_picture(tmp_path):
    picture = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6).repeat(3).reshape(4, 6, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "x.png", exif=exif)
    assert read_image(tmp_path / "x.png").shape == (6, 4, 3)


@pytest.mark.parametrize("ending", ["png", "webp", "jpg"])
def test_an_image_with_broken_exif_is_read(tmp_path, ending):
    path = tmp_path / f"x.{ending}"
    Image.new("RGB", (6, 4), (90, 90, 90)).save(path, exif=b"Exif\0\0none of TIFF's headers")
    assert read_image(path).shape == (4, 6, 3)


def test_labels_of_any_depth(tmp_path):
    save(tmp_path / "8.png", np.array([[0, 255]], np.uint8))
    save(tmp_path / "16.png", np.array([[0, 65535]], np.uint16))
    assert read_labels(tmp_path / "8.png").tolist() == [[0, 255]]
    assert read_labels(tmp_path / "16.png").tolist() == [[0, 65535]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([9, 9, 9, 1, 2, 3])
    palette.putpixel((1, 0), 1)
    palette.save(tmp_path / "p.png")
    assert read_labels(tmp_path / "p.png").tolist() == [[0, 1]]
    assert read_colors(tmp_path / "p.png").tolist() == [[9 * 65536 + 9 * 256 + 9, 65536 + 512 + 3]]


def test_errors_say_what_is_wrong(tmp_path):
    save(tmp_path / "rgb.png", np.zeros((2, 2, 3), np.uint8))
    with pytest.raises(DataError, match=r"one number per pixel .* found RGB"):
        read_labels(tmp_path / "rgb.png")
    Image.new("L", (4, 4)).save(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="labels as PNG, found JPEG"):
        read_labels(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="found no file"):
        read_image(tmp_path / "none.png")
    with pytest.raises(DataError, match="found a folder"):
        read_image(tmp_path)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(DataError, match="cannot be decoded"):
        read_image(tmp_path / "text.png")
    rng = np.random.default_rng(0)
    save(tmp_path / "whole.png", rng.integers(0, 255, (50, 50, 3)).astype(np.uint8))
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:2000])
    with pytest.raises(DataError, match=r"cut.png: .* cannot be decoded"):
        read_image(tmp_path / "cut.png")


def test_a_decompression_bomb_is_rejected_before_decoding(tmp_path):
    Image.new("1", (12_000, 12_000)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(DataError, match="at most 80,000,000 pixels"):
        read_image(tmp_path / "bomb.png")


def test_other_formats_are_not_opened(tmp_path):
    Image.new("L", (4, 4)).save(tmp_path / "x.gif")
    (tmp_path / "x.gif").rename(tmp_path / "x.png")
    with pytest.raises(DataError, match=r"x\.png: found GIF, which is not supported \(PNG, JPEG, WebP are\)"):
        read_image(Path(tmp_path / "x.png"))
