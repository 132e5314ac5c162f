"""One training step: forward, joint loss, backward, update. Off the CPU it reads nothing back from the device."""

import math

from torch import Tensor, nn

from equipoise import JointLoss
from equipoise.errors import NonFiniteError
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.distributed import ProcessGroup
from equipoise.scenes.training.finite import SMALLEST_SCALE, bad_gradient, place, update_if_finite
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.precision import Precision, autocast
from equipoise.scenes.training.state import State


def training_step(
    state: State, batch: Batch, precision: Precision, gradient_clip: float | None, group: ProcessGroup
) -> tuple[JointLoss, Tensor]:
    """One step on one batch; ``state.step`` is left to the caller.

    Losses and gradients are those of the whole group's batch, so all processes fail at the same step.

    Args:
        state: its model and optimizer are updated.
        batch: this process's part of the step's batch, on the model's device.
        precision: of the network's forward pass.
        gradient_clip: the largest norm of the network's gradient; ``None``: any.
        group: the processes that train together.

    Returns:
        The joint loss, and the norm of the network's gradient before clipping.

    Raises:
        NonFiniteError: on the CPU, a loss or gradient is not finite; no weight was changed. See ``finite`` for others.
    """
    joint = _joint_loss(state, batch, precision, group)
    state.optimizer.zero_grad()
    loss = joint.loss if state.scaler is None else state.scaler.scale(joint.loss)
    loss.backward()  # type: ignore[no-untyped-call]
    for name in _unlabelled(joint, batch, group):
        drop_gradients(state.model, name)
    is_scaled = _unscale(state)
    norm = nn.utils.clip_grad_norm_(
        [p for p in state.model.network.parameters() if p.grad is not None],
        math.inf if gradient_clip is None else gradient_clip,
    )
    if norm.device.type == "cpu":
        _update_or_raise(state, batch, norm, group)
    else:
        update_if_finite(state, joint.loss, norm, batch.names)
    if is_scaled and state.scaler is not None:
        state.scaler.update()
    return joint, norm


def _joint_loss(state: State, batch: Batch, precision: Precision, group: ProcessGroup) -> JointLoss:
    """Forward pass and joint loss; on the CPU raises ``NonFiniteError`` for a loss that is not finite."""
    with autocast(precision, batch.images.device):
        outputs = state.network(batch.images, batch.rows)
    try:
        joint: JointLoss = state.model.likelihood(outputs, batch.targets, weights=batch.weights)
    except FloatingPointError as error:
        raise NonFiniteError(
            f"expected finite losses, found: {error} ({place(state.step + 1, batch.names, group)}); no weight was "
            "changed: lower optimizer.lr, or look at these images"
        ) from None
    return joint


def _unscale(state: State) -> bool:
    """Divide the gradients by the scale of the loss, where it is scaled and there are some."""
    parameters = (p for group in state.optimizer.param_groups for p in group["params"])
    if state.scaler is None or all(p.grad is None for p in parameters):
        return False
    state.scaler.unscale_(state.optimizer)
    return True


def _update_or_raise(state: State, batch: Batch, norm: Tensor, group: ProcessGroup) -> None:
    """On the CPU: let the optimizer step if the gradients are finite; leave the step out if only their scale is not."""
    if norm.isfinite():
        state.optimizer.step()
    elif state.scaler is None or state.scaler.get_scale() <= SMALLEST_SCALE:
        raise NonFiniteError(
            f"expected finite gradients, found infinity or NaN in {bad_gradient(state.model)} "
            f"({place(state.step + 1, batch.names, group)}); no weight was changed: lower optimizer.lr, or set "
            "optimizer.gradient_clip"
        )


def _unlabelled(joint: JointLoss, batch: Batch, group: ProcessGroup) -> list[str]:
    """The tasks of which no process has a label that counts in this batch.

    Off the CPU, where the counts cannot be read, a task whose labels all have a class weight of 0 counts as labelled.
    """
    if joint.loss.device.type == "cpu":
        return [name for name, task in joint.tasks.items() if not task.count]
    is_labelled = group.any([len(rows) > 0 for rows in batch.rows.values()])
    return [name for name, labelled in zip(batch.rows, is_labelled, strict=True) if not labelled]


def drop_gradients(model: SceneModel, task: str) -> None:
    """Leave the decoder of a task without labels as it is: a zero gradient would let momentum and weight decay move it.

    The likelihood itself leaves the task's σ as it is.
    """
    for parameter in model.network.decoders[task].parameters():
        parameter.grad = None
