"""Several processes use one folder: one writes, the others get an error; none damages another's files."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from equipoise.scenes.training.log import read_log
from tests.scenes.inference.test_predictor import write_run
from tests.support.cityscapes import save
from tests.support.commands import RECIPE, command, environment, equipoise, one_line


def started(home: Path, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*arguments), cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not path.exists() or not path.stat().st_size:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


@pytest.mark.slow
def test_a_run_that_still_runs_is_left_alone(home: Path):
    (home / "recipe.toml").write_text(RECIPE.format(steps=300))
    first = started(home, "train", "recipe.toml", "--out", "run")
    wait_for(home / "run/log.jsonl", first)
    for option in ("--resume", "--overwrite"):
        done = equipoise("train", "recipe.toml", "--out", "run", option, "--steps", "300", cwd=home)
        assert done.returncode == 5
        assert "found another process there" in one_line(done)
    first.terminate()
    _, said = first.communicate(timeout=120)
    assert first.returncode == 143, said
    steps = [entry["step"] for entry in read_log(home / "run")]
    assert steps == list(range(1, len(steps) + 1))
    assert equipoise("train", "recipe.toml", "--out", "run", "--overwrite", "--steps", "2", cwd=home).returncode == 0


@pytest.mark.slow
def test_one_demo_at_a_time(tmp_path: Path):
    """At every stage of a demo, a second one in the same folder is rejected and changes nothing."""
    first = started(tmp_path, "demo", "--out", "here", "--train", 40, "--val", 4, "--steps", 2)
    seen = ("streets/.unfinished/leftImg8bit/*/*/*.png", "log.jsonl", "pictures/*.png")
    for pattern in seen:
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob(f"here/{pattern}")):
            assert time.monotonic() < deadline
            assert first.poll() is None, first.communicate()
            time.sleep(0.02)
        first.send_signal(signal.SIGSTOP)
        second = equipoise("demo", "--out", "here", "--train", 10, "--val", 2, "--steps", 1, cwd=tmp_path)
        first.send_signal(signal.SIGCONT)
        assert second.returncode == 5
        assert "found another process there" in one_line(second)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said


@pytest.mark.slow
def test_one_set_of_streets_at_a_time(tmp_path: Path):
    arguments = ("generate", "out", "--val", 0, "--size", "64x128", "--workers", 1)
    first = started(tmp_path, *arguments, "--train", 60)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob("out/.unfinished/leftImg8bit/*/*/*.png")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    first.send_signal(signal.SIGSTOP)
    second = equipoise(*arguments, "--train", 3, cwd=tmp_path)
    first.send_signal(signal.SIGCONT)
    assert second.returncode == 5
    assert "found another process there" in one_line(second)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert json.loads((tmp_path / "out/streets.json").read_text())["train"] == 60
    assert len(list((tmp_path / "out/leftImg8bit").rglob("*.png"))) == 60


@pytest.mark.slow
def test_one_cache_for_runs_that_start_together(tmp_path: Path):
    """Three processes create each of thirty caches at the same time: each is made once and valid for all."""
    program = """
import sys
from pathlib import Path
from equipoise.scenes.data.cache import CachedDataset
from tests.support.tiny import TinyDataset
made = 0
def count():
    global made
    made += 1
for size in range(30, 60):
    dataset = CachedDataset(TinyDataset(3), (size, 40), Path(sys.argv[1]) / str(size), progress=count)
    assert dataset[2].image.shape == (size, 40, 3)
print(made)
"""
    starts = [sys.executable, "-c", program, str(tmp_path)]
    processes = [
        subprocess.Popen(starts, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment())
        for _ in range(3)
    ]
    ends = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0, 0], ends
    assert sum(int(said) for said, _ in ends) == 30 * 3


@pytest.mark.slow
def test_two_predictions_into_one_folder(home: Path):
    """The second is refused, whether it comes in the middle or too late, and the first one's files are whole."""
    (home / "model").mkdir()
    write_run(home / "model", ("semantic", "instance", "depth"))
    for name in range(60):
        save(home / f"photos/{name}.png", np.full((64, 96, 3), name, np.uint8))
    arguments = ("predict", "model", "photos", "--out", "out", "--write", "labels,panoptic")
    first = started(home, *arguments)
    wait_for(home / "out/0.json", first)
    first.send_signal(signal.SIGSTOP)
    for option in ((), ("--overwrite",)):
        second = equipoise(*arguments, *option, cwd=home)
        assert second.returncode == 5
        assert "found another process there" in one_line(second)
    first.send_signal(signal.SIGCONT)
    _, said = first.communicate(timeout=120)
    assert first.returncode == 0, said
    assert len(json.loads((home / "out/coco_panoptic.json").read_text())["images"]) == 60
    records = [json.loads((home / f"out/{name}.json").read_text()) for name in range(60)]
    assert not any(record.get("unfinished") for record in records)
    assert not list((home / "out").glob(".*"))
    both = [started(home, "predict", "model", "photos", "--out", "new") for _ in range(2)]
    ended = sorted((process.communicate(timeout=120)[1], process.returncode)[1] for process in both)
    assert ended == [0, 5]
