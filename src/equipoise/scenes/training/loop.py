"""The training loop: short, and to be read from top to bottom.

Legend of shapes: B batch, C channels, H × W the network's input.
"""

import math
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equipoise import JointLoss
from equipoise.errors import DataError, NonFiniteError
from equipoise.optim import param_groups
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.config.recipe import OptimizerRecipe, Recipe
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.batches import Batch, batches
from equipoise.scenes.training.distributed import ALONE, Team
from equipoise.scenes.training.log import Entry, RunLog
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.training.schedule import rate_factor
from equipoise.scenes.training.selection import Validation
from equipoise.scenes.training.signals import stop_on_signals
from equipoise.scenes.training.state import State, restore, save
from equipoise.scenes.training.validator import ValidationPlan, Validator


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call of ``train`` ended: the model, the step it reached, and the signal's exit status if one came.

    ``model_step``: the step of the model that lies in the run's folder, which is an earlier one where validation found
    that better; ``None`` where training is not finished. ``validations``: all of the run.
    """

    model: SceneModel
    step: int
    seconds: float
    exit_status: int = 0
    model_step: int | None = None
    stopped_early: bool = False
    validations: tuple[Validation, ...] = ()


def train(
    recipe: Recipe,
    dataset: SceneDataset,
    run: Path,
    *,
    precision: Precision,
    resume: bool = False,
    identity: Mapping[str, str] | None = None,
    camera: ModelCamera | None = None,
    team: Team = ALONE,
    on_log: Callable[[Entry], None] = lambda entry: None,
    on_notice: Callable[[str], None] = lambda line: None,
    validation: ValidationPlan | None = None,
) -> Outcome:
    """Train the recipe's model on ``dataset`` and leave it in ``run``.

    Args:
        recipe: what to do.
        dataset: training samples.
        run: a folder that exists; checkpoints, log and model go there.
        precision: of the network's forward pass; the likelihood always computes in float32.
        resume: go on from the newest valid checkpoint in ``run``.
        identity: what tells the data from others: a run on other data is not resumed.
        camera: that of the training images, for the model to keep.
        team: the processes that share each batch; the first of them writes the files.
        on_log: called with every logged entry.
        on_notice: called with lines worth telling (a checkpoint passed over).
        validation: how to validate, where ``recipe.training.validate_every`` asks for it; the first process does.

    Raises:
        NonFiniteError: a loss or gradient was not finite; no weight has taken it.
        RunError: nothing to resume from, or a checkpoint of another recipe.
        DataError: an image of the training or validation split cannot be read.
    """
    torch.manual_seed(recipe.training.seed)
    model = SceneModel(describe(recipe, dataset.vocabulary, camera)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = State(model=model, network=model.network, optimizer=make_optimizer(model, recipe.optimizer))
    identity = dict(identity or {})
    if resume:
        restore(state, recipe, identity, run, on_notice)
    state.network = shared_among(team, model.network)
    log = RunLog(run, last_step=state.step) if team.leads else None
    options = recipe.training
    drawn = batches(
        dataset,
        model.tasks,
        recipe.augmentation,
        size=recipe.data.size,
        seed=options.seed,
        batch_size=options.batch_size,
        start=state.step,
        stop=options.steps,
        workers=options.workers,
        team=team,
    )
    model.train()
    started, window = time.perf_counter() - state.seconds, _Window(state.step)
    with stop_on_signals() as request:
        validator = Validator(validation, state, options, run, team=team, request=request, on_notice=on_notice)
        validator.validate_if_due()  # Which a signal interrupted before this run was resumed.
        ended = state.stopped_early or validator.due
        with closing(drawn):
            for batch in () if ended else drawn:
                set_rate(state.optimizer, rate_factor(state.step, options.steps, recipe.optimizer))
                joint, gradient_norm = training_step(state, batch, precision, recipe.optimizer.gradient_clip, team)
                state.step += 1
                state.seconds = time.perf_counter() - started
                last = state.step == options.steps
                if log is not None and (state.step % options.log_every == 0 or last):
                    rate = window.rate(state.step, options.batch_size)
                    entry = log_entry(state, joint, gradient_norm, batch.epoch, rate)
                    log.append(entry)
                    on_log(entry)
                try:
                    window.pause(validator.validate_if_due())
                except DataError:  # An image that is broken: mended, the run goes on from here.
                    if team.leads:
                        save(state, recipe, identity, run)
                    raise
                ended = last or state.stopped_early or team.largest(request.exit_status) > 0
                if team.leads and (state.step % options.checkpoint_every == 0 or ended):
                    save(state, recipe, identity, run)
                if ended:
                    break
        model_step = finish(validator, run) if team.leads and validator.finished else None
        stopped = team.largest(request.exit_status)  # One may have come since.
    return Outcome(
        model=model,
        step=state.step,
        seconds=state.seconds,
        exit_status=stopped,
        model_step=model_step,
        stopped_early=state.stopped_early,
        validations=tuple(state.validations),
    )


def finish(validator: Validator, run: Path) -> int:
    """Write the model that the run ends with; returns its step."""
    step, files = validator.chosen()
    for name, data in files.items():
        write_atomic(run / name, data)
    return step


def shared_among(team: Team, network: nn.Module) -> nn.Module:
    """The network, its gradients averaged over the team."""
    return network if team.world == 1 else nn.parallel.DistributedDataParallel(network)


def training_step(
    state: State, batch: Batch, precision: Precision, gradient_clip: float | None, team: Team
) -> tuple[JointLoss, Tensor]:
    """One step: forward, joint likelihood, backward, check, update.

    Losses and gradients are those of the whole team's batch, so all processes stop at the same one.
    """
    model, optimizer = state.model, state.optimizer
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        outputs = state.network(batch.images, batch.rows)
    try:
        joint = model.likelihood(outputs, batch.targets, weights=batch.weights)
    except FloatingPointError as error:
        where = _place(state, batch, team)
        raise NonFiniteError(
            f"expected finite losses, found: {error} ({where}); no weight has taken it: lower optimizer.lr, or look at "
            "these images"
        ) from None
    optimizer.zero_grad()
    joint.loss.backward()
    for name, term in joint.tasks.items():
        if not term.count:
            without_gradient(model, name)
    gradient_norm = nn.utils.clip_grad_norm_(
        [p for p in model.network.parameters() if p.grad is not None],
        math.inf if gradient_clip is None else gradient_clip,
    )
    if not torch.isfinite(gradient_norm):
        raise NonFiniteError(
            f"expected finite gradients, found infinity or NaN in {_culprit(model)} ({_place(state, batch, team)}); "
            "no weight has taken it: lower optimizer.lr, or set optimizer.gradient_clip"
        )
    optimizer.step()
    return joint, gradient_norm


def without_gradient(model: SceneModel, task: str) -> None:
    """Leave a decoder without labels alone: a gradient of zero would let momentum and weight decay move it.

    The task's σ is left alone by the likelihood itself.
    """
    for parameter in model.network.decoders[task].parameters():
        parameter.grad = None


def _place(state: State, batch: Batch, team: Team) -> str:
    return f"step {state.step + 1}, images {', '.join(team.gathered(batch.names))}"


def make_optimizer(model: SceneModel, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    """The recipe's optimizer; the log-variances have a group, and no weight decay, of their own."""
    groups = param_groups(
        model.network,
        model.likelihood,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        log_variance_lr=recipe.log_variance_lr,
    )
    optimizer: torch.optim.Optimizer
    if recipe.name == "sgd":
        optimizer = torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)
    else:
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    return optimizer


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Every group's rate as a factor of where it starts."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor


