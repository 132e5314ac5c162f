"""Train a run into its folder."""

import dataclasses
import shlex
import sys
from datetime import UTC, datetime
from typing import Any

import torch

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.data.survey import Survey, expect_labels, survey
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.class_balance import balanced
from equipoise.scenes.runs.encoder_start import expect_same_weights, first_weights
from equipoise.scenes.runs.record import FORMAT, Change, KeptModel, RunRecord
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.runs.validation import plan_validation, selection, validation_record, validation_sets
from equipoise.scenes.training.device import CPU, described, device_name
from equipoise.scenes.training.distributed import ALONE, ProcessGroup
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.optimizer import make_optimizer
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.precision import COARSEST_FIRST, Precision, choose_precision, precision_on, products
from equipoise.scenes.training.selection import best_of
from equipoise.scenes.training.weighting_settings import UNSAVED
from equipoise.version import __version__


def train_run(
    recipe: Recipe,
    folder: RunFolder,
    callbacks: RunCallbacks,
    *,
    resume: bool = False,
    group: ProcessGroup = ALONE,
    device: torch.device = CPU,
) -> Outcome:
    """Train a recipe into a prepared folder. The outcome says whether a signal stopped training."""
    expect_shares(recipe, group)
    data = RecipeData(recipe)
    known = survey(data)
    for line in known.notices:
        callbacks.on_notice(line)
    with torch.device("meta"):
        model = SceneModel(describe(recipe, known.vocabulary))
        make_optimizer(model, recipe.optimizer)  # Raises before an old run is removed.
    with group.leader_first():  # It may download them.
        weights = None if resume else first_weights(recipe, model, callbacks.on_notice)
    sets = validation_sets(data, model, callbacks.on_notice) if recipe.training.validate_every else []
    chosen = selection(sets, recipe.training.best_by) if sets else None
    with group.leader_first():
        dataset = data.training(callbacks.counting)
    expect_labels(dataset, model.tasks)
    with group.leader_first():
        weighed = balanced(recipe, dataset, model.tasks, callbacks)
    precision = agreed(choose_precision(recipe.training.precision, device), group)
    if resume:
        _, record = folder.read()
        expect_same_weights(recipe, record)
        precision = agreed(precision_on(record.precision or precision, device), group)
        record = dataclasses.replace(record, **workplace(device, precision, group))
    else:
        record = describe_run(recipe, precision, known, group, device)
        record = dataclasses.replace(record, encoder_weights=None if weights is None else weights.file)
    callbacks.on_notice(f"training on {described(device, recipe.training.device)}, in {precision}")
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
        device=device,
        resume=resume,
        identity=known.identity,
        camera=known.camera,
        encoder_weights=weights,
        group=group,
        validation=None if chosen is None else plan_validation(recipe, sets, chosen, precision, callbacks),
        on_log=callbacks.on_log,
        on_notice=callbacks.on_notice,
    )
    if group.leads:
        folder.write_recipe(recipe)  # A resumed run may have its data elsewhere now.
        folder.write_record(ended(recipe, record, outcome))
    return outcome


def expect_shares(recipe: Recipe, group: ProcessGroup) -> None:
    """Raise ``RecipeError`` where several processes cannot share a step.

    A batch needs an image for each process and part of a step, and methods of TorchJD but FAMO run in one process.
    """
    size, parts = recipe.training.batch_size, recipe.training.accumulate
    if size < group.world:
        raise RecipeError(f"training.batch_size: expected at least 1 for each of {group.world} processes, found {size}")
    if group.world > 1 and recipe.weighting.method in UNSAVED:
        raise RecipeError(
            f"weighting.method: expected learned, damped, equal, fixed or FAMO with {group.world} processes, found "
            f"{recipe.weighting.method!r}: train in one process"
        )
    if size // group.world < parts:
        raise RecipeError(
            f"training.accumulate: expected at most {size // group.world}, the images of each of {group.world} "
            f"processes, found {parts}"
        )


def ended(recipe: Recipe, record: RunRecord, outcome: Outcome) -> RunRecord:
    """Return the record at the end of training: how far it got, and which step's model is in the folder."""
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
    """Describe the model of a finished run and its score in validation; ``None`` if training is not finished."""
    if outcome.model_step is None:
        return None
    kept = KeptModel(step=outcome.model_step, of=outcome.step)
    if record.validation is None or not outcome.validations:
        return kept
    best = best_of(outcome.validations, record.validation.better)
    if best is None or best["step"] != outcome.model_step:
        return kept
    return dataclasses.replace(kept, chosen="best", score=best["score"], validations=len(outcome.validations))


def agreed(precision: Precision, group: ProcessGroup) -> Precision:
    """The precision of a group whose processes may run on different machines: one that all of them have."""
    return COARSEST_FIRST[group.largest(COARSEST_FIRST.index(precision))]


def workplace(device: torch.device, precision: Precision, group: ProcessGroup) -> dict[str, Any]:
    """What a record says of the machine, which may be another one when the run is resumed."""
    return {
        "precision": precision,
        "device": str(device),
        "device_name": device_name(device),
        "float32_products": products(precision) if device.type == "cuda" else None,
        "threads": torch.get_num_threads(),
        "processes": group.world,
    }


def describe_run(
    recipe: Recipe, precision: Precision, known: Survey, group: ProcessGroup, device: torch.device
) -> RunRecord:
    """How a run is made."""
    return RunRecord(
        format=FORMAT,
        equipoise=__version__,
        torch=torch.__version__,
        python=sys.version.split()[0],
        command="equipoise " + shlex.join(sys.argv[1:]),
        seed=recipe.training.seed,
        **workplace(device, precision, group),
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
