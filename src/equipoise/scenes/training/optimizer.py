"""The optimizer of a recipe, and its learning rates."""

import torch

from equipoise.optim import param_groups
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.settings import OptimizerRecipe


def make_optimizer(model: SceneModel, recipe: OptimizerRecipe) -> torch.optim.Optimizer:
    """The recipe's optimizer. The log-variances are a parameter group of their own, without weight decay."""
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
    """Set every group's learning rate to ``factor`` times its initial one."""
    for group in optimizer.param_groups:
        group["lr"] = group["base_lr"] * factor
