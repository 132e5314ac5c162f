"""A dry run: its numbers against known ones, its picture, and that it leaves nothing else behind."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.commands.callbacks import SILENT
from equipoise.commands.dry_run import lines, show_dry_run
from equipoise.errors import OutOfMemoryError, RunError, UsageError
from equipoise.scenes.config.recipe import ModelRecipe, read_recipe
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.dry_run import DryRun, dry_run, flops, parameter_counts, timed_step
from equipoise.scenes.training.loop import new_state
from equipoise.scenes.training.moving import Batch
from tests.scenes.training.test_loop import RECIPE as LOOP
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE, equipoise, one_line
from tests.support.tiny import VOCABULARY, TinyDataset

CROPS = "accumulate = 2\n[augmentation]\ncrop = [32, 40]\nscale = [1.0, 1.5]\n"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    write_folder(tmp_path / "data")
    (tmp_path / "r.toml").write_text(RECIPE.format(steps=1000) + CROPS)
    return tmp_path


def test_the_command_prints_costs_and_leaves_a_picture_alone(home: Path):
    before = set(home.rglob("*"))
    done = equipoise("train", "r.toml", "--dry-run", "--device", "cpu", cwd=home)
    assert done.returncode == 0, done.stderr
    said = " ".join(done.stdout.split())
    for words in ("parameters ", "encoder ", "3 log-variances", "FLOP for an image of 32x40", "2 images in 2 parts"):
        assert words in said, done.stdout
    assert "images/s): " in said
    assert " for 1,000 steps, but for reading and validation" in said
    assert set(home.rglob("*")) - before == {home / "runs", home / "runs/r-dry-run.png"}
    assert equipoise("train", "r.toml", "--dry-run", "--out", "here/run", cwd=home).returncode == 0
    assert [path.name for path in (home / "here").iterdir()] == ["run-dry-run.png"]


COSTS = DryRun(
    parameters={"encoder": 42_500_160, "shared": 15_206_656, "decoders.depth": 2_949_889, "noise": 1},
    input_size=(512, 512),
    flops_forward=1_230_000_000_000,
    flops_step=59_100_000_000_000,
    batch_size=16,
    parts=4,
    steps=100_000,
    device="cpu",
    precision="float32",
    memory_bytes=7_340_000_000,
    memory_of="counted",
    first_step_s=3.21,
    step_s=1.2,
)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, "3.21 s for the first step, 1.2 s for the second (13.3 images/s): 33.3 h for 100,000 steps"),
        ({"step_s": None}, "3.21 s for the first step (4.98 images/s): 3.72 days for 100,000 steps"),
        ({"steps": 10, "step_s": 0.0248}, "24.8 ms for the second (645 images/s): 248 ms for 10 steps"),
        ({"steps": 100, "batch_size": 1}, "1.2 s for the second (0.833 images/s): 2 min for 100 steps"),
        ({"steps": 1}, "1.2 s for 1 step,"),
    ],
)
def test_the_printed_times(changed: dict[str, Any], words: str):
    """Worked out by hand from the numbers above."""
    printed = dict(lines(replace(COSTS, **changed)))
    assert words in printed["time"]


def test_the_printed_counts():
    printed = dict(lines(COSTS))
    assert printed["parameters"] == "60.7 M (encoder 42.5 M, shared 15.2 M, depth 2.95 M), 1 log-variance"
    assert printed["forward"] == "1.23 TFLOP for an image of 512x512"
    assert printed["step"] == "59.1 TFLOP for 16 images in 4 parts"
    assert printed["memory"] == "7.34 GB (counted)"


def test_a_picture_that_cannot_be_written_is_refused_before_the_step(home: Path, monkeypatch: pytest.MonkeyPatch):
    def step(*arguments: object) -> None:
        raise AssertionError("a step was taken")

    monkeypatch.setattr("equipoise.commands.dry_run.dry_run", step)
    (home / "taken-dry-run.png").mkdir()
    (home / "file").touch()
    recipe = read_recipe(home / "r.toml")
    for out, words in (("taken", "found a folder: choose another"), ("file/run", "found: Not a directory: choose")):
        with pytest.raises(RunError, match=rf"--out: expected .* {words}"):
            show_dry_run(recipe, home / out, torch.device("cpu"), json=False)
    assert not (home / "runs").exists()


def test_too_little_memory_names_the_step(home: Path, monkeypatch: pytest.MonkeyPatch):
    def step(*arguments: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    recipe = read_recipe(home / "r.toml")
    state, cpu = new_state(recipe, TinyDataset(), None, torch.device("cpu"), "float32"), torch.device("cpu")
    batch = Batch(images=torch.zeros(1, 3, 32, 40), targets={}, rows={}, epoch=0, names=())
    monkeypatch.setattr("equipoise.scenes.runs.dry_run.training_step", step)
    with pytest.raises(
        OutOfMemoryError, match="on cpu for a training step of 1 image of 32x40 px in float32, found too"
    ):
        timed_step(state, [batch], recipe, "float32", cpu)


def test_as_json(home: Path):
    done = equipoise("train", "r.toml", "--dry-run", "--json", "--device", "cpu", cwd=home)
    found = json.loads(done.stdout)
    assert found["input_size"] == [32, 40]
    assert (found["batch_size"], found["parts"], found["steps"]) == (2, 2, 1000)
    assert found["flops_step"] > 2 * found["flops_forward"] > 0
    assert found["memory_bytes"] > 1e7
    assert found["step_s"] > 0
    assert Path(home / found["picture"]).exists()


def test_the_picture_shows_the_batch_after_augmentation(home: Path):
    recipe = read_recipe(home / "r.toml")
    _, drawn = dry_run(recipe, SILENT, torch.device("cpu"))
    _, again = dry_run(recipe, SILENT, torch.device("cpu"))
    assert np.array_equal(drawn, again)
    _, other = dry_run(recipe.with_training(seed=1), SILENT, torch.device("cpu"))
    assert drawn.shape[1] == other.shape[1] > 3 * 320
    assert not np.array_equal(drawn[: other.shape[0]], other[: drawn.shape[0]])
    Image.fromarray(drawn).verify()


def test_parameters_are_those_of_the_network():
    model = SceneModel(describe(LOOP, VOCABULARY))
    counts = parameter_counts(model)
    assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
    assert counts["noise"] == 3
    assert counts["decoders.semantic"] == 80 * 16 * 9 + 2 * 16 + 16 * 3 + 3


def test_flops_of_a_resnet():
    """ResNet-50 has 4.09 G multiply-adds at 224 px and stride 32, its classifier's 2 M included."""
    recipe = replace(LOOP, tasks=("depth",), model=ModelRecipe(encoder_name="resnet50", output_stride=16))
    with torch.device("meta"):
        model = SceneModel(describe(recipe, VOCABULARY))
        batch = Batch(
            images=torch.zeros(2, 3, 224, 224, dtype=torch.uint8),
            targets={"depth": torch.zeros(2, 1, 224, 224)},
            rows={"depth": torch.zeros(2, dtype=torch.int64)},
            epoch=0.0,
            names=("a", "b"),
        )
    forward, step = flops(recipe, model, [batch])
    stage_4 = 2 * 49 * (1024 * 512 + 512 * 512 * 9 + 512 * 2048 + 1024 * 2048 + 2 * (2 * 512 * 2048 + 512 * 512 * 9))
    at_16 = 14 * 14
    head = 2 * at_16 * (2048 * 128 * (1 + 27) + 640 * 128 * 9 + 128) + 2 * 2048 * 128
    # At stride 16 the last stage works on four times as many places, but for its first 1x1, which did before.
    expected = 2 * 4.089e9 - 2 * 2048 * 1000 + 3 * (stage_4 - 2 * 49 * 1024 * 512) + head
    assert forward == pytest.approx(expected, rel=0.01)
    assert step == pytest.approx(6 * forward, rel=0.03)  # Two images; the backward pass costs twice the forward one.


@pytest.mark.parametrize("option", ["--resume", "--overwrite"])
def test_mistakes(home: Path, option: str):
    failed = equipoise("train", "r.toml", "--dry-run", option, cwd=home)
    assert failed.returncode == UsageError.exit_status
    assert "--dry-run: expected neither" in one_line(failed)
    alone = equipoise("train", "r.toml", "--json", cwd=home)
    assert "--json: expected it with --dry-run" in one_line(alone)
    many = equipoise("train", "r.toml", "--dry-run", cwd=home, WORLD_SIZE=2)
    assert many.returncode != 0
    assert not (home / "runs").exists()
