"""The contact sheet: all splits and sets, with the colours of their classes."""

import numpy as np

from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import Camera
from equipoise.scenes.labels.inverse_depth import depth_caption
from equipoise.scenes.visual.contact_sheet import contact_sheet
from tests.commands.test_check_processes import run
from tests.scenes.data.test_check_cityscapes import DISPARITY
from tests.support.cityscapes import write_cityscapes, write_folder


def test_contact_sheet(tmp_path):
    write_folder(tmp_path / "data")
    write_cityscapes(tmp_path / "city")
    (tmp_path / "city" / DISPARITY).unlink()
    folder = FolderDataset(tmp_path / "data/data.toml", "train")
    sheet = contact_sheet({"train": folder})
    assert sheet.shape[1] == 4 * 320 + 3 * 6
    assert sheet.std() > 10
    city = CityscapesDataset(tmp_path / "city", "train", optional=True)
    both = contact_sheet({"data": folder, "city": city})
    assert len(both) > len(sheet)  # two rows more, and the other classes' colours
    colors = {tuple(color) for color in both.reshape(-1, 3).tolist()}
    assert {c.color for c in city.vocabulary.classes} <= colors
    assert contact_sheet({}) is None


def test_a_sheet_that_nobody_asked_for_may_fail(tmp_path):
    description = write_folder(tmp_path / "data")
    for home, told in (("cache", "contact sheet, to look at"), ("data/data.toml", "no contact sheet")):
        done = run("check", description, XDG_CACHE_HOME=tmp_path / home)
        assert done.returncode == 0, done.stderr
        assert told in done.stdout
    assert (tmp_path / "cache/equipoise/sheets/data.png").exists()


def test_depth_is_said_in_metres_where_they_are_known():
    disparity = np.array([[1.0, 2.0, 10.0], [0.0, np.nan, 5.0]], np.float32)
    camera = Camera(fx=100.0, baseline_m=0.2)
    told = "disparity 1 … 10 px, median 3.5 px"
    assert depth_caption(disparity, "px") == depth_caption(disparity, "px", Camera(fx=100.0)) == told
    assert depth_caption(disparity, "px", camera) == f"{told} (depth 2 … 20 m, median 7 m)"
    assert depth_caption(1 / np.array([2.0, 4.0, 9.0], np.float32), "1/m") == "depth 2 … 9 m, median 4 m"
    assert depth_caption(disparity, "relative") == "relative depth (larger is nearer) 1 … 10, median 3.5"
    assert depth_caption(np.full((2, 2), np.nan, np.float32), "1/m") == "no depth"
