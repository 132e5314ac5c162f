"""Parameter groups that keep the noise apart from the network."""

from typing import Any

from torch import nn

from equipoise.likelihoods._noise import Noise

LOG_VARIANCE_FACTOR = 10.0
"""How much faster than the network log-variances learn by default; measured in docs/choosing-the-default.md."""


def param_groups(
    model: nn.Module,
    likelihood: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    log_variance_lr: float | None = None,
) -> list[dict[str, Any]]:
    """Make parameter groups for any ``torch.optim`` optimizer: the network's parameters, and the log-variances.

    Log-variances get no weight decay, which would pull every σ towards 1 in whatever unit, and a learning rate of their
    own. The default of ten times the network's rate lets them follow their optimum.

    To add a task to a running optimizer:

    1. Build a likelihood with the new task, and load the old one's state into it with ``strict=False``; state follows
       the tasks' names.
    2. Call ``optimizer.add_param_group`` with each group of ``param_groups(new_head, new_likelihood, lr=...)``. The old
       likelihood's group stays in the optimizer without gradients.

    Args:
        model: the network; it may hold the likelihood as a submodule.
        likelihood: a ``MultiTaskLikelihood``, a single likelihood, or any module that holds likelihoods.
        lr: the network's learning rate.
        weight_decay: the network's weight decay.
        log_variance_lr: the log-variances' learning rate; ``None``: 10 · ``lr``.

    Returns:
        The network's group and, where a log-variance requires gradients, a group of log-variances. Parameters without
        gradients are left out.

    >>> from equipoise.likelihoods import Gaussian
    >>> groups = param_groups(nn.Linear(2, 1), Gaussian(), lr=0.1, weight_decay=0.01)
    >>> [(len(g["params"]), g["lr"], g["weight_decay"]) for g in groups]
    [(2, 0.1, 0.01), (1, 1.0, 0.0)]
    """
    noise = [p for module in (model, likelihood) for p in _noise_parameters(module)]
    noise = list({id(p): p for p in noise}.values())
    own = {id(p) for p in noise}
    network = [p for p in (*model.parameters(), *likelihood.parameters()) if id(p) not in own and p.requires_grad]
    network = list({id(p): p for p in network}.values())
    groups = [{"params": network, "lr": lr, "weight_decay": weight_decay}]
    if noise:
        rate = LOG_VARIANCE_FACTOR * lr if log_variance_lr is None else log_variance_lr
        groups.append({"params": noise, "lr": rate, "weight_decay": 0.0})
    return groups


def _noise_parameters(module: nn.Module) -> list[nn.Parameter]:
    return [p for m in module.modules() if isinstance(m, Noise) for p in m.parameters() if p.requires_grad]
