"""Runs that are validated while they train, by real figures or by scripted ones."""

import json
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.record import Watch
from equipoise.scenes.runs.validation import ValidationSet, plan_validation, selection
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.selection import Selection
from equipoise.scenes.training.validator import Figures, ValidationPlan
from tests.scenes.training.test_loop import RECIPE
from tests.support.commands import uncounted
from tests.support.tiny import TinyDataset

MAE = Selection(figures={"depth.mae": "lower"})
QUIET = Watch(on_log=lambda entry: None, on_notice=lambda line: None, counting=uncounted)


CONSTANT = replace(RECIPE, optimizer=replace(RECIPE.optimizer, schedule="constant"))


def recipe(steps: int, **training: object) -> Recipe:
    options = {"steps": steps, "validate_every": 2, **training}
    return replace(CONSTANT, training=replace(CONSTANT.training, **options))


def real_plan(chosen: Recipe) -> ValidationPlan:
    """Figures of three scenes, as a run evaluates them."""
    dataset = TinyDataset(3)
    tasks = SceneModel(describe(chosen, dataset.vocabulary)).tasks
    sets = [ValidationSet(prefix="", dataset=dataset, tasks=tasks)]
    return plan_validation(chosen, sets, selection(sets, chosen.training.best_by), "float32", QUIET)


def scripted(values: dict[int, float | None], step_of: Callable[[], int]) -> ValidationPlan:
    """Figures as written down beforehand, by step."""

    def figures(model: SceneModel, on_image: Callable[[], None]) -> Figures:
        on_image()
        return {"depth.mae": values[step_of()]}

    return ValidationPlan(selection=MAE, figures=figures)


def run(
    chosen: Recipe,
    folder: Path,
    plan: ValidationPlan | None,
    *,
    resume: bool = False,
    on_log: Callable[[dict], None] = lambda entry: None,
    said: list[str] | None = None,
) -> Outcome:
    folder.mkdir(exist_ok=True)
    notices = [] if said is None else said
    return train(
        chosen, TinyDataset(), folder, precision="float32", resume=resume, validation=plan, on_log=on_log,
        on_notice=notices.append,
    )  # fmt: skip


def run_scripted(folder: Path, values: list[float | None], said: list[str] | None = None, **training) -> Outcome:
    """Validated at steps 2, 4, …, with these values."""
    logged = [0]
    plan = scripted({2 * k: v for k, v in enumerate(values, 1)}, lambda: logged[0])
    chosen = recipe(2 * len(values), **training)
    return run(chosen, folder, plan, on_log=lambda entry: logged.__setitem__(0, entry["step"]), said=said)


def validations(folder: Path) -> list[dict]:
    rows = [json.loads(line) for line in (folder / "validation.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def signal_at(step: int) -> Callable[[dict], None]:
    return lambda entry: signal.raise_signal(signal.SIGTERM) if entry["step"] == step else None
