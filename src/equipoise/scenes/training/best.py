"""The best model of a run so far, kept apart from its checkpoints."""

import json
from pathlib import Path

from equipoise.errors import RunError
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.run_files import BEST, CHECKPOINTS, DESCRIPTION, WEIGHTS
from equipoise.scenes.training.checkpoint import checkpoints, remove_checkpoint, write_checkpoint
from equipoise.scenes.training.state import STATE, State

"""The folder of a run that holds the best model, as ``step-XXXXXXXX`` with a manifest."""
VALIDATION = "validation.json"
BEST_FILES = (WEIGHTS, DESCRIPTION, VALIDATION)


def best_folder(run: Path, step: int) -> Path:
    """Where the model of a step lies if it is the best."""
    return run / BEST / f"step-{step:08d}"


def keep_best(run: Path, state: State) -> None:
    """Write the present model as the best one, and remove earlier ones."""
    files = state.shown_files() | {VALIDATION: json.dumps(state.validations[-1]).encode()}
    try:
        write_checkpoint(run / BEST, state.step, files)
    except OSError as error:
        raise RunError(
            f"{run / BEST}: expected to write the best model, of step {state.step}, found: {error.strerror or error}: "
            "make room, then continue with --resume"
        ) from None
    prune_best(run, state.step)


def prune_best(run: Path, best_step: int) -> None:
    """Remove all best models but that of ``best_step`` and those that a checkpoint refers to."""
    kept = {best_step, *_referred(run / CHECKPOINTS)}
    old = [path for path in checkpoints(run / BEST) if int(path.name[5:]) not in kept]
    for path in [*old, *(run / BEST).glob(".writing-*")]:
        remove_checkpoint(path, BEST_FILES)


def _referred(folder: Path) -> set[int]:
    """The best steps that checkpoints refer to: a run may be resumed from any of them."""
    steps: set[int] = set()
    for path in checkpoints(folder):
        try:
            steps.add(int(read_json(path / STATE)["best_step"]))
        except (OSError, ValueError, TypeError, KeyError):
            continue  # Damaged, or without a best step.
    return steps
