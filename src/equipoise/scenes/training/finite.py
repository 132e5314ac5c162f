"""Losses, gradients and weights that are not finite.

On the CPU a step raises at once. On other devices reading a value would stall the device at every step: the update is
undone on the device, the step's number is kept there, and the error is raised where values are read anyway: before a
log entry, a validation or a checkpoint.
"""

import torch
from torch import Tensor

from equipoise.errors import NonFiniteError
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.state import State


def update_if_finite(state: State, loss: Tensor, gradient_norm: Tensor) -> None:
    """Let the optimizer step; undo the update where this or an earlier loss or gradient is not finite. Reads nothing.

    Args:
        state: its gradients are those of the step; ``bad_step`` is updated.
        loss: the joint loss, a scalar.
        gradient_norm: of the network's gradients, a scalar.
    """
    is_finite = torch.isfinite(loss.detach()) & torch.isfinite(gradient_norm)
    earlier = torch.zeros_like(is_finite, dtype=torch.int64) if state.bad_step is None else state.bad_step
    state.bad_step = torch.where((earlier == 0) & ~is_finite, state.step + 1, earlier)
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    before = [p.detach().clone() for p in parameters]
    state.optimizer.step()
    with torch.no_grad():
        for parameter, value in zip(parameters, before, strict=True):
            parameter.copy_(torch.where(state.bad_step > 0, value, parameter))


def expect_finite_steps(state: State) -> None:
    """Raise ``NonFiniteError`` where ``update_if_finite`` has undone an update; does nothing on the CPU."""
    if state.bad_step is None:
        return
    try:
        state.model.likelihood.check()
    except FloatingPointError as error:
        raise NonFiniteError(
            f"expected finite losses, found: {error}; no weight was changed: lower optimizer.lr"
        ) from None
    if step := int(state.bad_step):
        raise NonFiniteError(
            f"expected finite losses and gradients, found infinity or NaN at step {step}; no weight was changed: lower "
            "optimizer.lr, or set optimizer.gradient_clip"
        )


def expect_finite(state: State) -> None:
    """Raise ``NonFiniteError`` where a weight is not finite: an update by finite gradients can still overflow."""
    expect_finite_steps(state)
    for name, parameter in state.model.named_parameters():
        if not torch.isfinite(parameter).all():
            raise NonFiniteError(
                f"expected finite weights after step {state.step}, found infinity or NaN in {name}: nothing of this "
                "step is saved: lower optimizer.lr"
            )


def bad_gradient(model: SceneModel) -> str:
    """The name of the first parameter whose gradient is not finite."""
    for name, parameter in model.network.named_parameters():
        if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
            return name
    return "the sum of their squares"
