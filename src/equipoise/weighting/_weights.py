"""The interface of a method of weighing; weights that are learned by the likelihood, equal, or fixed."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from equipoise._joint import JointLoss

if TYPE_CHECKING:
    from torch.amp import GradScaler


class Weighting(Protocol):
    """The interface of a method of weighing. One that sets the weights itself adds ``joint.noise_loss``, to train σ.

    >>> class Total:
    ...     def backward(self, joint, shared_parameters=(), *, scaler=None):
    ...         total = sum(task.raw_loss for task in joint.tasks.values())
    ...         (total + joint.noise_loss).backward()
    >>> method: Weighting = Total()
    """

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add this batch's gradients to ``.grad``.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
            shared_parameters: the parameters that several tasks train, any shapes; only ``Aggregated`` uses them.
            scaler: with fp16, the ``torch.amp.GradScaler`` whose ``step`` comes next; gradients are scaled by it.
        """
        ...


class Learned:
    """The joint likelihood itself: weights by learned noise.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Learned().backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([1., 2.])
    """

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of joint.loss. Arguments: see ``Weighting``."""
        backward_of(self.loss(joint), scaler)

    def loss(self, joint: JointLoss) -> Tensor:
        """joint.loss.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        return joint.loss


class Equal:
    """Equal weights: the mean Σ L_k/K of the K standardized losses. A task without labels adds nothing.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Equal().backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([2., 4.])
    """

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of Σ L_k/K. Arguments: see ``Weighting``."""
        backward_of(self.loss(joint), scaler)

    def loss(self, joint: JointLoss) -> Tensor:
        """Σ L_k/K, a scalar with its graph, for training loops that want a loss to be returned.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        return _weighted({name: 1.0 / len(joint.tasks) for name in joint.tasks}, joint)


class Fixed:
    """Weights of your own: Σ w_k·L_k of the standardized losses.

    Args:
        weights: one for each task name, 0 or more.

    Raises:
        ValueError: a weight below 0; in ``backward`` and ``loss``, weights for other tasks than those of the joint
            loss.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Fixed({"depth": 0.5}).backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad
    tensor([1., 2.])
    """

    def __init__(self, weights: Mapping[str, float]) -> None:
        for name, weight in weights.items():
            if not weight >= 0:
                raise ValueError(f"task {name!r}: expected a weight of 0 or more, found {weight!r}")
        self.weights = dict(weights)

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of Σ w_k·L_k. Arguments: see ``Weighting``."""
        backward_of(self.loss(joint), scaler)

    def loss(self, joint: JointLoss) -> Tensor:
        """Σ w_k·L_k, a scalar with its graph, for training loops that want a loss to be returned.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        if self.weights.keys() != joint.tasks.keys():
            raise ValueError(
                f"Fixed: expected a weight for each of {sorted(joint.tasks)}, found {sorted(self.weights)}"
            )
        return _weighted(self.weights, joint)


def _weighted(weights: Mapping[str, float], joint: JointLoss) -> Tensor:
    total = torch.stack([weights[name] * term.standardized_loss for name, term in joint.tasks.items()]).sum()
    return joint.with_noise(total)


def backward_of(loss: Tensor, scaler: "GradScaler | None") -> None:
    if not loss.requires_grad:
        return  # no task has labels
    torch.autograd.backward(loss if scaler is None else scaler.scale(loss))
