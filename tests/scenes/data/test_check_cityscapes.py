"""What is wrong with data in Cityscapes' layout, each fault with its path; labels that some images lack."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.cityscapes import CityscapesDataset
from tests.scenes.data.test_check_faults import put
from tests.support.cityscapes import save, write_cityscapes

CITY = "train/town/town_000001_000000"


def edited(path: str, edit: Callable[[np.ndarray], None], dtype: type) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        array = np.array(Image.open(root / path)).astype(dtype)
        edit(array)
        save(root / path, array)

    return apply


FINE, DISPARITY = f"gtFine/{CITY}_gtFine_", f"disparity/{CITY}_disparity.png"
CITY_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing label": (lambda r: (r / DISPARITY).unlink(), f"expected a label at {{}}/{DISPARITY}"),
    "8 bit for 16": (edited(DISPARITY, put((), 9), np.uint8), f"{DISPARITY}: expected 16 bit, found 8"),
    "8-bit instances": (
        edited(f"{FINE}instanceIds.png", put((), 26), np.uint8), f"{FINE}instanceIds.png: expected 16 bit, found 8",
    ),
    "unknown label": (edited(f"{FINE}labelIds.png", put((3, 3), 77), np.uint8), "ids 0 … 33 or 255, found 77"),
    "wrong size": (lambda r: save(r / DISPARITY, np.ones((9, 9), np.uint16)), "its image, 64x32, found 9x9"),
    "misaligned folders": (
        lambda r: (r / f"leftImg8bit/{CITY}_leftImg8bit.png").unlink(), f"{FINE}labelIds.png: expected an image",
    ),
    "instance on road": (
        edited(f"{FINE}instanceIds.png", put((slice(30, 32), slice(0, 9)), 26005), np.uint16),
        f"{FINE}instanceIds.png: expected instances on countable classes, found 26005 on road",
    ),
    "instance on another class": (
        edited(f"{FINE}instanceIds.png", put((slice(20, 28), slice(15, 20)), 24001), np.uint16),
        f"{FINE}instanceIds.png: expected instances on the class that their ids imply, found 24001 (person) on car",
    ),
    "depth out of range": (
        edited(DISPARITY, put((20, 20), 65000), np.uint16),
        f"{DISPARITY}: expected disparity of 0 … 64 px (the width of the image), found 4 … 253.9 px",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", CITY_FAULTS)
def test_each_fault_in_cityscapes_layout(tmp_path, fault):
    write_cityscapes(tmp_path)
    make, words = CITY_FAULTS[fault]
    make(tmp_path)
    report = check_split(CityscapesDataset(tmp_path, "train", strict=False))
    assert words.format(tmp_path) in report.faults[0]
    assert len(report.faults) == (3 if fault == "misaligned folders" else 1)


def test_labels_that_some_images_lack(tmp_path):
    write_cityscapes(tmp_path)
    (tmp_path / DISPARITY).unlink()
    dataset = CityscapesDataset(tmp_path, "train", optional=True)
    assert ["inverse_depth" not in dataset[i].labels for i in range(3)] == [False, True, False]
    report = check_split(dataset)
    assert report.faults == []
    assert (report.readable, report.missing) == (3, {"inverse_depth": 1})
    assert report.labels == {"semantic": 3, "instance": 3, "inverse_depth": 2}


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_images_without_a_camera_are_reported_if_others_have_one(tmp_path: Path, missing: int):
    write_cityscapes(tmp_path, "train", 3)
    for path in sorted((tmp_path / "camera").rglob("*.json"))[:missing]:
        path.unlink()
    report = check_split(CityscapesDataset(tmp_path, "train"))
    assert report.faults == []
    lines = [line for line in report.notes if "expected a camera" in line]
    assert len(lines) == (missing == 1)
    for line in lines:
        assert line.endswith("so it has no errors in metres (1 such image)")
        assert "town_000000_000000_leftImg8bit.png" in line
