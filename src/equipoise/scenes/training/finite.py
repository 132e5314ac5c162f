"""Losses, gradients and weights that are not finite.

On the CPU a step raises at once. On other devices reading a value would stall the device at every step: the optimizer's
step is left out on the device, its number is kept there, and the error is raised where values are read anyway: before
a log entry, a validation or a checkpoint. From that step on no update takes place.

In float16 gradients, or their norm, may overflow because the loss is scaled up. Such a step is left out too, and the
scale is halved; only where it has fallen to ``SMALLEST_SCALE`` is the overflow an error.
"""

import torch
from torch import Tensor

from equipoise.errors import NonFiniteError
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.distributed import ALONE, ProcessGroup
from equipoise.scenes.training.state import State
from equipoise.scenes.training.update import step_if

SMALLEST_SCALE = 1.0


def update_if_finite(state: State, loss: Tensor, gradient_norm: Tensor, names: tuple[str, ...] = ()) -> Tensor:
    """Let the optimizer step; not where this or an earlier loss or gradient is not finite. Reads nothing back.

    Args:
        state: its gradients are those of the step; ``bad_step`` and ``recent`` are updated.
        loss: the joint loss, a scalar.
        gradient_norm: of the network's gradients, a scalar.
        names: of the step's images.

    Returns:
        Whether it stepped, a Boolean scalar on the device.
    """
    loss_is_finite, norm_is_finite = torch.isfinite(loss.detach()), torch.isfinite(gradient_norm)
    is_bad = ~(loss_is_finite & norm_is_finite)
    if state.scaler is not None:
        is_bad = is_bad & (~loss_is_finite | (state.scaler.scale(torch.ones_like(gradient_norm)) <= SMALLEST_SCALE))
    earlier = torch.zeros_like(is_bad, dtype=torch.int64) if state.bad_step is None else state.bad_step
    state.bad_step = torch.where((earlier == 0) & is_bad, state.step + 1, earlier)
    state.recent[state.step + 1] = names
    is_wanted = loss_is_finite & norm_is_finite & (state.bad_step == 0)
    step_if(state.optimizer, is_wanted)
    return is_wanted


def update_scale(scaler: torch.amp.GradScaler, gradient_norm: Tensor) -> None:
    """Update the loss's scale after a step; halve it wherever the step was left out. Reads nothing back.

    ``GradScaler`` looks at the gradients one by one. Their norm can overflow while each of them is finite; the scale
    would then stay as it is, and steps be left out for ever.

    Args:
        scaler: whose ``unscale_`` was called in this step.
        gradient_norm: of the network's unscaled gradients, a scalar.
    """
    one = torch.ones_like(gradient_norm)
    lower = scaler.scale(one) * scaler.get_backoff_factor()
    scaler.update()
    updated = scaler.scale(one)
    scaler.update(torch.where(gradient_norm.isfinite(), updated, torch.minimum(updated, lower)))


def expect_finite_steps(state: State, group: ProcessGroup = ALONE) -> None:
    """Raise ``NonFiniteError`` where ``update_if_finite`` left out an update for good; does nothing on the CPU.

    All processes of the group must call it.
    """
    if state.bad_step is None:
        return
    step, recent, found = int(state.bad_step), state.recent, "infinity or NaN"
    state.recent = {}
    try:
        state.model.likelihood.check()
    except FloatingPointError as error:
        found = str(error)
        if not step:
            raise NonFiniteError(f"expected finite losses, found: {found}: lower optimizer.lr") from None
    if step:
        raise NonFiniteError(
            f"expected finite losses and gradients, found: {found} ({place(step, recent.get(step, ()), group)}); no "
            "weight was changed: lower optimizer.lr, set optimizer.gradient_clip, or look at these images"
        )


def expect_finite(state: State, group: ProcessGroup = ALONE) -> None:
    """Raise ``NonFiniteError`` where a weight is not finite: an update by finite gradients can still overflow."""
    expect_finite_steps(state, group)
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


def place(step: int, names: tuple[str, ...], group: ProcessGroup) -> str:
    """A step, and the images of all processes in it."""
    return f"step {step}, images {', '.join(group.gathered(names))}"
