"""The contact sheet: all splits and sets, with the colours of their classes."""

from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.sheet import contact_sheet
from tests.scenes.data.test_check import run
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
