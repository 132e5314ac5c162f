"""Validation during training: it changes nothing that is trained, and resumes to the bit."""

import json
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from equipoise.errors import DataError, RunError
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.checkpoint import write_checkpoint
from equipoise.scenes.training.log import read_log
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.validator import Figures, ValidationPlan
from tests.scenes.training.test_loop import likelihoods
from tests.scenes.training.validated import (
    MAE,
    real_plan,
    recipe,
    run,
    run_scripted,
    same,
    scripted,
    signal_at,
    validations,
)
from tests.support.tiny import TinyDataset


@pytest.mark.parametrize("update", ["gradient", "closed_form"])
def test_training_is_the_same_with_and_without_validation(tmp_path: Path, update: str):
    """Weights, running means of BatchNorm, units, noise, the log, and every random generator."""
    found = {}
    for name in ("with", "without"):
        random.seed(1)
        np.random.seed(2)
        chosen = replace(recipe(6), likelihood=likelihoods(update))
        if name == "without":
            chosen = replace(chosen, training=replace(chosen.training, validate_every=0))
        outcome = run(chosen, tmp_path / name, real_plan(chosen) if name == "with" else None)
        assert all(module.training for module in outcome.model.modules())
        log = [{**entry, "seconds": 0, "images_per_second": 0} for entry in read_log(tmp_path / name)]
        generators = (torch.get_rng_state().tolist(), random.getstate(), np.random.get_state()[1].tolist())
        found[name] = (outcome.model.state_dict(), log, generators)
    assert same(found["with"][0], found["without"][0])
    assert found["with"][1:] == found["without"][1:]
    assert len(validations(tmp_path / "with")) == 3
    assert not (tmp_path / "without/validation.jsonl").exists()


@pytest.mark.parametrize(("update", "stop_at"), [("closed_form", 3), ("gradient", 6)])
def test_resume_is_bit_exact_with_validation_in_between(tmp_path: Path, update: str, stop_at: int):
    """Stopped between two validations, or by a signal that comes when one is due."""
    chosen = replace(recipe(7), likelihood=likelihoods(update))
    plan = real_plan(chosen)
    whole = run(chosen, tmp_path / "whole", plan)
    stopped = run(chosen, tmp_path / "parts", plan, on_log=signal_at(stop_at))
    assert (stopped.step, stopped.exit_status, stopped.model_step) == (stop_at, 143, None)
    assert [each["step"] for each in stopped.validations] == list(range(2, stop_at, 2))
    resumed = run(chosen, tmp_path / "parts", plan, resume=True)
    assert same(whole.model.state_dict(), resumed.model.state_dict())
    assert validations(tmp_path / "whole") == validations(tmp_path / "parts")
    assert [each["step"] for each in validations(tmp_path / "parts")] == [2, 4, 6, 7]
    assert whole.model_step == resumed.model_step
    weights = [load_file(tmp_path / name / "model.safetensors") for name in ("whole", "parts")]
    assert same(*weights)


def test_a_signal_during_the_last_validation(tmp_path: Path):
    """Saved without it, not finished; resumed, the validation is made, and then the run ends."""
    chosen = recipe(4)
    images: list[int] = []

    def interrupted(model: SceneModel, on_image: Callable[[], None]) -> Figures:
        for _ in range(3):
            images.append(len(images))
            if len(images) == 5:
                signal.raise_signal(signal.SIGINT)
            on_image()
        return {"depth.mae": 1.0}

    plan = ValidationPlan(selection=MAE, figures=interrupted)
    stopped = run(chosen, tmp_path / "run", plan)
    assert (stopped.step, stopped.exit_status, stopped.model_step) == (4, 130, None)
    assert len(images) == 5, "the image at work is finished, no other one is begun"
    assert all(module.training for module in stopped.model.modules())
    assert not (tmp_path / "run/model.safetensors").exists()
    assert [each["step"] for each in validations(tmp_path / "run")] == [2]
    resumed = run(chosen, tmp_path / "run", plan, resume=True)
    assert [each["step"] for each in validations(tmp_path / "run")] == [2, 4]
    assert (resumed.exit_status, resumed.model_step) == (0, 2)


def test_a_signal_during_a_validation_that_was_due_from_before(tmp_path: Path):
    """Twice interrupted at the same step: no step is made without its validation."""
    chosen, plan = recipe(6), real_plan(recipe(6))
    run(chosen, tmp_path / "run", plan, on_log=signal_at(4))

    def interrupted(model: SceneModel, on_image: Callable[[], None]) -> Figures:
        signal.raise_signal(signal.SIGTERM)
        on_image()
        raise AssertionError("expected the signal to end this")

    again = run(chosen, tmp_path / "run", replace(plan, figures=interrupted), resume=True)
    assert (again.step, again.exit_status) == (4, 143)
    whole = run(chosen, tmp_path / "whole", plan)
    resumed = run(chosen, tmp_path / "run", plan, resume=True)
    assert validations(tmp_path / "whole") == validations(tmp_path / "run")
    assert same(whole.model.state_dict(), resumed.model.state_dict())


