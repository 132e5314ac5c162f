"""Log-variances that no optimizer holds: a mistake that peers let pass, and that leaves every σ where it began."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook
from torch.utils.weak import WeakIdKeyDictionary

STEPS = 2
"""Another optimizer may hold the log-variances and step later: so the first step alone proves nothing."""

# By identity: equality of tensors is a tensor.
_waiting: WeakIdKeyDictionary = WeakIdKeyDictionary()
_known: WeakIdKeyDictionary = WeakIdKeyDictionary()
_hook: list[Any] = []


def expect_in_an_optimizer(log_variance: Tensor, name: str) -> None:
    """Warn when optimizers step while this parameter has a gradient, and none of them holds it."""
    if not isinstance(log_variance, nn.Parameter) or not log_variance.requires_grad or torch.compiler.is_compiling():
        return
    if log_variance in _known or log_variance in _waiting:
        return
    _waiting[log_variance] = (name, {})
    if not _hook:
        _hook.append(register_optimizer_step_post_hook(_after_step))


def _after_step(optimizer: Optimizer, args: Any, kwargs: Any) -> None:
    if not _waiting:
        return
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    for log_variance, (name, steps) in list(_waiting.items()):  # type: ignore[no-untyped-call]
        if id(log_variance) in held:
            _settle(log_variance)
        elif log_variance.grad is not None:
            steps[id(optimizer)] = steps.get(id(optimizer), 0) + 1
            if steps[id(optimizer)] >= STEPS:
                _settle(log_variance)
                warnings.warn(
                    f"{name}: the optimizer steps, but holds no log-variance of this likelihood, so σ never changes: "
                    "build it from equipoise.param_groups(model, likelihood, lr=...)",
                    stacklevel=2,
                )


def _settle(log_variance: Tensor) -> None:
    del _waiting[log_variance]
    _known[log_variance] = True
