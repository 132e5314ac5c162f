"""Damped ratios of learned weights: the factors c_k, for joint likelihoods and for scalar losses alike."""

from collections.abc import Sequence

import torch
from torch import Tensor

from equipoise._joint import JointLoss
from equipoise.functional import at_least_single


def check_damping(damping: float, where: str) -> float:
    """The damping, if it is from 0 to 1; else raises ``ValueError``."""
    if not 0 <= damping <= 1:
        raise ValueError(f"{where}: expected a damping from 0 to 1, found {damping!r}")
    return damping


@torch.no_grad()
def damping_factors(log_variances: Sequence[Tensor], damping: float) -> Tensor:
    """c_k = (σ_k²/σ̄²)^damping of each task, ``(tasks,)``, without gradient; σ̄² is the geometric mean over tasks.

    Args:
        log_variances: s of each task, ``()`` or ``(channels,)``; a task counts by the mean over its channels.
        damping: 0 to 1.
    """
    logs = torch.stack([at_least_single(s).mean() for s in log_variances])
    return torch.exp(damping * (logs - logs.mean()))


def damped_total(joint: JointLoss, factors: Tensor) -> Tensor:
    """Σ c_k·nll_k, a scalar with its graph; ``factors`` are in the order of ``joint.tasks``."""
    return (factors * torch.stack([term.nll for term in joint.tasks.values()])).sum()
