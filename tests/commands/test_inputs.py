"""Which pictures predict takes, and what it says of the others."""

from pathlib import Path

import pytest

from equipoise.commands.inputs import found_images
from equipoise.errors import UsageError


@pytest.fixture
def photos(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.JPG", "more/c.webp", "d.tif", "e.TIF", "more/f.gif", "g.npy", "notes.txt", "i.mp4"):
        (tmp_path / "photos" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "photos" / name).touch()
    for name in ("._a.png", ".trash/h.png", ".trash/h.tif", ".DS_Store"):
        (tmp_path / "photos" / name).parent.mkdir(exist_ok=True)
        (tmp_path / "photos" / name).touch()
    return tmp_path / "photos"


def test_what_a_folder_holds_besides_is_counted_and_named(photos):
    inputs = found_images("photos", Path("out"))
    assert sorted(inputs.names.values()) == ["a", "b", "more/c"]
    unsupported, hidden, videos = inputs.left_out()
    told = "left out 2 .tif, 1 .npy, 1 .gif, not supported (PNG, JPEG, WebP are)"
    assert unsupported == f"{told}: photos/d.tif, photos/e.TIF, photos/g.npy and 1 more"
    assert hidden == "left out 2 hidden pictures: photos/._a.png, photos/.trash/h.png"
    assert videos == "left out 1 .mp4, videos, which are read if named: photos/i.mp4"
    assert inputs.skipped() == {
        "hidden": ["photos/._a.png", "photos/.trash/h.png"],
        "unsupported": ["photos/d.tif", "photos/e.TIF", "photos/g.npy", "photos/more/f.gif"],
        "videos": ["photos/i.mp4"],
    }


@pytest.mark.parametrize("pattern", ["photos/*.[tT]*", "photos/more/*.gif"])
def test_none_but_unsupported_pictures(photos, pattern):
    (photos / "notes.txt").unlink()
    with pytest.raises(UsageError, match=r"found none; left out \d \.(tif|gif), not supported \(PNG, JPEG, WebP are\)"):
        found_images(pattern, Path("out"))


def test_a_pattern_counts_what_it_names(photos):
    inputs = found_images("photos/*", Path("out"))
    assert sorted(inputs.names.values()) == ["a", "b"]
    assert len(inputs.unsupported) == 3
    assert not list(found_images("photos/a.png", Path("out")).left_out())


def test_names_of_the_files_about_all_images_are_left_free(photos):
    for name in ("predictions.png", "coco_images.jpg"):
        (photos / name).touch()
    assert {"predictions_png", "coco_images_jpg"} <= set(found_images("photos", Path("out")).names.values())
    assert list(found_images("photos/predictions.png", Path("out")).names.values()) == ["predictions_png"]
