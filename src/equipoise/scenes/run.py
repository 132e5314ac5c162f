"""A run and its folder: train into it, evaluate from it, and what lies there.

``recipe.json`` (the recipe as it ran), ``run.json`` (how it was made), ``log.jsonl`` and ``log.csv``, ``checkpoints/``,
``model.safetensors`` and ``model.json``, ``metrics.json``, ``pictures/``, ``report.html``.
"""

import dataclasses
import hashlib
import json
import os
import shlex
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from equipoise.errors import RecipeError, RunError
from equipoise.scenes.configuration import from_table
from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.open import open_dataset
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.evaluation import Evaluation, Predictor, baseline_predictors, evaluate
from equipoise.scenes.examples import write_examples
from equipoise.scenes.model import SceneModel, as_json, load_model
from equipoise.scenes.recipe import DataRecipe, Recipe
from equipoise.scenes.training.checkpoint import write_atomic
from equipoise.scenes.training.log import Entry
from equipoise.scenes.training.loop import Outcome, train
from equipoise.scenes.training.precision import Precision, choose_precision
from equipoise.version import __version__

CPU = torch.device("cpu")


class Progress(Protocol):
    """How long work is shown: ``counting`` something up to a total."""

    def __call__(self, title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """A context whose value is called after each unit of work."""
        ...


@dataclass(frozen=True, kw_only=True)
class Watch:
    """What is told of a run while it works: log entries, lines worth keeping, progress."""

    on_log: Callable[[Entry], None]
    on_notice: Callable[[str], None]
    counting: Progress


def prepare_folder(run: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the run's folder; refuses one that holds something, unless it is to be resumed or overwritten."""
    taken = run.exists() and (not run.is_dir() or any(run.iterdir()))
    if taken and not resume and not overwrite:
        raise RunError(f"expected no run at {run}, found one: choose another --out, or --resume or --overwrite it")
    if resume and not (run / "recipe.json").exists():
        raise RunError(f"expected a run at {run} to resume, found none: start without --resume")
    if overwrite and taken and not (run / "run.json").exists():
        raise RunError(f"expected a run at {run} to overwrite, found something else: choose another --out")
    try:
        run.mkdir(parents=True, exist_ok=True)
        for name in ("metrics.json", "report.html", "model.safetensors", "model.json") if overwrite else ():
            (run / name).unlink(missing_ok=True)
        for path in (run / "checkpoints").glob("*/*") if overwrite else ():
            path.unlink()
    except OSError as error:
        raise RunError(f"{run}: expected a folder to write to, found: {error.strerror}") from None


def open_split(data: DataRecipe, split: str) -> SceneDataset:
    """One split of the recipe's data."""
    root = Path(data.root) if data.root else None
    return open_dataset(data.kind, Path(data.path), split, root=root, sky_is_zero=data.sky_is_zero)


def cached(dataset: SceneDataset, data: DataRecipe, split: str, watch: Watch) -> SceneDataset:
    """The data set at the network's size, kept in memory-mapped files where the recipe wants them."""
    if not data.cache:
        return dataset
    identity = json.dumps([data.kind, data.path, data.root, split, data.size, data.sky_is_zero])
    folder = cache_root(data) / hashlib.sha256(identity.encode()).hexdigest()[:16]
    with watch.counting(f"caching {split} images", len(dataset)) as advance:
        return CachedDataset(dataset, data.size, folder, progress=advance)


def cache_root(data: DataRecipe) -> Path:
    """Where caches lie: as the recipe says, else the user's cache folder."""
    if data.cache_folder:
        return Path(data.cache_folder)
    return Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache") / "equipoise" / "samples"


def train_run(recipe: Recipe, run: Path, watch: Watch, *, resume: bool = False) -> Outcome:
    """Train a recipe into a prepared folder. The outcome says whether a signal ended it early."""
    raw = open_split(recipe.data, recipe.data.train)
    validation = open_split(recipe.data, recipe.data.validation)
    if raw.vocabulary != validation.vocabulary:
        raise RecipeError(f"{recipe.data.path}: expected the same labels in both splits, found different ones")
    dataset = cached(raw, recipe.data, recipe.data.train, watch)
    precision = choose_precision(recipe.training.precision, CPU)
    if resume:
        recorded = json.loads((run / "run.json").read_bytes()).get("precision")
        precision = recorded if recorded in ("float32", "bfloat16") else precision
    else:
        write_atomic(run / "recipe.json", as_json(recipe))
    record = describe_run(recipe, precision, len(raw), len(validation))
    write_atomic(run / "run.json", as_json(record | {"vocabulary": dataclasses.asdict(raw.vocabulary)}))
    outcome = train(
        recipe,
        dataset,
        run,
        precision=precision,
        resume=resume,
        on_log=watch.on_log,
        on_notice=watch.on_notice,
    )
    record |= {
        "seconds": outcome.seconds,
        "steps_done": outcome.step,
        "parameters": sum(p.numel() for p in outcome.model.network.parameters()),
        "vocabulary": dataclasses.asdict(raw.vocabulary),
    }
    write_atomic(run / "run.json", as_json(record))
    return outcome


def describe_run(recipe: Recipe, precision: Precision, train_images: int, val_images: int) -> dict[str, Any]:
    """How a run is made, for the record."""
    return {
        "format": 1,
        "equipoise": __version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
        "command": "equipoise " + shlex.join(sys.argv[1:]),
        "seed": recipe.training.seed,
        "precision": precision,
        "device": str(CPU),
        "threads": torch.get_num_threads(),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": None,
        "steps": recipe.training.steps,
        "train_images": train_images,
        "val_images": val_images,
        "input_size": list(recipe.data.size),
        "tasks": list(recipe.tasks),
    }


def read_run(run: Path) -> tuple[Recipe, dict[str, Any]]:
    """The recipe and the record of a run; raises ``RunError`` where the folder holds none."""
    try:
        recipe = json.loads((run / "recipe.json").read_text(encoding="utf-8"))
        record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        missing = Path(str(error.filename)).name
        raise RunError(f"expected a run at {run}, found no {missing} there: name the folder that train wrote") from None
    except (OSError, ValueError) as error:
        raise RunError(f"{run}: expected a run's JSON files, found a mistake: {error}") from None
    try:
        return from_table(Recipe, recipe, str(run / "recipe.json")), record
    except RecipeError as error:
        raise RunError(str(error)) from None


def predictor(model: SceneModel, precision: Precision) -> Predictor:
    """The network as a predictor, in the precision it was trained in."""

    def predict(images: Tensor) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return model.locations(images)

    return predict


def evaluate_run(run: Path, watch: Watch, *, split: str = "", baselines: bool = True) -> dict[str, Any]:
    """Evaluate a finished run on a split (its validation split by default), beside the baselines.

    Returns the figures as they are written to ``metrics.json`` for the validation split, else to
    ``metrics-SPLIT.json``; see ``docs/reading-the-report.md``.
    """
    recipe, record = read_run(run)
    model = load_model(run)
    split = split or recipe.data.validation
    dataset = open_split(recipe.data, split)
    if dataset.vocabulary != model.description.vocabulary:
        raise RunError(f"{run}: expected data with the labels it was trained on, found others at {recipe.data.path}")
    result = _evaluated(predictor(model, record["precision"]), dataset, model, watch, f"evaluating on {split}")
    figures = {
        "split": split,
        "images": len(dataset),
        "tasks": result.tasks,
        "sigma": model.likelihood.sigmas(),
        "primary": {name: dataclasses.asdict(task.primary) for name, task in model.tasks.items()},
        "baselines": baseline_figures(recipe, dataset, model, watch) if baselines else {},
        "per_image": result.per_image,
    }
    name = "metrics.json" if split == recipe.data.validation else f"metrics-{Path(split).name}.json"
    write_atomic(run / name, as_json(without_nan(figures)))
    return figures


def baseline_figures(recipe: Recipe, dataset: SceneDataset, model: SceneModel, watch: Watch) -> dict[str, Any]:
    """Each baseline's primary figure of each task, on the same images."""
    training = cached(open_split(recipe.data, recipe.data.train), recipe.data, recipe.data.train, watch)
    figures: dict[str, Any] = {}
    for name, predict in baseline_predictors(training, model.tasks).items():
        result = _evaluated(predict, dataset, model, watch, f"evaluating the {name} baseline")
        figures[name] = {task: result.tasks[task][model.tasks[task].primary.metric] for task in model.tasks}
    return figures


def _evaluated(predict: Predictor, dataset: SceneDataset, model: SceneModel, watch: Watch, title: str) -> Evaluation:
    with watch.counting(title, len(dataset)) as advance:
        return evaluate(predict, dataset, model.tasks, model.description.input_size, on_image=advance)


def without_nan(value: Any) -> Any:
    """JSON knows no NaN: a figure without a value is null."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def write_pictures(run: Path, figures: dict[str, Any]) -> None:
    """Pictures of validation images, chosen by the figures that ``evaluate_run`` gave."""
    recipe, record = read_run(run)
    model = load_model(run)
    dataset = open_split(recipe.data, figures["split"])
    write_examples(run, predictor(model, record["precision"]), model, dataset, figures["per_image"])
