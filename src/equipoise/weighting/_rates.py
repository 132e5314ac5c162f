"""The effective learning rate apart from the ratio of the weights: fixed weights that grow, learned ones that do not.

Where σ is learned, the weights grow as the losses fall, and with them the effective learning rate. ``Grown`` gives
fixed weights the same growth, and ``RateMatched`` takes it from learned ones: with both, a comparison tells what the
ratio of the weights does from what the growing rate does.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equipoise._joint import JointLoss
from equipoise.weighting._weights import Equal, Fixed, backward_of

if TYPE_CHECKING:
    from torch.amp import GradScaler


class Grown:
    r"""Weights of your own that grow as the losses fall: the weighted sum is divided by its own running mean.

    The loss is S/m with S = Σ w_k·L_k of the standardized losses and m the bias-corrected running mean of S, this batch
    included, without gradient. Its value stays near 1, so the gradient grows as S falls.

    Args:
        weights: one for each task name, 0 or more; ``None``: equal ones. Their common factor has no effect.
        momentum: of the running mean, 0 or more, below 1.

    Raises:
        ValueError: a weight below 0, or a momentum out of range; in ``backward`` and ``loss``, weights for other tasks
            than those of the joint loss.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> Grown().backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad  # that of Equal, 2 and 4, divided by the loss of 10
    tensor([0.2000, 0.4000])
    """

    def __init__(self, weights: Mapping[str, float] | None = None, *, momentum: float = 0.99) -> None:
        if not 0 <= momentum < 1:
            raise ValueError(f"expected a momentum of 0 or more, below 1, found {momentum!r}")
        self.weighted: Equal | Fixed = Equal() if weights is None else Fixed(weights)
        self.momentum = momentum
        self.mean: Tensor | None = None
        """The bias-corrected running mean after the last batch, a scalar; ``None`` before the first."""
        self._sums: Tensor | None = None

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients of S/m. Arguments: see ``Weighting``."""
        backward_of(self.loss(joint), scaler)

    def loss(self, joint: JointLoss) -> Tensor:
        """S/m, a scalar with its graph, for training loops that want a loss to be returned. Updates m.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        total = self.weighted.loss(joint)
        return total / self._updated(total.detach(), joint)

    def _updated(self, total: Tensor, joint: JointLoss) -> Tensor:
        """The mean with this batch; a batch without any label leaves it as it is."""
        labelled = torch.stack([term.count for term in joint.tasks.values()]).sum() > 0
        new = torch.stack([total, labelled.to(total.dtype)])
        before = torch.zeros_like(new) if self._sums is None else self._sums
        self._sums = self.momentum * before + (1 - self.momentum) * new
        smallest = torch.finfo(total.dtype).tiny
        self.mean = self._sums[0] / self._sums[1].clamp_min(smallest)
        return self.mean.clamp_min(smallest)

    def state_dict(self) -> dict[str, float]:
        """The running mean, to save with a checkpoint; empty before the first batch."""
        return {} if self._sums is None else dict(zip(("total", "mass"), self._sums.tolist(), strict=True))

    def load_state_dict(self, state: Mapping[str, float], device: torch.device | None = None) -> None:
        """Continue from a saved state.

        Args:
            state: what ``state_dict`` returned.
            device: that of the losses; ``None``: the CPU.
        """
        self._sums = torch.tensor([state["total"], state["mass"]], device=device) if state else None


class RateMatched:
    r"""The joint likelihood's learned weights w_k, rescaled so that the effective rate does not grow.

    The network gets the gradient of Σ c·w_k·L_k with c = 1/Σ w_j·L_j⁰, without gradient, where L_j⁰ is the task's loss
    in its first labelled batch: weighted by c·w_k, the losses of the first batch add up to 1 at every step, whatever
    the weights. The log-variances are learned as without it. Under SGD the effective rate then stays as it was at the
    start; Adam undoes a common factor of the gradients that changes slowly, so there it says less.

    Raises:
        ValueError: in ``backward`` and ``loss``, a task without a single weight: per-channel noise, or a likelihood
            that is not linear in the raw loss.

    >>> import equipoise as eq
    >>> output = torch.tensor([2.0, 4.0], requires_grad=True)
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> RateMatched().backward(likelihood({"depth": output}, {"depth": torch.zeros(2)}))
    >>> output.grad  # that of Learned, 1 and 2, divided by ½ · 10
    tensor([0.2000, 0.4000])
    """

    def __init__(self) -> None:
        self.factor: Tensor | None = None
        """c of the last batch, a scalar; ``None`` before the first."""
        self._first: dict[str, Tensor] = {}

    def backward(
        self, joint: JointLoss, shared_parameters: Iterable[Tensor] = (), *, scaler: "GradScaler | None" = None
    ) -> None:
        """Add the gradients. Arguments: see ``Weighting``."""
        backward_of(self.loss(joint), scaler)

    def loss(self, joint: JointLoss) -> Tensor:
        """A scalar with these gradients, for training loops that want a loss to be returned. Updates ``factor``.

        It is joint.loss + Σ (c − 1)·w_k·L_k, in which c and w_k have no gradient.

        Args:
            joint: what ``MultiTaskLikelihood`` returned.
        """
        weights = {name: _single_weight(joint, name) for name in joint.tasks}
        for name, term in joint.tasks.items():
            first = self._first.get(name)
            self._first[name] = term.loss if first is None else torch.where(first.isfinite(), first, term.loss)
        scale = torch.stack([weights[name] * first for name, first in self._first.items()]).nansum()
        self.factor = torch.where(scale > 0, 1 / scale, torch.ones_like(scale))
        # Only the network sees the second part, since its weights have no gradient: w·L becomes c·w·L for it alone.
        rescaled = [(self.factor - 1) * weights[name] * term.raw_loss for name, term in joint.tasks.items()]
        return joint.loss + torch.stack(rescaled).sum()

    def state_dict(self) -> dict[str, float]:
        """Each task's first loss, NaN before it had a label, to save with a checkpoint."""
        return {name: float(first) for name, first in self._first.items()}

    def load_state_dict(self, state: Mapping[str, float], device: torch.device | None = None) -> None:
        """Continue from a saved state.

        Args:
            state: what ``state_dict`` returned.
            device: that of the losses; ``None``: the CPU.
        """
        self._first = {name: torch.tensor(float(first), device=device) for name, first in state.items()}


def _single_weight(joint: JointLoss, name: str) -> Tensor:
    weight = joint.tasks[name].weight
    if weight is None or weight.numel() != 1:
        found = "none" if weight is None else f"{weight.numel()}, one a channel"
        raise ValueError(
            f"task {name!r}: RateMatched: expected a likelihood with a single weight, found {found}: use one whose "
            "loss is linear in the raw loss, with one σ"
        )
    return weight.reshape(())
