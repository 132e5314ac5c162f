"""A run and its folder: train into it, evaluate from it, and what lies there.

``recipe.json`` (the recipe as it ran), ``run.json`` (how it was made), ``log.jsonl`` and ``log.csv``, ``checkpoints/``,
``model.safetensors`` and ``model.json``, ``metrics.json``, ``pictures/``, ``report.html``; with validation during
training also ``validation.jsonl`` and ``validation.csv``, and ``best/`` (the best model).
"""

import dataclasses
import shlex
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from equipoise.errors import RecipeError, RunError, UsageError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.sources import Survey, expect_labels, survey, training_data
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import as_json, read_json
from equipoise.scenes.io.lock import LOCK
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.record import FORMAT, Watch, read_run
from equipoise.scenes.runs.validation import plan_validation, selection, validation_record, validation_sets
from equipoise.scenes.training.best import BEST, BEST_FILES
from equipoise.scenes.training.checkpoint import checkpoints, remove_checkpoint
from equipoise.scenes.training.distributed import ALONE, ProcessGroup
from equipoise.scenes.training.log import VALIDATION_CSV, VALIDATION_JSONL
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.precision import Precision, choose_precision
from equipoise.scenes.training.selection import best_of
from equipoise.scenes.training.state import FILES
from equipoise.version import __version__

CPU = torch.device("cpu")


