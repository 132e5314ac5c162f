"""Resume a run from its newest checkpoint, exactly as it was."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.config.differences import changes_nothing, differing_keys
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.run_files import CHECKPOINTS, WEIGHTS
from equipoise.scenes.io.tensors import read_tensors
from equipoise.scenes.model.files import load_weights
from equipoise.scenes.training.checkpoint import newest_checkpoint
from equipoise.scenes.training.optimizer import WORKINGS, align_state, start_momentum
from equipoise.scenes.training.schedule import may_be_lengthened
from equipoise.scenes.training.state import AVERAGE, FILES, FORMAT, OPTIMIZER, STATE, State


def restore(
    state: State, recipe: Recipe, identity: dict[str, str], run: Path, on_notice: Callable[[str], None]
) -> None:
    """Load the newest valid checkpoint of ``run`` into ``state``.

    Raises:
        RunError: there is none, or it was made with another recipe or other data.
    """
    path, passed_over = newest_checkpoint(run / CHECKPOINTS, FILES if state.average is None else (*FILES, AVERAGE))
    for line in passed_over:
        on_notice(f"passed over {line}")
    if path is None:
        raise RunError(f"expected a checkpoint under {run / 'checkpoints'}, found none: start again with --overwrite")
    table = _read_state(path)
    _expect_recipe(table, recipe, path)
    data = table["data"]
    if keys := differing_keys(data, identity):
        raise RunError(
            f"{path}: expected the data it was trained on, found others ({', '.join(keys)}): restore them, or start a "
            "new run with --out"
        )
    load_weights(state.model, path / WEIGHTS)
    if state.average is not None:
        state.average.load(read_tensors(path / AVERAGE), str(path / AVERAGE))
    tensors = read_tensors(path / OPTIMIZER)
    torch.set_rng_state(tensors.pop("generator"))
    packed: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        packed.setdefault(int(index), {})[key] = value
    for saved, own in zip(table["param_groups"], state.optimizer.param_groups, strict=False):
        saved.update({key: own[key] for key in WORKINGS if key in own})  # The device may be another one now.
    state.optimizer.load_state_dict({"state": packed, "param_groups": table["param_groups"]})
    align_state(state.optimizer)
    start_momentum(state.optimizer)
    state.weighting.load_state_dict(table["weighting"], next(state.model.parameters()).device)
    if state.scaler is not None and table["loss_scale"] is not None:
        state.scaler.load_state_dict(table["loss_scale"])
    state.step, state.seconds = table["step"], table["seconds"]
    state.validations, state.best_step = table["validations"], table["best_step"]
    state.stopped_early = table["stopped_early"]
    on_notice(f"resumed from {path} at step {state.step}")
    if (before := table["recipe"]["training"]["steps"]) != recipe.training.steps:
        on_notice(f"lengthened from {before} to {recipe.training.steps} steps")


def _read_state(path: Path) -> dict[str, Any]:
    """``state.json`` of a checkpoint; keys that versions before validation did not write get their defaults."""
    try:
        table = read_json(path / STATE)
        read = {
            "recipe": dict(table["recipe"]),
            "data": dict(table["data"]),
            "param_groups": list(table["param_groups"]),
            "step": int(table["step"]),
            "seconds": float(table["seconds"]),
            "validations": [dict(each) for each in table.get("validations", [])],
            "best_step": None if table.get("best_step") is None else int(table["best_step"]),
            "stopped_early": bool(table.get("stopped_early", False)),
            "loss_scale": table.get("loss_scale"),
            "weighting": {str(key): float(value) for key, value in table.get("weighting", {}).items()},
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path / STATE}: expected the state of a run, found a damaged one: {error!r}") from None
    if table.get("format") != FORMAT:
        raise RunError(
            f"{path / STATE}: expected state format {FORMAT}, found {table.get('format')!r:.40}: continue with the "
            "version that wrote it"
        )
    return read


def _expect_recipe(table: dict[str, Any], recipe: Recipe, path: Path) -> None:
    """Raise ``RunError`` where the recipe is not the one that the checkpoint was made with, but for more steps."""
    try:
        made = from_table(Recipe, table["recipe"], f"{path / STATE}: recipe")  # Adds newer keys.
    except RecipeError as error:
        raise RunError(f"{error}: continue with the version that wrote it") from None
    differing = [key for key in differing_keys(made.as_table(), recipe.as_table()) if not changes_nothing(key)]
    if keys := [key for key in differing if key != "training.steps"]:
        raise RunError(
            f"{path}: expected the recipe it was made with, found other values of {', '.join(keys)}: "
            "restore them, or start a new run with --out"
        )
    if differing:
        _expect_longer(made, recipe, path, stopped_early=table["stopped_early"])


def _expect_longer(made: Recipe, recipe: Recipe, path: Path, *, stopped_early: bool) -> None:
    """Raise ``RunError`` where the run cannot have this number of steps."""
    old, new = made.training.steps, recipe.training.steps
    found = f"{path}: expected training.steps = {old}, as this run was made with, found {new}"
    if new < old:
        raise RunError(f"{found}: a run is not shortened: give --steps {old}, or start a new run with --out")
    if not may_be_lengthened(recipe.optimizer):
        raise RunError(
            f"{found}: its {recipe.optimizer.schedule} schedule ends at the last step, so that a run of {new} steps "
            "would have had other learning rates from the start: start a new run with --out, or use optimizer.schedule "
            "= 'constant' for runs to be lengthened"
        )
    if stopped_early:
        patience = made.training.early_stopping
        raise RunError(
            f"{found}: it stopped early, as {patience} validation{'s' * (patience > 1)} brought no improvement, which "
            "more steps do not change: start a new run with --out and another training.early_stopping"
        )
