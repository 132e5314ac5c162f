"""Kinds of pictures that are not read are called by their names, whatever their suffix; never broken."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import DataError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.io.images import read_image, read_labels
from equipoise.scenes.io.kinds import other_kind
from tests.support.folders import describe, write_classes, write_images


def as_pillow(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.arange(192, dtype=np.uint8).reshape(8, 8, 3)).save(buffer, kind)
    return buffer.getvalue()


def as_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.zeros((4, 4), np.float32))
    return buffer.getvalue()


KINDS = {
    "TIFF": as_pillow("TIFF"),
    "GIF": as_pillow("GIF"),
    "BMP": as_pillow("BMP"),
    "PPM": as_pillow("PPM"),
    "DDS": as_pillow("DDS"),
    r"NumPy \(NPY\)": as_array(),
    "OpenEXR": b"\x76\x2f\x31\x01\x02\0\0\0channels\0" + bytes(200),
    "Radiance HDR": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n" + bytes(4),
    "PFM": b"Pf\n1 1\n-1.0\n" + bytes(4),
    "HEIC": b"\0\0\0\x18ftypheic" + bytes(100),
    "AVIF": b"\0\0\0\x18ftypavif" + bytes(100),
    r"MP4 \(video\)": b"\0\0\0\x18ftypisom" + bytes(100),
    "DICOM": bytes(128) + b"DICM" + bytes(100),
    "PDF": b"%PDF-1.7\n",
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("read", [read_image, read_labels])
def test_each_kind_is_not_supported(tmp_path, kind, read):
    path = tmp_path / "x.png"
    path.write_bytes(KINDS[kind])
    with pytest.raises(DataError, match=rf"x\.png: found {kind}.* not supported \(PNG, JPEG, WebP are\): convert it"):
        read(path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_what_is_supported_and_broken_is_broken(tmp_path, kind):
    path = tmp_path / "x"
    path.write_bytes(as_pillow(kind))
    assert other_kind(path) == ""
    assert read_image(path).shape == (8, 8, 3)
    path.write_bytes(as_pillow(kind)[:40])
    with pytest.raises(DataError, match="cannot be decoded"):
        read_image(path)


@pytest.mark.parametrize("data", [b"", b"P", b"hello", b"BM", b"PK", b"\0\0\0\x18"])
def test_anything_else_is_no_kind(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    assert other_kind(tmp_path / "x") == ""
    assert other_kind(tmp_path / "nowhere") == ""


def test_other_kinds_among_the_data_are_counted_and_named(tmp_path):
    """In the folders of images and labels, whatever they are called there."""
    write_images(tmp_path)
    write_classes(tmp_path)
    others = ["images/7.tif", "images/8.TIF", "images/more/9.gif", "classes/7.npy"]
    for name in (*others, "images/._7.tif", "images/a.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    description = describe(tmp_path, train="fraction = 1.0", val='list = "v.txt"')
    report = check_split(FolderDataset(description, "train", strict=False))
    assert report.readable == 6
    told = "left out 2 .tif, 1 .npy, 1 .gif, not supported (PNG, JPEG, WebP are): convert what belongs to the data"
    assert report.notes == [f"{tmp_path}/classes/7.npy: {told}"]


def test_a_described_kind_that_is_not_supported(tmp_path: Path):
    (tmp_path / "images").mkdir()
    for name in ("0", "1"):
        (tmp_path / f"images/{name}.tif").write_bytes(KINDS["TIFF"])
    description = describe(tmp_path, images="images/{name}.tif", semantic=None)
    report = check_split(FolderDataset(description, "train", strict=False))
    (fault,) = report.faults
    assert "found TIFF, which is not supported (PNG, JPEG, WebP are)" in fault


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".tif", r"left out 6 \.tif, not supported \(PNG"), (".PNG", r"expected \.png, .* found \.PNG \(6 such files\)")],
)
def test_a_folder_of_nothing_but_others_says_so(tmp_path, suffix, message):
    write_images(tmp_path)
    for path in (tmp_path / "images").iterdir():
        path.rename(path.with_suffix(suffix))
    with pytest.raises(DataError, match=rf"found none for 'train': .*images/0\{suffix}: {message}"):
        FolderDataset(describe(tmp_path, semantic=None), "train")
