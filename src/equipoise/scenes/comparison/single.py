"""One run of a comparison: train it, evaluate it on the test split, and record how it went."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch

from equipoise.comparison.records import Metric, RunRecord
from equipoise.errors import RunError, UserError
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.metrics import metric_of, scale
from equipoise.scenes.comparison.plan import Plan, PlannedRun
from equipoise.scenes.evaluation.figures import Figures
from equipoise.scenes.io.lock import exclusive_lock
from equipoise.scenes.io.run_files import CHECKPOINTS
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.evaluation import evaluate_run
from equipoise.scenes.runs.run import train_run
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.checkpoint import newest_checkpoint
from equipoise.scenes.training.log import Entry
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.state import FILES
from equipoise.scenes.training.weighting_settings import UNSAVED

MOST_POINTS = 60
"""Of the weights' course in a record."""


def make_run(
    plan: Plan, run: PlannedRun, folder: ComparisonFolder, callbacks: RunCallbacks, device: torch.device
) -> int:
    """Make one run, or continue it; a finished or failed one is left as it is.

    A failure is recorded, and raised too.

    Returns:
        The exit status of the signal that stopped the run, which a later call continues; 0 if it is finished.
    """
    place = folder.run(run.name)
    if folder.read_record(run.name) is not None:
        return 0
    folder.expect_same(run)
    resume = can_resume(run, place)
    place.prepare(resume=resume, overwrite=not resume)
    with exclusive_lock(place.path):
        try:
            outcome = train_run(run.recipe, place, callbacks, resume=resume, device=device)
            if outcome.exit_status:
                return outcome.exit_status
            record = finished(plan, run, place, outcome, callbacks, device)
        except UserError as error:
            folder.write_record(run.name, failed(run, str(error), place))
            raise
        except Exception as error:
            folder.write_record(run.name, failed(run, f"{type(error).__name__}: {error}", place))
            raise
        folder.write_record(run.name, record)
        place.remove_checkpoints()  # Nothing of the run is left to do, and there are many runs.
    return 0


def can_resume(run: PlannedRun, place: RunFolder) -> bool:
    """Whether the run was interrupted after a checkpoint, and its method can continue from one."""
    if run.recipe.weighting.method in UNSAVED or not place.recipe_file.exists():
        return False
    path, _ = newest_checkpoint(place.path / CHECKPOINTS, FILES)
    return path is not None


def finished(
    plan: Plan, run: PlannedRun, place: RunFolder, outcome: Outcome, callbacks: RunCallbacks, device: torch.device
) -> RunRecord:
    """Evaluate a trained run on the test split, and return its record.

    Raises:
        RunError: validation gave no score, or a figure has no value.
    """
    test: dict[str, float] = {}
    metrics: list[Metric] = []
    for name, split in plan.splits.test.items():
        figures = evaluate_run(place, callbacks, data=name, split=split, baselines=False, device=device)
        for metric, value in judged(figures, name if run.recipe.also else ""):
            metrics.append(metric)
            if value is None:
                raise RunError(f"{place.path}: expected a value of {metric.key} on {split}, found none")
            test[metric.key] = value
    best = outcome.model_step
    at_best = next((one for one in outcome.validations if one["step"] == best), None)
    if best is None or at_best is None:
        raise RunError(f"{place.path}: expected a validation that chose the model, found none")
    figures_at_best, log = at_best["figures"], place.read_log()
    validation = {metric.key: _scaled(figures_at_best.get(_validated_as(metric)), metric.unit) for metric in metrics}
    known = {key: value for key, value in validation.items() if value is not None}
    if missing := sorted(validation.keys() - known.keys()):
        raise RunError(f"{place.path}: expected a value of {missing[0]} in validation, found none")
    return RunRecord(
        row=run.row.name,
        candidate=run.candidate.name,
        seed=run.seed,
        steps=outcome.step,
        seconds=outcome.seconds,
        validation=known,
        test=test,
        best_step=best,
        weights=course(log),
        update_norms=update_norms(log),
        settings={"described": run.candidate.description},
    )


def judged(figures: Figures, prefix: str) -> list[tuple[Metric, float | None]]:
    """Return the primary figure of each task on the one data set of ``figures``."""
    return [
        (metric_of(task, one.primary, prefix), _scaled(one.value, one.primary.unit))
        for task, one in figures.first.tasks.items()
        if one.primary is not None
    ]


def _scaled(value: float | None, unit: str) -> float | None:
    return None if value is None else value * scale(unit)


def _validated_as(metric: Metric) -> str:
    """The name of a figure in validations, where a data set's name comes first: ``photos.semantic.mean_iou``."""
    *prefix, figure = metric.name.split(".")
    return ".".join([*prefix, metric.task, figure])


def course(log: Sequence[Entry]) -> tuple[tuple[int, Mapping[str, float]], ...]:
    """Return each task's weight at some steps, times its raw loss at the first logged one, so that units cancel."""
    first: dict[str, float] = {}
    points: list[tuple[int, Mapping[str, float]]] = []
    for entry in _thinned(log):
        values = {}
        for name, term in entry["tasks"].items():
            if term.get("loss") is not None:
                first.setdefault(name, float(term["loss"]))
            weight: Any = term.get("weight")
            if isinstance(weight, int | float) and name in first:
                values[name] = weight * first[name]
        if values:
            points.append((int(entry["step"]), values))
    return tuple(points)


def update_norms(log: Sequence[Entry]) -> tuple[tuple[int, float], ...]:
    """Return how far the network moved in some steps."""
    known = [(int(entry["step"]), entry.get("update_norm")) for entry in _thinned(log)]
    return tuple((step, float(norm)) for step, norm in known if norm is not None)


def _thinned(log: Sequence[Entry]) -> Sequence[Entry]:
    return log[:: max(1, -(-len(log) // MOST_POINTS))]


def failed(run: PlannedRun, message: str, place: RunFolder) -> RunRecord:
    """Return the record of a run that failed, with what is known of how far it got."""
    try:
        last = place.read_log()[-1:]
    except RunError:
        last = []
    return RunRecord(
        row=run.row.name,
        candidate=run.candidate.name,
        seed=run.seed,
        steps=int(last[0]["step"]) if last else 0,
        seconds=float(last[0].get("seconds") or 0.0) if last else 0.0,
        settings={"described": run.candidate.description},
        error=" ".join(message.split())[:500],
    )
