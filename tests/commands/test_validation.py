"""Validation during training and longer runs, as a user starts, stops and resumes them: real processes."""

import csv
import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from equipoise.scenes.training.log import read_log, read_validations
from tests.support.cityscapes import write_cityscapes
from tests.support.commands import RECIPE, command, environment, equipoise, one_line, reset_signals

CONSTANT = '[optimizer]\nschedule = "constant"\n'


def write_recipe(home: Path, steps: int, training: str = "", rest: str = CONSTANT) -> None:
    (home / "recipe.toml").write_text(RECIPE.format(steps=steps) + training + "\n" + rest)


def train(home: Path, *options: object) -> subprocess.CompletedProcess[str]:
    return equipoise("train", "recipe.toml", "--out", "run", *options, cwd=home)


def record(home: Path) -> dict:
    return json.loads((home / "run/run.json").read_text())


def test_the_run_ends_with_the_best_model(home):
    """Its figures are those that were validated, the record and the page say which step it is of."""
    write_recipe(home, 8, 'validate_every = 2\nbest_by = "depth.rmse"')
    done = train(home)
    assert done.returncode == 0, done.stderr
    found = read_validations(home / "run")
    assert [each["step"] for each in found] == [2, 4, 6, 8]
    best = min(found, key=lambda each: each["figures"]["depth.rmse"])
    assert f"the model is that of step {best['step']}, the best of 4 validations by depth.rmse" in done.stderr
    model = record(home)["model"]
    assert model == {"step": best["step"], "of": 8, "chosen": "best", "score": best["score"], "validations": 4}
    figures = json.loads((home / "run/metrics.json").read_text())["tasks"]
    for name, value in best["figures"].items():
        task, figure = name.split(".")
        assert figures[task][figure] == value, name
    weights = home / f"run/best/step-{best['step']:08d}/model.safetensors"
    assert (home / "run/model.safetensors").read_bytes() == weights.read_bytes()
    with (home / "run/validation.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["depth.rmse"]) for row in rows] == [each["figures"]["depth.rmse"] for each in found]
    page = (home / "run/report.html").read_text()
    assert f"those of the model of step {best['step']} of 8, which was chosen by its depth.rmse" in page
    assert "depth, rmse, 1/m" in page
    assert (home / "run/best").is_dir()
    assert train(home, "--overwrite", "--steps", "1").returncode == 0
    assert [path.name for path in (home / "run/best").iterdir()] == ["step-00000001"]
    assert [each["step"] for each in read_validations(home / "run")] == [1]


def test_several_data_sets_are_validated_by_name(home):
    write_cityscapes(home / "city", "train", 2)
    write_cityscapes(home / "city", "val", 1)
    also = '[also.city]\nkind = "cityscapes"\npath = "city"\n'
    write_recipe(home, 2, 'validate_every = 1\nbest_by = "semantic.mean_iou"', also)
    text = (home / "data/data.toml").read_text()
    (home / "data/data.toml").write_text(text[: text.index("[instance]")])
    refused = train(home)
    assert refused.returncode == 4
    assert "found 'semantic.mean_iou': did you mean 'data.semantic.mean_iou'" in one_line(refused).replace(
        "city", "data"
    )
    assert not (home / "run/run.json").exists()
    write_recipe(home, 2, 'validate_every = 1\nbest_by = "city.depth.mae"', also)
    done = train(home)
    assert done.returncode == 0, done.stderr
    figures = read_validations(home / "run")[0]["figures"]
    assert {"data.semantic.mean_iou", "city.semantic.mean_iou", "city.depth.mae"} <= figures.keys()
    assert "data.depth.mae" not in figures
    assert "data, val: there are no labels for instance and depth, and so no validation" in done.stderr
    assert "city: depth, disparity error, px" in (home / "run/report.html").read_text()


@pytest.mark.slow
def test_a_signal_during_validation(home):
    """A validation that would take long ends at once, and the resumed run is the uninterrupted one."""
    write_recipe(home, 4, "validate_every = 2")
    assert equipoise("train", "recipe.toml", "--out", "whole", cwd=home).returncode == 0
    process = subprocess.Popen(
        [*command()[:2], SLOW, "train", "recipe.toml", "--out", "run"],
        cwd=home, stderr=subprocess.PIPE, text=True, env=environment(), preexec_fn=reset_signals,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(read_log(home / "run")) < 2:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.05)
    time.sleep(0.3)
    sent = time.monotonic()
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 143, said
    assert time.monotonic() - sent < 10
    assert "stopped after step 2 and saved in run: continue with --resume" in said
    assert "Traceback" not in said
    assert read_validations(home / "run") == []
    resumed = train(home, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    histories = [[(v["step"], v["figures"]) for v in read_validations(home / name)] for name in ("whole", "run")]
    assert histories[0] == histories[1]
    one, other = (load_file(home / name / "model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(one[key], other[key]) for key in one)


SLOW = """
import time
from equipoise.scenes.evaluation import evaluator
from equipoise.commands.main import main
located = evaluator.located
def slowly(*given, **named):
    for pair in located(*given, **named):
        time.sleep(1.0)
        yield pair
evaluator.located = slowly
main()
"""
"""The command, with an evaluation that takes its time over each image."""


def test_a_finished_run_is_lengthened(home):
    write_recipe(home, 3, "checkpoint_every = 2")
    assert train(home).returncode == 0
    longer = train(home, "--resume", "--steps", "6")
    assert longer.returncode == 0, longer.stderr
    assert "lengthened from 3 to 6 steps" in longer.stderr
    assert record(home)["changed"] == [{"key": "training.steps", "from": 3, "to": 6}]
    assert (record(home)["steps"], record(home)["steps_done"], record(home)["model"]["step"]) == (6, 6, 6)
    assert json.loads((home / "run/recipe.json").read_text())["training"]["steps"] == 6
    assert "training.steps from 3 to 6" in (home / "run/report.html").read_text()
    forgotten = train(home, "--resume")
    assert forgotten.returncode == 5
    assert "give --steps 6" in one_line(forgotten)


def test_a_run_that_cannot_be_lengthened_is_left_as_it_was(home):
    write_recipe(home, 2, "", "")
    assert train(home).returncode == 0
    before = {path: path.read_bytes() for path in (home / "run").rglob("*") if path.is_file()}
    refused = train(home, "--resume", "--steps", "4")
    assert refused.returncode == 5
    assert "its cosine schedule" in one_line(refused)
    assert {path: path.read_bytes() for path in (home / "run").rglob("*") if path.is_file()} == before


def test_the_model_of_a_run_that_was_lengthened_and_stopped(home):
    """It is the earlier one, and whoever evaluates it is told."""
    write_recipe(home, 2)
    assert train(home).returncode == 0
    later = record(home) | {"steps": 9, "steps_done": 5}
    (home / "run/run.json").write_text(json.dumps(later))
    done = equipoise("evaluate", "run", "--no-baselines", cwd=home)
    assert done.returncode == 0
    assert "training stopped at step 5 of 9: the model is still that of the first 2 steps" in done.stderr
