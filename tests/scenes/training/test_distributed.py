"""Two processes train as one does: the same losses, gradients and weights, and the same end."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from equipoise.scenes.training.log import read_log, read_validations
from tests.support.commands import RECIPE

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}


def work(folder: Path, how: str, *, processes: int) -> None:
    start = TORCHRUN if processes == 2 else [sys.executable, "-m"]
    command = [*start, "tests.scenes.training.distributed_worker", str(folder), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("how", ["gradient", "closed_form", "accumulated", "one_task", "frozen", "FAMO"])
def test_two_processes_equal_one(tmp_path: Path, how: str):
    """Batches of three are shared two to one; in some steps a process has no label of a task, in some neither has.

    Accumulated: two processes take each batch in two parts, which may lack a task's labels too.
    """
    if how == "FAMO":
        pytest.importorskip("torchjd")
    for processes in (1, 2):
        work(tmp_path / str(processes), how, processes=processes)
    frozen = {name: v for name, v in load_file(tmp_path / "2/model.safetensors").items() if "encoder" in name}
    for name, value in frozen.items():  # As they were drawn.
        assert not name.endswith("running_mean") or not value.any(), name
    one, two = (load_file(tmp_path / n / "model.safetensors") for n in ("1", "2"))
    assert one.keys() == two.keys()
    for name in one:
        if how == "accumulated" and name.endswith(("unit.batches", "unit.gathered")):
            continue  # In parts, units come from the first batch and are not checked later.
        torch.testing.assert_close(two[name], one[name], rtol=1e-7, atol=1e-9, msg=name)
    logs = [read_log(tmp_path / n) for n in ("1", "2")]
    assert any(entry["tasks"]["depth"]["loss"] is None for entry in logs[0]) or how == "accumulated"
    assert any(entry["tasks"]["depth"]["loss"] is not None for entry in logs[0])
    for entry, other in zip(*logs, strict=True):
        assert other["loss"] == pytest.approx(entry["loss"], rel=1e-6)
        assert other["gradient_norm"] == pytest.approx(entry["gradient_norm"], rel=1e-5)
    states = [json.loads((tmp_path / n / "checkpoints/step-00000008/state.json").read_text()) for n in ("1", "2")]
    assert states[1]["weighting"] == pytest.approx(states[0]["weighting"], rel=1e-6)
    assert bool(states[0]["weighting"]) == (how == "FAMO")


@pytest.mark.slow
def test_all_processes_stop_before_the_step_that_is_not_finite(tmp_path: Path):
    work(tmp_path / "run", "broken", processes=2)
    said = [(tmp_path / f"run/said-{rank}").read_text() for rank in (0, 1)]
    for line in said:
        assert "task 'depth'" in line
        assert "tiny/007" in line
    assert said[0].partition("(step")[2] == said[1].partition("(step")[2]
    assert not (tmp_path / "run/model.safetensors").exists()


@pytest.mark.slow
def test_one_process_validates_and_all_agree(tmp_path: Path):
    """A signal to the process that waits ends the validation in both; resumed, both stop early at the same step."""
    work(tmp_path / "run", "validated", processes=2)
    said = [json.loads((tmp_path / f"run/said-{rank}").read_text()) for rank in (0, 1)]
    assert said[0] == said[1] == [[4, 143, False, [2]], [6, 0, True, [2, 4, 6]]]
    assert [each["score"] for each in read_validations(tmp_path / "run")] == [2.0, 1.0, 1.5]
    best = tmp_path / "run/best/step-00000004/model.safetensors"
    assert (tmp_path / "run/model.safetensors").read_bytes() == best.read_bytes()


def train(home: Path, *options: str) -> subprocess.Popen[str]:
    command = [*TORCHRUN, "equipoise", "train", "recipe.toml", *options]
    return subprocess.Popen(
        command, cwd=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )


@pytest.mark.slow
def test_stopped_and_resumed_by_two_processes(home: Path):
    """Whole = stopped by SIGTERM at some step, as a scheduler does it, and resumed: to the bit."""
    (home / "recipe.toml").write_text(RECIPE.format(steps=60))
    whole = train(home, "--out", "whole")
    _, said = whole.communicate(timeout=300)
    assert whole.returncode == 0, said
    assert (home / "whole/report.html").exists()

    stopped = train(home, "--out", "parts")
    deadline = time.monotonic() + 120
    while len(read_log(home / "parts")) < 3:
        assert time.monotonic() < deadline
        assert stopped.poll() is None, stopped.communicate()
        time.sleep(0.02)
    stopped.send_signal(signal.SIGTERM)
    _, said = stopped.communicate(timeout=120)
    assert stopped.returncode != 0
    assert "continue with --resume" in said
    steps = len(read_log(home / "parts"))
    assert 3 <= steps < 60
    assert not (home / "parts/model.safetensors").exists()

    resumed = train(home, "--out", "parts", "--resume")
    _, said = resumed.communicate(timeout=300)
    assert resumed.returncode == 0, said
    assert f"at step {steps}" in said
    one, other = (load_file(home / run / "model.safetensors") for run in ("whole", "parts"))
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.slow
def test_one_process_with_broken_data_ends_both(home: Path):
    (home / "data/classes/a/2.png").write_bytes(b"no picture")
    (home / "recipe.toml").write_text(RECIPE.format(steps=60).replace("[model]", "cache = false\n[model]"))
    done = train(home)
    _, said = done.communicate(timeout=120)
    assert done.returncode != 0
    lines = [line for line in said.splitlines() if line.startswith("equipoise")]
    assert any("classes/a/2.png" in line for line in lines), said
    assert said.count("Traceback") == 1, said  # torchrun's own
    assert "exitcode  : 3" in said
    assert not (home / "runs/recipe/model.safetensors").exists()
