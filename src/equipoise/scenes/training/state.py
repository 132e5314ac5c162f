"""Everything that changes while training, saved and taken up again to the bit."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.errors import NonFiniteError, RecipeError, RunError
from equipoise.scenes.config.recipe import Recipe, changes_nothing, differing_keys
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.run_files import CHECKPOINTS, DESCRIPTION, WEIGHTS
from equipoise.scenes.io.tensors import read_tensors, tensors_as_bytes
from equipoise.scenes.model.files import load_weights, model_files
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.checkpoint import newest_checkpoint, prune_checkpoints, write_checkpoint
from equipoise.scenes.training.schedule import may_be_lengthened
from equipoise.scenes.training.selection import Validation

OPTIMIZER, STATE = "optimizer.safetensors", "state.json"
FILES = (WEIGHTS, DESCRIPTION, OPTIMIZER, STATE)
FORMAT = 1


@dataclass
class State:
    """What changes while training, and is saved."""

    model: SceneModel
    network: nn.Module
    """The model's own, or the same wrapped for several processes."""
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0
    validations: list[Validation] = field(default_factory=list)
    best_step: int | None = None
    """The step of the best validation so far."""
    stopped_early: bool = False
    """Whether training has ended before its last step, as validation no longer improved."""


def save(state: State, recipe: Recipe, identity: dict[str, str], run: Path) -> None:
    """Write a checkpoint of everything that a resumed run needs, and prune old ones.

    Raises:
        NonFiniteError: the last step's update left weights that are not finite; the checkpoint before it is whole.
        RunError: it cannot be written.
    """
    expect_finite(state)
    packed = state.optimizer.state_dict()
    tensors = {f"{i}.{key}": value for i, values in packed["state"].items() for key, value in _tensors(values).items()}
    tensors["generator"] = torch.get_rng_state()
    table = {
        "format": FORMAT,
        "step": state.step,
        "seconds": state.seconds,
        "recipe": recipe.as_table(),
        "data": identity,
        "param_groups": packed["param_groups"],
        "validations": state.validations,
        "best_step": state.best_step,
        "stopped_early": state.stopped_early,
    }
    files = model_files(state.model) | {OPTIMIZER: tensors_as_bytes(tensors), STATE: json.dumps(table).encode()}
    try:
        write_checkpoint(run / CHECKPOINTS, state.step, files)
    except OSError as error:
        kept, _ = newest_checkpoint(run / CHECKPOINTS)
        raise RunError(
            f"{run / 'checkpoints'}: expected to write a checkpoint of step {state.step}, found: "
            f"{error.strerror or error}: make room, then "
            + ("start again with --overwrite" if kept is None else f"go on from {kept.name} with --resume")
        ) from None
    prune_checkpoints(run / CHECKPOINTS, recipe.training.keep_checkpoints, state.step, FILES)


def expect_finite(state: State) -> None:
    """Gradients that are finite can still take a weight beyond the largest number."""
    for name, parameter in state.model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise NonFiniteError(
                f"expected finite weights after step {state.step}, found infinity or NaN in {name}: nothing of this "
                "step is saved: lower optimizer.lr"
            )


def restore(
    state: State, recipe: Recipe, identity: dict[str, str], run: Path, on_notice: Callable[[str], None]
) -> None:
    """Take up the newest valid checkpoint of ``run``.

    Raises:
        RunError: there is none, or it was made with another recipe or other data.
    """
    path, passed_over = newest_checkpoint(run / CHECKPOINTS, FILES)
    for line in passed_over:
        on_notice(f"passed over {line}")
    if path is None:
        raise RunError(f"expected a checkpoint under {run / 'checkpoints'}, found none: start anew with --overwrite")
    table = _read_state(path)
    _expect_recipe(table, recipe, path)
    data = table["data"]
    if keys := differing_keys(data, identity):
        raise RunError(
            f"{path}: expected the data it was trained on, found others ({', '.join(keys)}): restore them, or start a "
            "new run with --out"
        )
    load_weights(state.model, path / WEIGHTS)
    tensors = read_tensors(path / OPTIMIZER)
    torch.set_rng_state(tensors.pop("generator"))
    packed: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        packed.setdefault(int(index), {})[key] = value
    state.optimizer.load_state_dict({"state": packed, "param_groups": table["param_groups"]})
    state.step, state.seconds = table["step"], table["seconds"]
    state.validations, state.best_step = table["validations"], table["best_step"]
    state.stopped_early = table["stopped_early"]
    on_notice(f"resumed from {path} at step {state.step}")
    if (before := table["recipe"]["training"]["steps"]) != recipe.training.steps:
        on_notice(f"lengthened from {before} to {recipe.training.steps} steps")


def _read_state(path: Path) -> dict[str, Any]:
    """``state.json`` of a checkpoint; what versions before validation did not write is filled in."""
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
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise RunError(f"{path / STATE}: expected the state of a run, found a damaged one: {error!r}") from None
    if table.get("format") != FORMAT:
        raise RunError(
            f"{path / STATE}: expected state format {FORMAT}, found {table.get('format')!r:.40}: go on with the "
            "version that wrote it"
        )
    return read


def _expect_recipe(table: dict[str, Any], recipe: Recipe, path: Path) -> None:
    """Raise ``RunError`` where a run's recipe is not the one it was made with; it may have more steps."""
    try:
        made = from_table(Recipe, table["recipe"], f"{path / STATE}: recipe")  # Fills in keys that are newer than it.
    except RecipeError as error:
        raise RunError(f"{error}: go on with the version that wrote it") from None
    differing = [key for key in differing_keys(made.as_table(), recipe.as_table()) if not changes_nothing(key)]
    if keys := [key for key in differing if key != "training.steps"]:
        raise RunError(
            f"{path}: expected the recipe it was made with, found other values of {', '.join(keys)}: "
            "restore them, or start a new run with --out"
        )
    if differing:
        _expect_longer(made, recipe, path, stopped_early=table["stopped_early"])


def _expect_longer(made: Recipe, recipe: Recipe, path: Path, *, stopped_early: bool) -> None:
    """Raise ``RunError`` where a run cannot be given another number of steps."""
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


def _tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {key: value for key, value in values.items() if isinstance(value, Tensor)}
