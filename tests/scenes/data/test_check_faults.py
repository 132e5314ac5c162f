"""Each mistake in a described folder is reported once, with its path."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.scenes.data.test_check import checked, labels
from tests.support.cityscapes import DESCRIPTION, save, write_folder


def cut(root: Path) -> None:
    rng = np.random.default_rng(0)
    save(root / "rgb/a/0.png", rng.integers(0, 255, (24, 33, 3)).astype(np.uint8))
    data = (root / "rgb/a/0.png").read_bytes()
    (root / "rgb/a/0.png").write_bytes(data[: len(data) // 2])


def bomb(root: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(root / "rgb/a/0.png")


def changed(kind: str, edit: Callable[[np.ndarray], None], dtype: type = np.uint8) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        array = np.array(Image.open(labels(root, kind))).astype(dtype)
        edit(array)
        save(labels(root, kind), array)

    return apply


def put(place: tuple, value: int) -> Callable[[np.ndarray], None]:
    def edit(array: np.ndarray) -> None:
        array[place] = value

    return edit


def flip(root: Path) -> None:
    data = bytearray(labels(root, "classes").read_bytes())
    data[-14] ^= 0x10  # in the checksum of the pixels
    labels(root, "classes").write_bytes(data)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing label": (lambda r: labels(r, "classes").unlink(), "expected a semantic label at"),
    "truncated image": (cut, "cannot be decoded"),
    "wrong size": (lambda r: save(labels(r, "classes"), np.zeros((9, 9), np.uint8)), "expected the size of its image"),
    "8 bit for 16, depth": (changed("depth", put((0, 0), 255)), "expected 16 bit, found 8 (mode L)"),
    "8 bit for 16, instances": (changed("objects", put((0, 0), 255)), "expected 16 bit, found 8 (mode L)"),
    "a byte changed": (flip, "expected an intact PNG, found a wrong checksum"),
    "cut at the end": (
        lambda r: labels(r, "depth").write_bytes(labels(r, "depth").read_bytes()[:-9]),
        "expected an intact PNG, found a truncated one",
    ),
    "a link to nothing": (lambda r: relink(r / "rgb/a/0.png", "none"), "expected a picture, found a link to nothing"),
    "a link to itself": (
        lambda r: relink(labels(r, "depth"), "0.png"),
        "cannot be decoded (Too many levels of symbolic links)",
    ),
    "a link out of the root": (
        lambda r: relink(labels(r, "depth"), "/etc/hostname"),
        "leads out of it, through a link: use the link's target",
    ),
    "negative depth": (
        lambda r: (r / "data.toml").write_text(DESCRIPTION.replace("divisor", "offset = -4001\ndivisor")),
        "depth/a/0.png: expected depth of 0 or more, found -0.001 for the stored number 4000",
    ),
    "wrong mode": (lambda r: save(labels(r, "objects"), np.zeros((24, 33, 3), np.uint8)), "one number per pixel"),
    "labels as JPEG": (lambda r: Image.new("L", (33, 24)).save(labels(r, "classes"), "JPEG"), "expected labels as PNG"),
    "unknown label value": (changed("classes", put((3, 3), 99)), "found 99"),
    "not decodable": (lambda r: (r / "rgb/a/0.png").write_text("hello"), "cannot be decoded"),
    "image bomb": (bomb, "at most 80,000,000 pixels"),
    "instance on a class not counted": (
        changed("objects", put((slice(18, 22), slice(0, 9)), 9000), np.uint16),
        "objects/a/0.png: expected instances on countable classes, found 9000 on ground",
    ),
    "instance without a class": (
        changed("classes", put((slice(10, 16), slice(4, 12)), 255)),
        "objects/a/0.png: expected instances on countable classes, found 7000 without a class label",
    ),
    "depth out of range": (
        changed("depth", put((20, 20), 1), np.uint16),
        "depth/a/0.png: expected depth of 0.01 … 10,000 m, found 0.001 … 4 m",
    ),
    "no class at all": (changed("classes", put((slice(None),), 255)), "found 7000 without a class label"),
    "misaligned folders": (
        lambda r: shutil.copy(labels(r, "classes"), r / "classes/a/99.png"),
        "expected an image for this semantic label",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_with_its_path(tmp_path, fault):
    description = write_folder(tmp_path)
    make, words = FAULTS[fault]
    make(tmp_path)
    report = checked(description)
    assert len(report.faults) == (2 if fault == "negative depth" else 1), report.faults
    assert words in report.faults[0]
    assert "a/0" in report.faults[0] or "a/99" in report.faults[0]
