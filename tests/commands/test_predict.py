"""``equipoise predict`` as a user runs it: an image, a folder, a pattern; any size and mode; mistakes in one line."""

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from equipoise.commands.predicting import predicted
from equipoise.errors import DataError, OutOfMemoryError
from equipoise.scenes import load
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.files import list_files
from equipoise.scenes.outputs import writer
from tests.scenes.inference.test_predictor import write_run
from tests.support.commands import equipoise, one_line
from tests.support.photos import save, street, write_home


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return write_home(tmp_path)


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    """The lines of ``--json``, the summary last."""
    return [json.loads(line) for line in done.stdout.splitlines()]


def written(done: subprocess.CompletedProcess[str]) -> dict[str, list[str]]:
    """The files by image."""
    return {line["image"]: line["files"] for line in lines(done)[:-1] if "files" in line}


def read(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.array(picture)


def test_a_folder_of_every_kind_of_picture(home):
    """Sizes, modes, suffixes, subfolders, two of one name, EXIF rotation; what is no picture is not touched."""
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera lay on its side
    save(home / "photos/plain.png", street())
    save(home / "photos/plain.jpg", street((61, 90)))
    save(home / "photos/grey.webp", street().convert("L"))
    save(home / "photos/more/clear.PNG", street().convert("RGBA"))
    save(home / "photos/more/deep.png", Image.fromarray(np.full((50, 70), 30_000, np.uint16)))
    save(home / "photos/side.jpg", street(), exif=exif)
    save(home / "photos/tiny.png", Image.new("RGB", (1, 3)))
    (home / "photos/notes.txt").write_text("not a picture")
    street().save(home / "photos/scan.tif")
    (home / "photos/._plain.jpg").write_bytes(b"\0\5\x16\7")
    before = {p: p.read_bytes() for p in (home / "photos").rglob("*") if p.is_file()}
    done = equipoise("predict", "run", "photos", "--out", "out", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    assert len(written(done)) == 7
    summary = lines(done)[-1]["summary"]
    assert (summary["written"], summary["failed"]) == (7, 0)
    left_out = {"hidden": ["photos/._plain.jpg"], "unsupported": ["photos/scan.tif"], "videos": []}
    assert summary["left_out"] == left_out
    assert "left out 1 .tif, not supported (PNG, JPEG, WebP are): photos/scan.tif" in done.stderr
    for files in written(done).values():
        assert all((home / file).stat().st_size for file in files)
    sizes = {
        "plain_png": (70, 50), "plain_jpg": (90, 61), "grey": (70, 50), "more/clear": (70, 50), "more/deep": (70, 50),
        "side": (50, 70), "tiny": (1, 3),
    }  # fmt: skip
    for name, size in sizes.items():
        facts = json.loads((home / f"out/{name}.json").read_text())
        assert (facts["width"], facts["height"]) == size, name
        for kind in ("semantic", "instance", "disparity", "semantic_overlay", "instance_overlay", "depth_overlay"):
            with Image.open(home / f"out/{name}_{kind}.png") as picture:
                assert picture.size == size, (name, kind)
    assert {p: p.read_bytes() for p in (home / "photos").rglob("*") if p.is_file()} == before


def test_what_is_written_is_what_python_gives(home):
    path = save(home / "photos/a.png", street((61, 90)))
    assert equipoise("predict", "run", "photos/a.png", "--out", "out", cwd=home).returncode == 0
    expected = load(home / "run").predict(path)
    facts = json.loads((home / "out/a.json").read_text())
    assert np.array_equal(read(home / "out/a_semantic.png"), expected.semantic)
    assert np.array_equal(read(home / "out/a_instance.png"), expected.instance)
    stored = read(home / "out/a_disparity.png").astype(float)
    assert np.abs((stored - 1) / facts["inverse_depth"]["scale"] - expected.disparity_px).max() <= 0.51 / 256
    assert facts["inverse_depth"]["unit"] == "px"
    told = facts["instance"]["instances"]
    assert [(i["id"], i["pixels"]) for i in told] == [(i.id, i.pixels) for i in expected.instances]
    assert all(0 <= i["score"] <= 1 for i in told)


def test_a_pattern_and_what_is_there_already(home):
    for name in ("a1", "a2", "b1"):
        save(home / f"photos/{name}.png", street())
    done = equipoise("predict", "run", "photos/a*.png", "--out", "out", cwd=home)
    assert done.returncode == 0, done.stderr
    assert "2 of 2 images" in done.stdout
    assert sorted(p.name for p in (home / "out").glob("*.json")) == ["a1.json", "a2.json"]
    (home / "out/a1_semantic.png").write_bytes(b"mine")
    again = equipoise("predict", "run", "photos/a1.png", "--out", "out", cwd=home)
    assert again.returncode == 5
    assert "expected no file at" in one_line(again)
    assert (home / "out/a1_semantic.png").read_bytes() == b"mine"
    assert equipoise("predict", "run", "photos/a1.png", "--out", "out", "--overwrite", cwd=home).returncode == 0
    assert (home / "out/a1_semantic.png").read_bytes() != b"mine"


def test_one_broken_picture_does_not_stop_the_others(home):
    whole = save(home / "photos/a.png", street())
    (home / "photos/b.png").write_bytes(whole.read_bytes()[:200])
    (home / "photos/c.jpg").write_bytes(b"no picture")
    done = equipoise("predict", "run", "photos", "--out", "out", cwd=home)
    assert done.returncode == 3
    lines = [line for line in done.stderr.splitlines() if line.startswith("equipoise: ")]
    assert len(lines) == 2
    assert "photos/b.png" in lines[0]
    assert "photos/c.jpg" in lines[1]
    assert "1 of 3 images" in done.stdout
    assert (home / "out/a.json").exists()


def test_everything_stays_below_out(home):
    """Two of one name in folders named from the root on, by folder and by pattern; linked folders; its own output."""
    for name in ("s/a.jpg", "s/a.png", "t/a.jpg", "t/b.png"):
        save(home / "photos" / name, street())
    (home / "elsewhere").mkdir()
    save(home / "elsewhere/c.png", street())
    (home / "photos/linked").symlink_to(home / "elsewhere")
    (home / "photos/again").symlink_to(home / "photos")
    for given, out in ((home / "photos", "one"), (f"{home}/photos/*/a.jpg", "two")):
        done = equipoise("predict", "run", given, "--out", out, "--json", cwd=home)
        assert done.returncode == 0, done.stderr
        files = [Path(f) for some in written(done).values() for f in some]
        assert all((home / file).resolve().is_relative_to(home / out) for file in files)
    names = {p.relative_to(home / "one").with_suffix("").as_posix() for p in (home / "one").rglob("*.json")}
    assert names == {"s/a_jpg", "s/a_png", "t/a", "t/b", "linked/c"}
    assert {p.relative_to(home / "two").as_posix() for p in (home / "two").rglob("*.json")} == {"s/a.json", "t/a.json"}
    inside = equipoise("predict", "run", "photos", "--out", "photos/out", cwd=home)
    again = equipoise("predict", "run", "photos", "--out", "photos/out", "--overwrite", cwd=home)
    assert "5 of 5 images" in inside.stdout
    assert "5 of 5 images" in again.stdout
    assert equipoise("predict", "run", "photos", "--out", "photos", cwd=home).returncode == 2


def test_no_prediction_takes_the_place_of_another_file(home):
    """Names that only suffixes tell apart; links; photos that are called as predictions are."""
    for name in ("a.png", "a.jpg", "a_png.png"):
        save(home / "photos" / name, street())
    for options in ((), ("--overwrite",)):
        done = equipoise("predict", "run", "photos", "--out", "out", "--json", *options, cwd=home)
        assert done.returncode == 0, done.stderr
        files = [file for some in written(done).values() for file in some]
        assert len(files) == len(set(files)) == 21
    save(home / "one/x.png", street())
    mine = save(home / "one/x_semantic.png", street()).read_bytes()
    done = equipoise("predict", "run", "one/x.png", "--out", "one", "--overwrite", cwd=home)
    assert done.returncode == 5
    assert "expected an earlier prediction at one/x_semantic.png" in one_line(done)
    assert (home / "one/x_semantic.png").read_bytes() == mine
    (home / "linked").mkdir()
    (home / "linked/x_semantic.png").symlink_to(home / "victim")
    (home / "linked/sub").symlink_to(home / "elsewhere")
    (home / "elsewhere").mkdir()
    save(home / "two/sub/x.png", street())
    save(home / "two/y.png", street())
    for given, words in (("one/x.png", "expected no file at linked/x_semantic.png"), ("two", "found a link out of it")):
        done = equipoise("predict", "run", given, "--out", "linked", cwd=home)
        assert done.returncode == 5
        assert words in one_line(done)
    assert not (home / "victim").exists()
    assert not list((home / "elsewhere").iterdir())


def test_predictions_are_not_predicted(home):
    """Whatever way the folder of an earlier prediction is named, and wherever it lies; hidden files neither."""
    save(home / "photos/a.png", street())
    save(home / "photos/.trash/b.png", street())
    (home / "photos/notes.txt").write_text("no picture")
    (home / "link").symlink_to(home / "photos")
    for given, out in (
        (home / "photos", "photos/one"),
        ("link", home / "photos/two"),
        ("photos/**", "photos/three"),
        ("photos", "photos/four"),
    ):
        done = equipoise("predict", "run", given, "--out", out, cwd=home)
        assert done.returncode == 0, done.stderr
        assert "1 of 1 image predicted" in done.stdout
    for given, out in (("photos/*.png", "photos"), ("", "out"), ("photos/[a.png", "out")):
        assert equipoise("predict", "run", given, "--out", out, cwd=home).returncode == 2


def test_an_interrupted_prediction_can_be_overwritten_and_is_no_input(home, monkeypatch):
    """The record comes first, so that whatever lies there is known to be a prediction's."""
    path, model = save(home / "photos/a.png", street()), load(home / "run")

    def stopped(path: Path, data: bytes, **options: object) -> None:
        if path.name == "a_instance.png":
            raise KeyboardInterrupt
        write_atomic(path, data, **options)

    monkeypatch.setattr(writer, "write_atomic", stopped)
    with pytest.raises(KeyboardInterrupt):
        model.predict(path).save(home / "out", name="a")
    monkeypatch.undo()
    assert (home / "out/a_semantic_overlay.png").exists()
    assert not list_files(home / "out")
    refused = equipoise("predict", "run", "photos", "--out", "out", cwd=home)
    assert "--overwrite" in one_line(refused)
    assert equipoise("predict", "run", "photos", "--out", "out", "--overwrite", cwd=home).returncode == 0
    assert "unfinished" not in json.loads((home / "out/a.json").read_text())


def test_a_model_of_fewer_tasks_leaves_nothing_of_the_other_behind(home):
    save(home / "photos/a.png", street())
    (home / "less").mkdir()
    write_run(home / "less", ("semantic",))
    for run in ("run", "less", "run"):
        done = equipoise("predict", run, "photos", "--out", "out", "--overwrite", cwd=home)
        assert done.returncode == 0, done.stderr
        assert (home / "out/a_disparity.png").exists() == (run == "run")


def test_one_odd_picture_harms_no_other(home):
    """One whose name is too long for what is written, one whose place is taken, some that a link leads to again."""
    for name in ("a", "m" * 240, "x", "z"):
        save(home / f"photos/{name}.png", street())
    save(home / "out/x_semantic.png", street())
    (home / "photos/loop").symlink_to(".")
    done = equipoise("predict", "run", "photos/**/*.png", "--out", "out", "--json", "--overwrite", cwd=home)
    assert done.returncode == 5
    assert sorted(written(done)) == ["photos/a.png", "photos/z.png"]
    assert lines(done)[-1]["summary"]["failed"] == 2
    assert len([line for line in lines(done) if "error" in line]) == 2


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_a_picture_that_wants_all_memory_is_at_fault_alone(error):
    class Model:
        def predict(self, path: Path, **options: object) -> None:
            raise error

    with pytest.raises(DataError, match=r"bar\.png: expected a picture that fits in memory"):
        predicted(Model(), np.zeros((4, 4, 3), np.uint8), "bar.png")


def test_a_picture_for_which_the_device_has_too_little_memory_is_named():
    class Model:
        def predict(self, path: Path, **options: object) -> None:
            raise OutOfMemoryError("expected enough memory on cuda:0")

    with pytest.raises(OutOfMemoryError, match=r"bar\.png: expected enough memory on cuda:0"):
        predicted(Model(), np.zeros((4, 4, 3), np.uint8), "bar.png")


def test_what_lies_there_is_told_before_anything_is_predicted(home):
    save(home / "photos/a.png", street())
    save(home / "photos/b.png", street())
    assert equipoise("predict", "run", "photos/b.png", "--out", "out", cwd=home).returncode == 0
    refused = equipoise("predict", "run", "photos", "--out", "out", cwd=home)
    assert refused.returncode == 5
    assert "expected no file at out/b.json" in one_line(refused)
    assert not (home / "out/a.json").exists()


def test_instances_alone(tmp_path):
    (tmp_path / "run").mkdir()
    write_run(tmp_path / "run", ("instance",))
    save(tmp_path / "photos/deep/a.png", street())
    done = equipoise("predict", "run", "photos", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "objects are found where many pixels point to one place" in done.stderr
    facts = json.loads((tmp_path / "out/deep/a.json").read_text())
    assert facts["files"] == ["a_instance_overlay.png", "a_instance.png", "a_offsets.png"]
    assert facts["instance"]["grouped_by"] == "vectors"
    again = equipoise("predict", "run", "out", "--out", "more", cwd=tmp_path)
    assert "expected images" in one_line(again)  # what predict wrote is no input
