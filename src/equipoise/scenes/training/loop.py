"""The training loop, to be read from top to bottom."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import torch

from equipoise.errors import DataError
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.encoders.weights import EncoderWeights
from equipoise.scenes.training.accumulate import steps
from equipoise.scenes.training.average import Average
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.compiling import as_it_is, compiled
from equipoise.scenes.training.device import CPU, as_current
from equipoise.scenes.training.distributed import ALONE, ProcessGroup
from equipoise.scenes.training.entry import Speed, log_entry
from equipoise.scenes.training.finite import expect_finite_steps
from equipoise.scenes.training.log import Entry, RunLog
from equipoise.scenes.training.memory import naming_memory, training_remedy
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.optimizer import make_optimizer, set_rate
from equipoise.scenes.training.outcome import Outcome
from equipoise.scenes.training.precision import Precision, float32_products
from equipoise.scenes.training.resuming import restore
from equipoise.scenes.training.saving import save
from equipoise.scenes.training.schedule import rate_factor
from equipoise.scenes.training.signals import stop_on_signals
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import training_step
from equipoise.scenes.training.update_norm import copied, moved
from equipoise.scenes.training.validator import ValidationPlan, Validator
from equipoise.scenes.training.weighting import make_weighting
from equipoise.scenes.wording import counted


def train(
    recipe: Recipe,
    dataset: SceneDataset,
    run: Path,
    *,
    precision: Precision,
    device: torch.device = CPU,
    resume: bool = False,
    identity: Mapping[str, str] | None = None,
    camera: ModelCamera | None = None,
    encoder_weights: EncoderWeights | None = None,
    group: ProcessGroup = ALONE,
    on_log: Callable[[Entry], None] = lambda entry: None,
    on_notice: Callable[[str], None] = lambda line: None,
    validation: ValidationPlan | None = None,
) -> Outcome:
    """Train the recipe's model on ``dataset`` and write it to ``run``.

    Args:
        recipe: what to train, and how.
        dataset: training samples.
        run: an existing folder, which gets checkpoints, log and model.
        precision: of the network's forward pass; the likelihood always computes in float32.
        device: what to train on. Checkpoints and models do not depend on it.
        resume: continue from the newest valid checkpoint in ``run``.
        identity: identifies the data by key and value; a run on other data is not resumed.
        camera: that of the training images, saved with the model.
        encoder_weights: what the encoder of a new run starts from.
        group: the processes that share each batch; the first of them writes the files.
        on_log: called with every logged entry.
        on_notice: called with lines for the user (a checkpoint was passed over, say).
        validation: how to validate, where ``recipe.training.validate_every`` asks for it; the first process does it.

    Raises:
        NonFiniteError: a loss or gradient was not finite; no weight was changed by it.
        OutOfMemoryError: the device has too little memory for a step.
        RunError: there is nothing to resume, or the checkpoint is of another recipe or of other data.
        DataError: an image of the training or validation split cannot be read.
    """
    options, identity = recipe.training, dict(identity or {})
    with naming_memory(device, "the model and its average", "take a smaller model, or another device"):
        state = new_state(recipe, dataset, camera, device, precision, encoder_weights)
    if resume:
        restore(state, recipe, identity, run, on_notice)
    state.network = group.parallel(state.model.network, device, compiled if options.compile else as_it_is)
    log = RunLog(run, last_step=state.step) if group.leads else None
    drawn = batches(
        dataset,
        state.model.tasks,
        recipe.augmentation,
        size=recipe.data.size,
        seed=options.seed,
        batch_size=options.batch_size,
        start=state.step,
        stop=options.steps,
        workers=options.workers,
        parts=options.accumulate,
        group=group,
        device=device,
    )
    state.model.train()
    started, speed = time.perf_counter() - state.seconds, Speed(state.step)
    with stop_on_signals() as request, as_current(device), closing(drawn), float32_products(precision, device):
        validator = Validator(validation, state, options, run, group=group, request=request, on_notice=on_notice)
        validator.validate_if_due()  # A signal may have interrupted this one before the run was resumed.
        ended = state.stopped_early or validator.due
        for parts in () if ended else steps(drawn, options.accumulate):
            set_rate(state.optimizer, rate_factor(state.step, options.steps, recipe.optimizer))
            is_last = state.step + 1 == options.steps
            is_logged = is_last or (state.step + 1) % options.log_every == 0
            with naming_memory(device, step_in_words(parts, precision), training_remedy(precision)):
                before = copied(state.model.network) if is_logged and log is not None else []
                joint, gradient_norm = training_step(state, parts, precision, recipe.optimizer.gradient_clip, group)
            state.step += 1
            if state.average is not None:
                state.average.update(state.step)
            state.seconds = time.perf_counter() - started
            if is_logged:
                expect_finite_steps(state, group)
                if log is not None:
                    rate = speed.rate(state.step, options.batch_size)
                    entry = log_entry(
                        state, joint, gradient_norm, moved(before, state.model.network), parts[0].epoch, rate
                    )
                    log.append(entry)
                    on_log(entry)
            try:
                speed.pause(validator.validate_if_due())
            except DataError:  # A broken validation image: once it is repaired, the run continues from here.
                if group.leads:
                    save(state, recipe, identity, run)
                raise
            ended = is_last or state.stopped_early or group.largest(request.exit_status) > 0
            if state.step % options.checkpoint_every == 0 or ended:
                expect_finite_steps(state, group)
                if group.leads:
                    save(state, recipe, identity, run)
            if ended:
                break
        model_step = write_model(validator, run) if group.leads and validator.finished else None
        exit_status = group.largest(request.exit_status)  # A signal may have come since the last step.
    return Outcome(
        model=state.model,
        step=state.step,
        seconds=state.seconds,
        exit_status=exit_status,
        model_step=model_step,
        stopped_early=state.stopped_early,
        validations=tuple(state.validations),
    )


def new_state(
    recipe: Recipe,
    dataset: SceneDataset,
    camera: ModelCamera | None,
    device: torch.device,
    precision: Precision,
    encoder_weights: EncoderWeights | None = None,
) -> State:
    """The state before the first step.

    The recipe's seed decides the weights, which are drawn on the CPU; ``encoder_weights`` replace those of the encoder.
    """
    model = first_model(recipe, dataset, camera)
    if encoder_weights is not None:
        encoder_weights.load(model.network.encoder)
    model = model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    weighting = make_weighting(recipe.weighting, len(model.tasks), device)
    return State(
        model=model,
        weighting=weighting,
        average=Average(model, recipe.training.ema) if recipe.training.ema else None,
        network=model.network,
        optimizer=make_optimizer(model, recipe.optimizer, weighting.parameters),
        scaler=torch.amp.GradScaler(device.type) if precision == "float16" else None,
    )


def first_model(recipe: Recipe, dataset: SceneDataset, camera: ModelCamera | None) -> SceneModel:
    """The model before the first step, on the CPU."""
    torch.manual_seed(recipe.training.seed)
    model = SceneModel(describe(recipe, dataset.vocabulary, camera))
    if among := recipe.training.init_tasks:
        torch.manual_seed(recipe.training.seed)
        whole = SceneModel(describe(dataclasses.replace(recipe, tasks=among), dataset.vocabulary, camera))
        drawn = whole.network.state_dict()
        model.network.load_state_dict({name: drawn[name] for name in model.network.state_dict()})
    return model


def step_in_words(parts: Sequence[Batch], precision: Precision) -> str:
    """The sizes of a step, for the error that there is too little memory for it."""
    height, width = parts[0].images.shape[2:]
    images = counted(max(len(part.images) for part in parts), "image")
    at_once = f"{images} at a time" if len(parts) > 1 else images
    return f"a training step of {at_once} of {height}x{width} px in {precision}"


def write_model(validator: Validator, run: Path) -> int:
    """Write the model that the run ends with; returns its step."""
    step, files = validator.chosen()
    for name, data in files.items():
        write_atomic(run / name, data)
    return step
