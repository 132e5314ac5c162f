"""The optimizer of a recipe, and its learning rates."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from equipoise.optim import LOG_VARIANCE_FACTOR, param_groups
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.settings import OptimizerRecipe

FUSED = ("cuda", "mps")
"""Where one kernel updates many parameters. The CPU keeps the plain loop, whose figures stay the same to the digit."""
WORKINGS = ("fused", "foreach", "capturable")
"""How an optimizer computes, which depends on the device and not on the run."""


def make_optimizer(
    model: SceneModel, recipe: OptimizerRecipe, weighting: Sequence[nn.Parameter] = ()
) -> torch.optim.Optimizer:
    """The recipe's optimizer, fused on GPUs.

    The log-variances are a group of their own, without weight decay; so is the encoder, where its rate is another one,
    and each stage of it, where these have different rates. The first group holds the network, or the rest of it.
    ``weighting`` are the parameters of a method of weighing; they learn as the log-variances do.

    Raises:
        RecipeError: the encoder has no stages.
    """
    groups = param_groups(
        model.network,
        model.likelihood,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        log_variance_lr=recipe.log_variance_lr,
    )
    if recipe.encoder_lr_factor != 1 or recipe.encoder_lr_decay != 1:
        groups += _encoder_groups(model, groups[0], recipe)
    if weighting:
        rate = LOG_VARIANCE_FACTOR * recipe.lr if recipe.log_variance_lr is None else recipe.log_variance_lr
        groups.append({"params": list(weighting), "lr": rate, "weight_decay": 0.0})
    fused = True if groups[0]["params"][0].device.type in FUSED else None
    optimizer: torch.optim.Optimizer
    if recipe.name == "sgd":
        optimizer = torch.optim.SGD(
            groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0, fused=fused
        )
    else:
        optimizer = torch.optim.AdamW(groups, lr=recipe.lr, fused=fused)
    for group in optimizer.param_groups:
        group["base_lr"] = group["lr"]
    start_momentum(optimizer)
    return optimizer


def _encoder_groups(model: SceneModel, network: dict[str, Any], recipe: OptimizerRecipe) -> list[dict[str, Any]]:
    """Take the encoder's parameters out of the group ``network``, into one group for each rate, from the image on."""
    encoder = model.network.encoder
    stages = [list(encoder.parameters())] if recipe.encoder_lr_decay == 1 else encoder.stages()
    own = {id(p) for p in encoder.parameters()}
    trained = {id(p) for p in network["params"]}
    network["params"] = [p for p in network["params"] if id(p) not in own]
    rates = [
        recipe.lr * recipe.encoder_lr_factor * recipe.encoder_lr_decay**later for later in reversed(range(len(stages)))
    ]
    return [
        network | {"params": [p for p in stage if id(p) in trained], "lr": rate}
        for stage, rate in zip(stages, rates, strict=True)
    ]


def align_state(optimizer: torch.optim.Optimizer) -> None:
    """Lay loaded moments out in memory as their parameters are: a fused optimizer goes through both side by side."""
    for parameter, state in optimizer.state.items():
        for key, value in state.items():
            if isinstance(value, torch.Tensor) and value.shape == parameter.shape:
                state[key] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def start_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Give a fused SGD the buffers that it lacks, of 0.

    It makes its own without values, which stay undefined where the first step is left out, and expects that either all
    parameters of a step have one or none has.
    """
    for group in optimizer.param_groups:
        if group.get("fused") and group.get("momentum"):
            for parameter in group["params"]:
                state = optimizer.state[parameter]
                if state.get("momentum_buffer") is None:
                    state["momentum_buffer"] = torch.zeros_like(parameter, memory_format=torch.preserve_format)


def set_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Set every group's learning rate to ``factor`` times its initial one."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
