"""Everything that changes while training, saved and taken up again to the bit."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.errors import NonFiniteError, RunError
from equipoise.scenes.configuration import read_json
from equipoise.scenes.model import (
    DESCRIPTION,
    WEIGHTS,
    SceneModel,
    load_weights,
    model_files,
    read_tensors,
    tensors_as_bytes,
)
from equipoise.scenes.recipe import Recipe, changes_nothing, differing_keys
from equipoise.scenes.training.checkpoint import newest_checkpoint, prune_checkpoints, write_checkpoint

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
    }
    files = model_files(state.model) | {OPTIMIZER: tensors_as_bytes(tensors), STATE: json.dumps(table).encode()}
    try:
        write_checkpoint(run / "checkpoints", state.step, files)
    except OSError as error:
        kept, _ = newest_checkpoint(run / "checkpoints")
        raise RunError(
            f"{run / 'checkpoints'}: expected to write a checkpoint of step {state.step}, found: "
            f"{error.strerror or error}: make room, then "
            + ("start again with --overwrite" if kept is None else f"go on from {kept.name} with --resume")
        ) from None
    prune_checkpoints(run / "checkpoints", recipe.training.keep_checkpoints, state.step, FILES)


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
    path, passed_over = newest_checkpoint(run / "checkpoints", FILES)
    for line in passed_over:
        on_notice(f"passed over {line}")
    if path is None:
        raise RunError(f"expected a checkpoint under {run / 'checkpoints'}, found none: start anew with --overwrite")
    try:
        table = read_json(path / STATE)
        recorded, data, groups = (dict(table["recipe"]), dict(table["data"]), list(table["param_groups"]))
        step, seconds = int(table["step"]), float(table["seconds"])
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{path / STATE}: expected the state of a run, found a damaged one: {error!r}") from None
    if table.get("format") != FORMAT:
        raise RunError(
            f"{path / STATE}: expected state format {FORMAT}, found {table.get('format')!r:.40}: go on with the "
            "version that wrote it"
        )
    if keys := [key for key in differing_keys(recorded, recipe.as_table()) if not changes_nothing(key)]:
        raise RunError(
            f"{path}: expected the recipe it was made with, found other values of {', '.join(keys)}: "
            "restore them, or start a new run with --out"
        )
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
    state.optimizer.load_state_dict({"state": packed, "param_groups": groups})
    state.step, state.seconds = step, seconds
    on_notice(f"resumed from {path} at step {state.step}")


def _tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {key: value for key, value in values.items() if isinstance(value, Tensor)}