def log_entry(state: State, joint: JointLoss, gradient_norm: Tensor, epoch: float, rate: float) -> Entry:
    """What is logged of a step, as plain numbers."""
    tasks = {
        name: {key: _plain(getattr(term, key)) for key in ("loss", "nll", "weight", "sigma")}
        for name, term in joint.tasks.items()
    }
    return {
        "step": state.step,
        "epoch": epoch,
        "learning_rate": state.optimizer.param_groups[0]["lr"],
        "loss": _plain(joint.loss),
        "gradient_norm": _plain(gradient_norm),
        "images_per_second": rate,
        "seconds": state.seconds,
        "tasks": tasks,
    }


class _Window:
    """Images a second since it was last asked."""

    def __init__(self, step: int) -> None:
        self.step, self.time = step, time.perf_counter()

    def pause(self, seconds: float) -> None:
        """Leave out time that was not spent on training."""
        self.time += seconds

    def rate(self, step: int, batch_size: int) -> float:
        now = time.perf_counter()
        rate = (step - self.step) * batch_size / (now - self.time)
        self.step, self.time = step, now
        return rate


def _plain(value: Tensor | None) -> Any:
    """A number, a list of them, or ``None`` for what has no value (JSON knows no NaN)."""
    if value is None:
        return None
    listed: Any = value.detach().float().tolist()
    if isinstance(listed, list):
        return [x if math.isfinite(x) else None for x in listed]
    return listed if math.isfinite(listed) else None


def _culprit(model: SceneModel) -> str:
    """The first parameter whose gradient is not finite."""
    for name, parameter in model.network.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            return name
    return "the sum of their squares"
