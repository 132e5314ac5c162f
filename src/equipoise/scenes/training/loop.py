"""The training loop: short, and to be read from top to bottom.

Legend of shapes: B batch, C channels, H × W the network's input.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.errors import NonFiniteError, RunError
from equipoise.multitask import JointTerm
from equipoise.optim import param_groups
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.model import (
    WEIGHTS,
    SceneModel,
    describe,
    load_weights,
    model_files,
    read_tensors,
    tensors_as_bytes,
)
from equipoise.scenes.recipe import OptimizerRecipe, Recipe, differing_keys
from equipoise.scenes.training.batches import Batch, batches
from equipoise.scenes.training.checkpoint import newest_checkpoint, prune_checkpoints, write_atomic, write_checkpoint
from equipoise.scenes.training.log import Entry, RunLog
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.training.schedule import rate_factor
from equipoise.scenes.training.signals import stop_on_signals

OPTIMIZER, STATE = "optimizer.safetensors", "state.json"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call of ``train`` ended: the model, the step it reached, and the signal's exit status if one came."""

    model: SceneModel
    step: int
    seconds: float
    exit_status: int = 0


@dataclass
class _State:
    """What changes while training, and is saved."""

    model: SceneModel
    optimizer: torch.optim.Optimizer
    step: int = 0
    seconds: float = 0.0


def train(
    recipe: Recipe,
    dataset: SceneDataset,
    run: Path,
    *,
    precision: Precision,
    resume: bool = False,
    on_log: Callable[[Entry], None] = lambda entry: None,
    on_notice: Callable[[str], None] = lambda line: None,
) -> Outcome:
    """Train the recipe's model on ``dataset`` and leave it in ``run``.

    Args:
        recipe: what to do.
        dataset: training samples.
        run: a folder that exists; checkpoints, log and model go there.
        precision: of the network's forward pass; the likelihood always computes in float32.
        resume: go on from the newest valid checkpoint in ``run``.
        on_log: called with every logged entry.
        on_notice: called with lines worth telling (a checkpoint passed over).

    Raises:
        NonFiniteError: a loss or gradient was not finite; no weight has taken it.
        RunError: nothing to resume from, or a checkpoint of another recipe.
    """
    torch.manual_seed(recipe.training.seed)
    model = SceneModel(describe(recipe, dataset.vocabulary)).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    state = _State(model=model, optimizer=make_optimizer(model, recipe.optimizer))
    if resume:
        restore(state, recipe, run, on_notice)
    log = RunLog(run, last_step=state.step)
    options = recipe.training
    loader = batches(
        dataset,
        model.tasks,
        recipe.augmentation,
        size=recipe.data.size,
        seed=options.seed,
        batch_size=options.batch_size,
        start=state.step,
        stop=options.steps,
        workers=options.workers,
    )
    model.train()
    started, window = time.perf_counter() - state.seconds, _Window(state.step)
    with stop_on_signals() as request:
        for batch in loader:
            set_rate(state.optimizer, rate_factor(state.step, options.steps, recipe.optimizer))
            joint, gradient_norm = training_step(state, batch, precision, recipe.optimizer.gradient_clip)
            state.step += 1
            state.seconds = time.perf_counter() - started
            if state.step % options.log_every == 0 or state.step == options.steps:
                entry = log_entry(state, joint, gradient_norm, batch.epoch, window.rate(state.step, options.batch_size))
                log.append(entry)
                on_log(entry)
            due = state.step % options.checkpoint_every == 0 or state.step == options.steps
            if due or request.signal is not None:
                save(state, recipe, run)
            if request.signal is not None:
                status = request.exit_status
                return Outcome(model=model, step=state.step, seconds=state.seconds, exit_status=status)
    for name, data in model_files(model).items():
        write_atomic(run / name, data)
    return Outcome(model=model, step=state.step, seconds=state.seconds)


def training_step(
    state: _State, batch: Batch, precision: Precision, gradient_clip: float | None
) -> tuple[JointTerm, Tensor]:
    """One step: forward, joint likelihood, backward, check, update."""
    model, optimizer = state.model, state.optimizer
    where = f"step {state.step + 1}, images {', '.join(batch.names)}"
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
        outputs = model(batch.images, batch.rows)
    try:
        joint = model.likelihood(outputs, batch.targets)
    except FloatingPointError as error:
        raise NonFiniteError(f"expected finite losses, found: {error} ({where}); no weight has taken it") from None
    optimizer.zero_grad()
    joint.loss.backward()
    gradient_norm = nn.utils.clip_grad_norm_(
        [p for p in model.network.parameters() if p.grad is not None],
        math.inf if gradient_clip is None else gradient_clip,
    )
    if not torch.isfinite(gradient_norm):
        raise NonFiniteError(
            f"expected finite gradients, found none in {_culprit(model)} ({where}); no weight has taken it: "
            "lower optimizer.lr, or set optimizer.gradient_clip"
        )
    optimizer.step()
    return joint, gradient_norm


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


def log_entry(state: _State, joint: JointTerm, gradient_norm: Tensor, epoch: float, rate: float) -> Entry:
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


def save(state: _State, recipe: Recipe, run: Path) -> None:
    """Write a checkpoint of everything that a resumed run needs, and prune old ones."""
    packed = state.optimizer.state_dict()
    tensors = {f"{i}.{key}": value for i, values in packed["state"].items() for key, value in _tensors(values).items()}
    tensors["generator"] = torch.get_rng_state()
    table = {
        "format": 1,
        "step": state.step,
        "seconds": state.seconds,
        "recipe": recipe.as_table(),
        "param_groups": packed["param_groups"],
    }
    files = model_files(state.model) | {OPTIMIZER: tensors_as_bytes(tensors), STATE: json.dumps(table).encode()}
    write_checkpoint(run / "checkpoints", state.step, files)
    prune_checkpoints(run / "checkpoints", recipe.training.keep_checkpoints)


def restore(state: _State, recipe: Recipe, run: Path, on_notice: Callable[[str], None]) -> None:
    """Take up the newest valid checkpoint of ``run``; raises ``RunError`` where there is none or the recipe differs."""
    path, passed_over = newest_checkpoint(run / "checkpoints")
    for line in passed_over:
        on_notice(f"passed over {line}")
    if path is None:
        raise RunError(f"expected a checkpoint under {run / 'checkpoints'}, found none: start without --resume")
    table = json.loads((path / STATE).read_bytes())
    if keys := differing_keys(table["recipe"], recipe.as_table()):
        raise RunError(
            f"{path}: expected the recipe it was made with, found other values of {', '.join(keys)}: "
            "restore them, or start a new run with --out"
        )
    load_weights(state.model, path / WEIGHTS)
    tensors = read_tensors(path / OPTIMIZER)
    torch.set_rng_state(tensors.pop("generator"))
    packed: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        index, key = name.split(".", 1)
        packed.setdefault(int(index), {})[key] = value
    state.optimizer.load_state_dict({"state": packed, "param_groups": table["param_groups"]})
    state.step, state.seconds = table["step"], table["seconds"]
    on_notice(f"resumed from {path} at step {state.step}")


class _Window:
    """Images a second since it was last asked."""

    def __init__(self, step: int) -> None:
        self.step, self.time = step, time.perf_counter()

    def rate(self, step: int, batch_size: int) -> float:
        now = time.perf_counter()
        rate = (step - self.step) * batch_size / (now - self.time)
        self.step, self.time = step, now
        return rate


def _tensors(values: dict[str, Any]) -> dict[str, Tensor]:
    return {key: value for key, value in values.items() if isinstance(value, Tensor)}


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
