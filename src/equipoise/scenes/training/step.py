"""One training step: forward, joint loss, backward, update. Off the CPU it reads nothing back from the device."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

from torch import Tensor, nn

from equipoise import JointLoss
from equipoise.errors import NonFiniteError, RecipeError
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.accumulate import StepLoss, divisors, settle_units
from equipoise.scenes.training.distributed import ProcessGroup
from equipoise.scenes.training.famo import Famo
from equipoise.scenes.training.finite import SMALLEST_SCALE, bad_gradient, place, update_if_finite, update_scale
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.precision import Precision, autocast
from equipoise.scenes.training.second_pass import new_losses
from equipoise.scenes.training.state import State


def training_step(
    state: State, parts: Sequence[Batch], precision: Precision, gradient_clip: float | None, group: ProcessGroup
) -> tuple[JointLoss | StepLoss, Tensor]:
    """One step on one batch; ``state.step`` is left to the caller.

    Losses and gradients are those of the whole group's batch, so all processes fail at the same step.

    Args:
        state: its model and optimizer are updated.
        parts: this process's part of the step's batch, on the model's device, in one piece or several: the network
            sees one after another.
        precision: of the network's forward pass.
        gradient_clip: the largest norm of the network's gradient; ``None``: any.
        group: the processes that train together.

    Returns:
        The joint loss, and the norm of the network's gradient before clipping.

    Raises:
        DataError: a target's unit cannot be taken from the labels of a step in several parts.
        RecipeError: the method of weighing does not suit the likelihoods or their losses.
        NonFiniteError: on the CPU, a loss or gradient is not finite; no weight was changed. See ``finite`` for others.
    """
    state.optimizer.zero_grad()
    joint, unlabelled = _backward(state, parts, precision, group)
    for name in unlabelled:
        drop_gradients(state.model, name)
    if len(unlabelled) == len(state.model.tasks):  # Nothing to learn from: the rest of the network stays, too.
        state.model.network.zero_grad()
    is_scaled = _unscale(state)
    parameters = [p for p in state.model.network.parameters() if p.grad is not None]
    norm = nn.utils.get_total_norm([p.grad for p in parameters if p.grad is not None])
    if gradient_clip is not None:
        nn.utils.clip_grads_with_norm_(parameters, gradient_clip, norm)
    names = tuple(name for part in parts for name in part.names)
    if norm.device.type == "cpu":
        is_taken = _update_or_raise(state, names, norm, group)
    else:
        is_taken = update_if_finite(state, joint.loss, norm, names)
    if is_scaled and state.scaler is not None:
        update_scale(state.scaler, norm)
    if isinstance(joint, JointLoss) and len(unlabelled) < len(state.model.tasks):
        _follow_up(state, joint, parts[0], precision, is_taken)
    return joint, norm


def _backward(
    state: State, parts: Sequence[Batch], precision: Precision, group: ProcessGroup
) -> tuple[JointLoss | StepLoss, list[str]]:
    """The joint loss, its gradients, and the tasks without labels."""
    if len(parts) == 1:
        joint = _joint_loss(state, parts[0], precision, group, None)
        state.weighting.begin(parts[0].epoch)
        try:
            state.weighting.method.backward(joint, state.model.network.shared_parameters(), scaler=state.scaler)
        except ValueError as error:  # The message names the task, or TorchJD's method.
            raise RecipeError(f"weighting: {error}") from None
        return joint, _unlabelled(joint, parts, group)
    divided = divisors(state.model, parts, group)
    unlabelled = _without_divisor(divided, parts, group)
    settle_units(state.model, parts, [name for name in divided if name not in unlabelled])
    counts = {name: each.sum() for name, each in divided.items() if name not in unlabelled}
    losses = []
    for number, part in enumerate(parts, 1):
        with _local(state.network) if number < len(parts) else nullcontext():
            joint = _joint_loss(state, part, precision, group, counts)
            state.weighting.method.backward(joint, scaler=state.scaler)
        losses.append(joint)
    return StepLoss(parts=losses, divisors=divided), unlabelled


def _local(network: nn.Module) -> AbstractContextManager[object]:
    """A context in which gradients are not averaged over the processes yet."""
    return network.no_sync() if isinstance(network, nn.parallel.DistributedDataParallel) else nullcontext()


def _joint_loss(
    state: State, batch: Batch, precision: Precision, group: ProcessGroup, counts: Mapping[str, Tensor] | None
) -> JointLoss:
    """Forward pass and joint loss; on the CPU raises ``NonFiniteError`` for a loss that is not finite."""
    with autocast(precision, batch.images.device):
        outputs = state.network(batch.images, batch.rows)
    try:
        joint: JointLoss = state.model.likelihood(outputs, batch.targets, weights=batch.weights, counts=counts)
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


def _update_or_raise(state: State, names: tuple[str, ...], norm: Tensor, group: ProcessGroup) -> Tensor:
    """On the CPU: let the optimizer step if the gradients are finite; leave the step out if only their scale is not.

    Returns:
        Whether it stepped.
    """
    is_finite = norm.isfinite()
    if is_finite:
        state.optimizer.step()
    elif state.scaler is None or state.scaler.get_scale() <= SMALLEST_SCALE:
        raise NonFiniteError(
            f"expected finite gradients, found infinity or NaN in {bad_gradient(state.model)} "
            f"({place(state.step + 1, names, group)}); no weight was changed: lower optimizer.lr, or set "
            "optimizer.gradient_clip"
        )
    return is_finite


def _follow_up(state: State, joint: JointLoss, batch: Batch, precision: Precision, is_taken: Tensor) -> None:
    """Give FAMO the new losses of the batch, by a second forward pass; other methods want none."""
    method = state.weighting.method
    if isinstance(method, Famo) and (is_taken.device.type != "cpu" or is_taken):
        method.update(joint, new_losses(state.model, state.network, batch, precision), is_taken)


def _unlabelled(joint: JointLoss, parts: Sequence[Batch], group: ProcessGroup) -> list[str]:
    """The tasks of which no process has a label that counts in this batch.

    Off the CPU, where the counts cannot be read, a task whose labels all have a class weight of 0 counts as labelled.
    """
    if joint.loss.device.type == "cpu":
        return [name for name, task in joint.tasks.items() if not task.count]
    return _without_rows(parts, group)


def _without_divisor(divided: Mapping[str, Tensor], parts: Sequence[Batch], group: ProcessGroup) -> list[str]:
    """The same before the forward pass, from what the means divide by."""
    if parts[0].images.device.type == "cpu":
        return [name for name, each in divided.items() if not each.any()]
    return _without_rows(parts, group)


def _without_rows(parts: Sequence[Batch], group: ProcessGroup) -> list[str]:
    names = list(parts[0].rows)
    is_labelled = group.any([any(len(part.rows[name]) > 0 for part in parts) for name in names])
    return [name for name, labelled in zip(names, is_labelled, strict=True) if not labelled]


def drop_gradients(model: SceneModel, task: str) -> None:
    """Leave the decoder of a task without labels as it is: a zero gradient would let momentum and weight decay move it.

    The likelihood itself leaves the task's σ as it is.
    """
    for parameter in model.network.decoders[task].parameters():
        parameter.grad = None
