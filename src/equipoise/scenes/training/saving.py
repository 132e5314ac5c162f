"""Save the state of a run as a checkpoint."""

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equipoise.errors import RunError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.io.run_files import CHECKPOINTS
from equipoise.scenes.io.tensors import tensors_as_bytes
from equipoise.scenes.model.files import model_files
from equipoise.scenes.training.checkpoint import newest_checkpoint, prune_checkpoints, write_checkpoint
from equipoise.scenes.training.finite import expect_finite
from equipoise.scenes.training.state import AVERAGE, FILES, FORMAT, OPTIMIZER, STATE, State


def save(state: State, recipe: Recipe, identity: dict[str, str], run: Path) -> None:
    """Write a checkpoint of everything that a resumed run needs, and remove old ones.

    Raises:
        NonFiniteError: weights are not finite after the last update; the checkpoint before it stays as it is.
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
        "weighting": state.weighting.state_dict(),
        "loss_scale": None if state.scaler is None else state.scaler.state_dict(),
    }
    files = model_files(state.model) | {OPTIMIZER: tensors_as_bytes(tensors), STATE: json.dumps(table).encode()}
    if state.average is not None:
        files[AVERAGE] = tensors_as_bytes(state.average.values)
    try:
        write_checkpoint(run / CHECKPOINTS, state.step, files)
    except OSError as error:
        kept, _ = newest_checkpoint(run / CHECKPOINTS)
        raise RunError(
            f"{run / 'checkpoints'}: expected to write a checkpoint of step {state.step}, found: "
            f"{error.strerror or error}: make room, then "
            + ("start again with --overwrite" if kept is None else f"continue from {kept.name} with --resume")
        ) from None
    prune_checkpoints(run / CHECKPOINTS, recipe.training.keep_checkpoints, state.step, (*FILES, AVERAGE))


def _tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {key: value for key, value in values.items() if isinstance(value, Tensor)}
