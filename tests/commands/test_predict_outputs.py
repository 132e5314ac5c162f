"""``equipoise predict --write`` as a user runs it, and what interrupts it."""

import json
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO

from tests.support.commands import command, environment, equipoise, one_line, reset_signals
from tests.support.photos import save, street, write_home

CAMERA = {"intrinsic": {"fx": 60.0, "fy": 61.0, "u0": 34.0, "v0": 24.0}, "extrinsic": {"baseline": 0.25}}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "camera.json").write_text(json.dumps(CAMERA))
    return write_home(tmp_path)


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # In pycocotools.
def test_everything_for_a_folder_with_a_broken_picture(home, capsys):
    for name in ("b.png", "more/c.jpg"):
        save(home / "photos" / name, street())
    (home / "photos/a.png").write_bytes(b"no picture")
    options = ("--write", "all", "--camera", "camera.json", "--farthest", "30", "--json")
    done = equipoise("predict", "run", "photos", "--out", "out", *options, cwd=home)
    assert done.returncode == 3, done.stderr
    assert "left out cityscapes: expected Cityscapes' classes, found ground, box" in done.stderr
    assert "photos/a.png" in one_line(done)
    *lines, summary = (json.loads(line) for line in done.stdout.splitlines())
    assert [line["image"] for line in lines] == ["photos/a.png", "photos/b.png", "photos/more/c.jpg"]
    assert "error" in lines[0]
    joint = ["coco_panoptic.json", "coco_images.json", "coco_instances.json", "predictions.json"]
    assert summary["summary"]["files"] == [f"out/{name}" for name in joint]
    truth = COCO(home / "out/coco_images.json")
    assert [image["file_name"] for image in truth.loadImgs(truth.getImgIds())] == ["b.png", "more/c.jpg"]
    for name in ("b", "more/c"):
        facts = json.loads((home / f"out/{name}.json").read_text())
        assert facts["camera"]["fx"] == 60.0
        assert (home / f"out/{name}.ply").stat().st_size > 15 * facts["ply"]["points"]
        for file in facts["files"]:
            assert (home / "out" / name).with_name(file).exists()
    table = json.loads((home / "out/coco_panoptic.json").read_text())
    for annotation in table["annotations"]:
        with Image.open(home / "out" / annotation["file_name"]) as picture:
            ids = np.array(picture).astype(int) @ [1, 256, 65536]
        assert {segment["id"] for segment in annotation["segments_info"]} == set(np.unique(ids)) - {0}


def test_overwriting_leaves_only_what_is_written(home):
    save(home / "photos/a.png", street())
    command = ("predict", "run", "photos", "--out", "out")
    assert equipoise(*command, "--write", "panoptic,interval", cwd=home).returncode == 0
    before = {path: path.read_bytes() for path in (home / "out").iterdir()}
    refused = equipoise(*command, "--write", "panoptic", cwd=home)
    assert (refused.returncode, {path: path.read_bytes() for path in (home / "out").iterdir()}) == (5, before)
    assert equipoise(*command, "--write", "labels", "--overwrite", cwd=home).returncode == 0
    assert {path.name for path in (home / "out").iterdir()} == {"a.json", "a_semantic.png", "a_instance.png"}


def test_ctrl_c_leaves_no_half_file(home):
    """What is written when it comes is whole: pictures open, and records list files that exist."""
    for number in range(60):
        save(home / f"photos/{number:02d}.png", street((150, 200)))
    process = subprocess.Popen(
        [*command("predict", home / "run", home / "photos", "--out", home / "out", "--json")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), preexec_fn=reset_signals,
    )  # fmt: skip
    assert process.stdout is not None
    for _ in range(3):
        assert process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    records = list((home / "out").glob("*.json"))
    assert 3 <= len(records) < 60
    assert not list((home / "out").glob(".*"))
    for record in records:
        for file in json.loads(record.read_text())["files"]:
            with Image.open(home / "out" / file) as picture:
                picture.load()
        assert "unfinished" not in json.loads(record.read_text())
