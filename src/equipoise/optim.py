"""Parameter groups: the noise apart from the network."""

from typing import Any

from torch import nn

from equipoise.likelihoods._noise import Noise

LOG_VARIANCE_FACTOR = 10.0
"""How much faster than the network log-variances learn by default: measured, see docs/choosing-the-default.md."""


def param_groups(
    model: nn.Module,
    likelihood: nn.Module,
    *,
    lr: float,
    weight_decay: float = 0.0,
    log_variance_lr: float | None = None,
) -> list[dict[str, Any]]:
    """Two groups for any ``torch.optim`` optimizer: the network's parameters, and the likelihood's.

    Log-variances get no weight decay (it would pull every σ towards 1, in whatever unit), and a rate of their own: ten
    times the network's by default, so that they follow their optimum.

    To add a task to a running optimizer: build the likelihood with the new task, load the old one's state into it with
    ``strict=False`` (state follows the tasks' names), and add its parameters with ``optimizer.add_param_group(group)``
    for each ``group`` of ``param_groups(new_head, new_likelihood, lr=...)``; the old likelihood's group stays without
    gradients. The log-variances of all tasks that move alike are one vector in the order of their kinds and names: an
    optimizer's state for the same tasks fits in whichever order they are written, and one for other tasks does not.

    Args:
        model: the network; it may hold the likelihood as a submodule.
        likelihood: a ``MultiTaskLikelihood``, a single likelihood, or any module that holds some.
        lr: the network's rate.
        weight_decay: the network's.
        log_variance_lr: the log-variances' rate; ``None``: 10 · ``lr``.

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