def test_early_stopping(tmp_path: Path):
    said: list[str] = []
    values = [3.0, 2.0, 2.5, 2.0, 1.0]
    outcome = run_scripted(tmp_path / "run", values, said, early_stopping=2)
    assert (outcome.step, outcome.model_step, outcome.stopped_early, outcome.exit_status) == (8, 4, True, 0)
    assert "stopping early at step 8 of 10: no better depth.mae in 2 validations" in said
    assert (tmp_path / "run/checkpoints/step-00000008").is_dir()
    again = run(recipe(10, early_stopping=2), tmp_path / "run", scripted({}, lambda: 0), resume=True)
    assert (again.step, again.model_step, again.stopped_early) == (8, 4, True), "it stays stopped"


def test_early_stopping_counts_on_after_resuming(tmp_path: Path):
    """One validation without improvement before the signal and one after it make two."""
    values = {2: 1.0, 4: 2.0, 6: 3.0, 8: 0.1}
    logged = [0]

    def on_log(entry: dict) -> None:
        logged[0] = entry["step"]
        if entry["step"] == 5 and not resumed:
            signal.raise_signal(signal.SIGTERM)

    plan, chosen, resumed = scripted(values, lambda: logged[0]), recipe(8, early_stopping=2), False
    assert run(chosen, tmp_path / "run", plan, on_log=on_log).step == 5
    resumed = True
    ended = run(chosen, tmp_path / "run", plan, resume=True, on_log=on_log)
    assert (ended.step, ended.model_step, ended.stopped_early) == (6, 2, True)


def test_speed_does_not_count_validation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A validation of an hour leaves the images a second as they are."""
    clock = [0.0]
    monkeypatch.setattr("time.perf_counter", lambda: clock[0])

    def slow(model: SceneModel, on_image: Callable[[], None]) -> Figures:
        clock[0] += 3600.0
        return {"depth.mae": 1.0}

    train(
        recipe(6), TinyDatasetAt(clock), tmp_path, precision="float32",
        validation=ValidationPlan(selection=MAE, figures=slow),
    )  # fmt: skip
    assert {entry["images_per_second"] for entry in read_log(tmp_path)} == {1.0}


class TinyDatasetAt(TinyDataset):
    """Every image takes a second to read."""

    def __init__(self, clock: list[float]) -> None:
        super().__init__()
        self.clock = clock

    def __getitem__(self, index: int):
        self.clock[0] += 1.0
        return super().__getitem__(index)


def test_a_run_that_stopped_early_is_not_lengthened(tmp_path: Path):
    run_scripted(tmp_path / "run", [1.0, 2.0, 3.0], early_stopping=1)
    with pytest.raises(RunError, match=r"it stopped early, as 1 validation brought no improvement"):
        run(recipe(20, early_stopping=1), tmp_path / "run", scripted({}, lambda: 0), resume=True)


def test_lengthening_goes_on_validating(tmp_path: Path):
    """The validation at the old end stays, and the best model may be the one from before."""
    run_scripted(tmp_path / "run", [2.0, 1.0])
    longer = run(recipe(8), tmp_path / "run", scripted({6: 3.0, 8: 2.0}, iter([6, 8]).__next__), resume=True)
    assert [each["step"] for each in longer.validations] == [2, 4, 6, 8]
    assert (longer.step, longer.model_step) == (8, 4)


def test_a_broken_validation_image_loses_no_step(tmp_path: Path):
    def broken(model: SceneModel, on_image: Callable[[], None]) -> Figures:
        raise DataError("val/3.png: expected a PNG, found something else")

    with pytest.raises(DataError, match="val/3"):
        run(recipe(4), tmp_path / "run", ValidationPlan(selection=MAE, figures=broken))
    assert (tmp_path / "run/checkpoints/step-00000002").is_dir()
    mended = run(recipe(4), tmp_path / "run", scripted({2: 1.0, 4: 2.0}, iter([2, 4]).__next__), resume=True)
    assert [each["step"] for each in mended.validations] == [2, 4]
    assert mended.model_step == 2


def test_a_run_from_before_there_was_validation_is_resumed(tmp_path: Path):
    """Its checkpoint knows neither the recipe's keys nor any validations."""
    chosen = recipe(4, validate_every=0)
    run(replace(chosen, training=replace(chosen.training, steps=2)), tmp_path / "run", None)
    newest = tmp_path / "run/checkpoints/step-00000002"
    state = json.loads((newest / "state.json").read_text())
    for key in ("validations", "best_step", "stopped_early"):
        del state[key]
    for key in ("validate_every", "best_by", "early_stopping"):
        del state["recipe"]["training"][key]
    kept = {path.name: path.read_bytes() for path in newest.iterdir() if path.name != "manifest.json"}
    write_checkpoint(newest.parent, 2, kept | {"state.json": json.dumps(state).encode()})
    assert run(chosen, tmp_path / "run", None, resume=True).step == 4
    with pytest.raises(RunError, match=r"other values of training\.validate_every"):
        run(recipe(4), tmp_path / "run", scripted({}, lambda: 0), resume=True)