def prepare_folder(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the run's folder; refuses one that holds something, unless it is to be resumed or overwritten.

    Nothing is removed yet: an old run goes when the new one's data and model are known to be there.
    """
    if resume and overwrite:
        raise UsageError("--resume, --overwrite: expected one, found both: the one keeps what the other removes")
    taken = run.exists() and (not run.is_dir() or any(path.name != LOCK for path in run.iterdir()))
    if taken and not resume and not overwrite:
        raise RunError(f"expected no run at {run}, found one: choose another --out, or --resume or --overwrite it")
    if resume and not (run / "recipe.json").exists():
        raise RunError(f"expected a run at {run} to resume, found none: start without --resume")
    marks = "equipoise" in _table(run / "run.json") or {"data", "training"} <= _table(run / "recipe.json").keys()
    if overwrite and taken and not marks:
        raise RunError(f"expected a run at {run} to overwrite, found something else: choose another --out")
    try:
        run.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{run}: expected a folder to write to, found: {error.strerror}") from None


def clear(run: Path) -> None:
    """Remove what an earlier run left that a new one would not replace at once; what it did not write stays."""
    names = ("report.html", "model.safetensors", "model.json", "log.jsonl", "log.csv", VALIDATION_JSONL, VALIDATION_CSV)
    try:
        for path in checkpoints(run / "checkpoints"):  # First: without its log it should not be resumed.
            remove_checkpoint(path, FILES)
        for path in checkpoints(run / BEST):
            remove_checkpoint(path, BEST_FILES)
        for path in [*(run / name for name in names), *figures_of(run), *pictures_of(run)]:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"{run}: expected a folder to write to, found: {error.strerror or error}") from None


def figures_of(run: Path) -> list[Path]:
    """The files of figures that evaluations wrote."""
    found = [run / "metrics.json", *run.glob("metrics-*.json")]
    return [path for path in found if {"tasks", "per_image", "split"} <= _table(path).keys()]


def pictures_of(run: Path) -> list[Path]:
    """The pictures that the run's own list names, and the list."""
    folder = run / "pictures"
    try:
        listed = read_json(folder / "examples.json")
        names = [str(name) for example in listed for name in example["files"].values()]
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return []
    return [*(folder / name for name in names if Path(name).name == name), folder / "examples.json"]


def _table(path: Path) -> dict[str, Any]:
    """The table in a JSON file; an empty one where there is none."""
    try:
        table = read_json(path) if path.is_file() else {}
    except (OSError, ValueError):
        return {}
    return table if isinstance(table, dict) else {}


def train_run(recipe: Recipe, run: Path, watch: Watch, *, resume: bool = False, group: ProcessGroup = ALONE) -> Outcome:
    """Train a recipe into a prepared folder. The outcome says whether a signal ended it early."""
    if recipe.training.batch_size < group.world:
        size = recipe.training.batch_size
        raise RecipeError(f"training.batch_size: expected at least 1 for each of {group.world} processes, found {size}")
    known = survey(recipe)
    for line in known.notices:
        watch.on_notice(line)
    with torch.device("meta"):
        model = SceneModel(describe(recipe, known.vocabulary))
    sets = validation_sets(recipe, model, watch.on_notice) if recipe.training.validate_every else []
    chosen = selection(sets, recipe.training.best_by) if sets else None
    with group.leader_first():
        dataset = training_data(recipe, watch.counting)
    expect_labels(dataset, model.tasks)
    precision = choose_precision(recipe.training.precision, CPU)
    if group.largest(precision == "float32"):
        precision = "float32"
    if resume:
        _, record = read_run(run)
        precision = record["precision"]
    else:
        record = describe_run(recipe, precision, known, group)
    if chosen is not None:
        record["validation"] = validation_record(recipe, sets, chosen)
    if group.leads and not resume:
        clear(run)
        write_atomic(run / "recipe.json", as_json(recipe))
        write_atomic(run / "run.json", as_json(record))
    outcome = train(
        recipe,
        dataset,
        run,
        precision=precision,
        resume=resume,
        identity=known.identity,
        camera=known.camera,
        group=group,
        validation=None if chosen is None else plan_validation(recipe, sets, chosen, precision, watch),
        on_log=watch.on_log,
        on_notice=watch.on_notice,
    )
    if group.leads:
        write_atomic(run / "recipe.json", as_json(recipe))  # A resumed run's data may lie elsewhere now.
        write_atomic(run / "run.json", as_json(record | ended(recipe, record, outcome)))
    return outcome


def ended(recipe: Recipe, record: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """What is recorded of a run when training stops: how far it got, and which step's model lies in its folder."""
    found: dict[str, Any] = {
        "seconds": outcome.seconds,
        "steps": recipe.training.steps,
        "steps_done": outcome.step,
        "stopped_early": outcome.stopped_early,
        "parameters": sum(p.numel() for p in outcome.model.network.parameters()),
    }
    if record["steps"] != recipe.training.steps:
        change = {"key": "training.steps", "from": record["steps"], "to": recipe.training.steps}
        found["changed"] = [*record.get("changed", []), change]
    if outcome.model_step is not None:
        found["model"] = {"step": outcome.model_step, "of": outcome.step, **judged(record, outcome)}
    return found


def judged(record: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    """How validation judged the model of a finished run: ``chosen`` is ``best``, or ``last`` where nothing chose it."""
    best = best_of(outcome.validations, record["validation"]["better"]) if outcome.validations else None
    if best is None or best["step"] != outcome.model_step:
        return {"chosen": "last"}
    return {"chosen": "best", "score": best["score"], "validations": len(outcome.validations)}


def describe_run(recipe: Recipe, precision: Precision, known: Survey, group: ProcessGroup) -> dict[str, Any]:
    """How a run is made, for the record."""
    return {
        "format": FORMAT,
        "equipoise": __version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "command": "equipoise " + shlex.join(sys.argv[1:]),
        "seed": recipe.training.seed,
        "precision": precision,
        "device": str(CPU),
        "threads": torch.get_num_threads(),
        "processes": group.world,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None,
        "steps": recipe.training.steps,
        "train_images": known.train_images,
        "val_images": known.val_images,
        "skipped": list(known.skipped),
        "input_size": list(recipe.data.size),
        "tasks": list(recipe.tasks),
        "vocabulary": dataclasses.asdict(known.vocabulary),
        "camera": dataclasses.asdict(known.camera),
    }
