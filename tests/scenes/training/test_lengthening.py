"""A run that is resumed with more steps: exactly the longer run, or refused with the reason."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from equipoise.errors import RunError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.training.log import read_log
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.schedule import may_be_lengthened, rate_factor
from tests.scenes.training.test_loop import RECIPE, stop_after
from tests.support.tiny import TinyDataset


def recipe(steps: int, schedule: str = "constant", **training: object) -> Recipe:
    optimizer = replace(RECIPE.optimizer, schedule=schedule, warmup_steps=3)
    return replace(RECIPE, optimizer=optimizer, training=replace(RECIPE.training, steps=steps, **training))


def run(chosen: Recipe, folder: Path, *, resume: bool = False, said: list[str] | None = None) -> Outcome:
    folder.mkdir(exist_ok=True)
    notices = [] if said is None else said
    return train(chosen, TinyDataset(), folder, precision="float32", resume=resume, on_notice=notices.append)


@pytest.mark.parametrize("finished", [True, False], ids=["finished", "stopped"])
def test_a_lengthened_run_is_the_longer_run(tmp_path: Path, finished: bool):
    """5 steps in all, or stopped after 3 of them, then lengthened to 8: to the bit, its log too."""
    if finished:
        run(recipe(5), tmp_path / "parts")
    else:
        stop_after(recipe(5), tmp_path / "parts", steps=3)
    said: list[str] = []
    lengthened = run(recipe(8), tmp_path / "parts", resume=True, said=said)
    assert "lengthened from 5 to 8 steps" in said
    whole = run(recipe(8), tmp_path / "whole")
    one, other = whole.model.state_dict(), lengthened.model.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)
    logs = [[entry["loss"] for entry in read_log(tmp_path / name)] for name in ("whole", "parts")]
    assert logs[0] == logs[1]
    with pytest.raises(RunError, match=r"expected training.steps = 8, as this run was made with, found 5.*--steps 8"):
        run(recipe(5), tmp_path / "parts", resume=True)


@pytest.mark.parametrize("schedule", ["cosine", "polynomial"])
def test_a_schedule_that_ends_at_the_last_step_cannot_be_lengthened(tmp_path: Path, schedule: str):
    run(recipe(3, schedule), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    with pytest.raises(RunError) as caught:
        run(recipe(6, schedule), tmp_path / "run", resume=True)
    line = str(caught.value)
    assert "expected training.steps = 3" in line
    assert "found 6" in line
    assert f"its {schedule} schedule" in line
    assert "--out" in line
    assert "\n" not in line
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("schedule", ["constant", "cosine", "polynomial"])
@pytest.mark.parametrize("warmup_steps", [0, 5])
def test_which_schedules_depend_on_the_number_of_steps(schedule: str, warmup_steps: int):
    """As the rates themselves say: a schedule that is new is held to this."""
    optimizer = replace(RECIPE.optimizer, schedule=schedule, warmup_steps=warmup_steps)
    rates = [[rate_factor(step, steps, optimizer) for step in range(10)] for steps in (10, 20, 1000)]
    assert may_be_lengthened(optimizer) is (rates[0] == rates[1] == rates[2])


@pytest.mark.parametrize(("old", "new"), [(3, 2), (3, 1)])
def test_a_run_is_not_shortened(tmp_path: Path, old: int, new: int):
    run(recipe(old), tmp_path / "run")
    with pytest.raises(RunError, match=f"found {new}: a run is not shortened: give --steps {old}, or start a new run"):
        run(recipe(new), tmp_path / "run", resume=True)


def test_other_keys_that_differ_are_named_first(tmp_path: Path):
    run(recipe(3), tmp_path / "run")
    changed = replace(recipe(6), optimizer=replace(recipe(6).optimizer, lr=1.0))
    with pytest.raises(RunError, match=r"found other values of optimizer\.lr: restore"):
        run(changed, tmp_path / "run", resume=True)
