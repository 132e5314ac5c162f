"""Train a run into its folder."""

import dataclasses
import shlex
import sys
from datetime import UTC, datetime

import torch

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.data.survey import Survey, expect_labels, survey
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.class_balance import balanced
from equipoise.scenes.runs.record import FORMAT, Change, KeptModel, RunRecord
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.runs.validation import plan_validation, selection, validation_record, validation_sets
from equipoise.scenes.training.distributed import ALONE, ProcessGroup
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.precision import Precision, choose_precision
from equipoise.scenes.training.selection import best_of
from equipoise.version import __version__

CPU = torch.device("cpu")


def train_run(
    recipe: Recipe, folder: RunFolder, callbacks: RunCallbacks, *, resume: bool = False, group: ProcessGroup = ALONE
) -> Outcome:
    """Train a recipe into a prepared folder. The outcome says whether a signal ended training early."""
    if recipe.training.batch_size < group.world:
        size = recipe.training.batch_size
        raise RecipeError(f"training.batch_size: expected at least 1 for each of {group.world} processes, found {size}")
    data = RecipeData(recipe)
    known = survey(data)
    for line in known.notices:
        callbacks.on_notice(line)
    with torch.device("meta"):
        model = SceneModel(describe(recipe, known.vocabulary))
    sets = validation_sets(data, model, callbacks.on_notice) if recipe.training.validate_every else []
    chosen = selection(sets, recipe.training.best_by) if sets else None
    with group.leader_first():
        dataset = data.training(callbacks.counting)
    expect_labels(dataset, model.tasks)
    with group.leader_first():
        weighed = balanced(recipe, dataset, model.tasks, callbacks)
    precision = choose_precision(recipe.training.precision, CPU)
    if group.largest(precision == "float32"):
        precision = "float32"
    if resume:
        _, record = folder.read()
        precision = record.precision or precision
    else:
        record = describe_run(recipe, precision, known, group)
    if chosen is not None:
        record = dataclasses.replace(record, validation=validation_record(recipe, sets, chosen))
    if group.leads and not resume:
        folder.clear()
        folder.write_recipe(recipe)
        folder.write_record(record)
    outcome = train(
        weighed,
        dataset,
        folder.path,
        precision=precision,
        resume=resume,
        identity=known.identity,
        camera=known.camera,
        group=group,
        validation=None if chosen is None else plan_validation(recipe, sets, chosen, precision, callbacks),
        on_log=callbacks.on_log,
        on_notice=callbacks.on_notice,
    )
    if group.leads:
        folder.write_recipe(recipe)  # A resumed run's data may lie elsewhere now.
        folder.write_record(ended(recipe, record, outcome))
    return outcome


def ended(recipe: Recipe, record: RunRecord, outcome: Outcome) -> RunRecord:
    """The record when training stops: how far it got, and which step's model lies in the folder."""
    steps, changed = recipe.training.steps, record.changed
    if record.steps is not None and record.steps != steps:
        changed = (*changed, Change(key="training.steps", before=record.steps, after=steps))
    return dataclasses.replace(
        record,
        seconds=outcome.seconds,
        steps=steps,
        steps_done=outcome.step,
        stopped_early=outcome.stopped_early,
        parameters=sum(p.numel() for p in outcome.model.network.parameters()),
        changed=changed,
        model=kept_model(record, outcome) or record.model,
    )


def kept_model(record: RunRecord, outcome: Outcome) -> KeptModel | None:
    """The model of a finished run, and how validation judged it; ``None`` where training is not finished."""
    if outcome.model_step is None:
        return None
    kept = KeptModel(step=outcome.model_step, of=outcome.step)
    if record.validation is None or not outcome.validations:
        return kept
    best = best_of(outcome.validations, record.validation.better)
    if best is None or best["step"] != outcome.model_step:
        return kept
    return dataclasses.replace(kept, chosen="best", score=best["score"], validations=len(outcome.validations))


def describe_run(recipe: Recipe, precision: Precision, known: Survey, group: ProcessGroup) -> RunRecord:
    """How a run is made."""
    return RunRecord(
        format=FORMAT,
        equipoise=__version__,
        torch=torch.__version__,
        python=sys.version.split()[0],
        command="equipoise " + shlex.join(sys.argv[1:]),
        seed=recipe.training.seed,
        precision=precision,
        device=str(CPU),
        threads=torch.get_num_threads(),
        processes=group.world,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        steps=recipe.training.steps,
        train_images=known.train_images,
        val_images=known.val_images,
        skipped=known.skipped,
        input_size=recipe.data.size,
        tasks=recipe.tasks,
        vocabulary=known.vocabulary,
        camera=known.camera,
    )
