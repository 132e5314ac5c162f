"""The learning rate's schedule, as a factor of the initial rate."""

import math

from equipoise.scenes.training.settings import OptimizerRecipe


def rate_factor(step: int, steps: int, optimizer: OptimizerRecipe) -> float:
    """The factor at ``step`` (from 0) of ``steps``.

    With progress p = step / steps: polynomial (1 − p)^power (the paper: power 0.9), cosine (1 + cos πp) / 2,
    constant 1; multiplied by (step + 1) / warmup_steps during the warm-up.
    """
    progress = step / steps
    match optimizer.schedule:
        case "polynomial":
            factor = float((1 - progress) ** optimizer.power)
        case "cosine":
            factor = (1 + math.cos(math.pi * progress)) / 2
        case "constant":
            factor = 1.0
    return factor * min(1.0, (step + 1) / optimizer.warmup_steps) if optimizer.warmup_steps else factor


def may_be_lengthened(optimizer: OptimizerRecipe) -> bool:
    """Whether ``rate_factor`` at a step does not depend on the total number of steps."""
    return optimizer.schedule == "constant"
