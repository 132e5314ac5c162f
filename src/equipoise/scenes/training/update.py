"""The optimizer's step, taken or left out by a flag on the device, so that nothing is read back.

PyTorch's fused optimizers on CUDA and CPU take a tensor ``found_inf`` and leave parameters, moments and step counts as
they are where it is 1; ``GradScaler`` uses the same. Elsewhere the step is undone.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

SKIPPING = ("cpu", "cuda")
"""The devices whose fused optimizers skip by ``found_inf``."""


def step_if(optimizer: torch.optim.Optimizer, is_wanted: Tensor, step: Callable[[], object] | None = None) -> None:
    """Let the optimizer step where ``is_wanted``, a Boolean scalar on the parameters' device, is true.

    Otherwise parameters and the optimizer's state stay as they are. (Where a step has to be undone, a step count on
    the CPU counts on.) ``step`` makes the optimizer step, if something else than its own method does.
    """
    step = step or optimizer.step
    if not all(group.get("fused") and _kind(group) in SKIPPING for group in optimizer.param_groups):
        _step_and_undo(optimizer, is_wanted, step)
        return
    skipping: Any = optimizer
    skipping.grad_scale, skipping.found_inf = None, (~is_wanted).float()
    try:
        step()
    finally:
        del skipping.grad_scale, skipping.found_inf


def _kind(group: dict[str, Any]) -> str:
    return group["params"][0].device.type if group["params"] else "cpu"


@torch.no_grad()
def _step_and_undo(optimizer: torch.optim.Optimizer, is_wanted: Tensor, step: Callable[[], object]) -> None:
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in parameters]
    states = {p: {key: v.clone() for key, v in optimizer.state[p].items() if _is_on(v, p)} for p in parameters}
    step()
    for parameter, value in zip(parameters, before, strict=True):
        parameter.copy_(torch.where(is_wanted, parameter, value))
        for key, now in optimizer.state[parameter].items():
            if _is_on(now, parameter):  # What the first step made starts from 0.
                now.copy_(torch.where(is_wanted, now, states[parameter].get(key, torch.zeros_like(now))))


def _is_on(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.device == parameter.device
