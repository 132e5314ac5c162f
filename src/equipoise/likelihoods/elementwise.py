"""What likelihoods of single elements share: outputs and targets of equal shape, masks, NaN targets, channels."""

import math
from abc import abstractmethod
from typing import Any

import torch
from torch import Tensor

from equipoise._execution import is_readable, is_recomputing
from equipoise._reduction import Sums, is_distributed
from equipoise.functional import at_least_single
from equipoise.likelihoods._masks import as_mask, as_weights
from equipoise.likelihoods._task_loss import TaskLoss
from equipoise.likelihoods.likelihood import Likelihood


class Elementwise(Likelihood):
    """A likelihood whose outputs and targets have equal shapes, any, and no broadcasting; a NaN target is no label."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._shortened = False

    @abstractmethod
    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """``(k, *target)``: what is summed, 0 where it is not valid; the first is the raw loss."""

    def whole_mean(self, output: Tensor, target: Tensor) -> Tensor | None:
        """The mean raw loss where all elements are valid, as cheaply as possible; ``None``: no shortcut."""
        return None

    def _quick_loss(self, output: Tensor, target: Tensor) -> TaskLoss | None:
        """The term where all elements are valid and the noise, by itself in its bank, is at rest."""
        bank = self.noise.bank
        if self.noise.spec.linear is None or len(bank.low) != 1 or is_distributed() or is_recomputing():
            return None
        if not (self.training and bank.is_at_rest()) or (mean := self._short_mean(output, target)) is None:
            return None
        constant = mean.detach().reshape(1)
        bank.mark_healthy(lambda: bank.linear_optimum(constant))
        bank.look_for_lag()
        self.batch_passed()
        s = bank.values()
        count = torch.tensor(target.numel())
        return TaskLoss(
            nll=bank.linear_nll(mean, at_least_single(s))[0],
            count=count,
            _likelihood=self,
            _means=mean.reshape(1),
            _mass=count,
            _shares=None,
            _log_variance=s.detach().clone()[0],
        )

    def batch_passed(self) -> None:
        """A training batch has passed that changed nothing."""

    def _short_mean(self, output: Tensor, target: Tensor) -> Tensor | None:
        """The mean raw loss over all elements, where none is missing; only a look at the result tells."""
        if self.noise.channels is not None or not is_readable(output, target) or not self._may_shorten(target):
            return None
        self._check_shapes(output, target, type(self).__name__)
        if target.numel() == 0:
            return None
        output = at_least_single(output)
        mean = self.whole_mean(output, self.dimensionless(target, output.dtype))
        return None if mean is None or not 0.0 <= mean.item() < math.inf else mean

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """Sums of ``element_losses`` and counts, for each noise channel."""
        self._check_shapes(output, target, where)
        output = at_least_single(output)
        # Activation checkpointing wants the second pass to be as the first was.
        may_shorten = mask is None and weights is None and (self._shortened or not is_recomputing())
        if may_shorten and (short := self._short_sums(output, target)) is not None:
            return short
        if not is_recomputing():
            self._shortened = False
        valid, weights = self.counted(target, mask, weights, where)
        rows = self.take_unit(target, valid)
        losses = self.element_losses(output, self.dimensionless(target, output.dtype), valid, weights)
        return self.summed(losses, valid, weights, rows)

    def _short_sums(self, output: Tensor, target: Tensor) -> Sums | None:
        """The sum over all elements, where none is missing."""
        if (mean := self._short_mean(output, target)) is None:
            return None
        self._shortened = True
        return Sums((mean * target.numel())[None], torch.tensor(target.numel()))

    def _may_shorten(self, target: Tensor) -> bool:
        return target.is_floating_point()

    def counted(
        self, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> tuple[Tensor, Tensor | None]:
        """What is valid (NaN, masked and weightless elements are not), and the weights at the target's shape."""
        valid = ~torch.isnan(target) if target.is_floating_point() else torch.ones_like(target, dtype=torch.bool)
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        if weights is not None:
            weights = as_weights(weights, target.shape, where)
            valid = valid & (weights > 0)
        return valid, weights

    def take_unit(self, target: Tensor, valid: Tensor) -> Tensor | None:
        """Learn the target's unit, where the likelihood owns one; what the batch shows, where it is looked at."""
        return None

    def dimensionless(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        """The target in the network's numbers."""
        return target.to(dtype)

    def summed(self, values: Tensor, valid: Tensor, weights: Tensor | None = None, rows: Tensor | None = None) -> Sums:
        """Sums of ``(k, *target)`` and counts, for each noise channel."""
        if weights is not None:
            weights = torch.where(valid, weights, 0.0).to(values.dtype)
            values = values * weights
        return Sums(
            self._over_elements(values, 1),
            self._over_elements(valid, 0).long(),
            None if weights is None else self._over_elements(weights, 0),
            rows,
        )

    def _over_elements(self, values: Tensor, first: int) -> Tensor:
        """The sum over all axes from ``first`` on but that of the channels."""
        dim = values.dim() - first
        kept = self.channel_axis(dim) if self.noise.channels is not None else None
        over = [d + first for d in range(dim) if d != kept]
        return values.sum(over) if over else values

    def channel_axis(self, dim: int) -> int:
        """The axis of the noise's channels: 1, or the only one."""
        return min(1, dim - 1)

    def broadcastable(self, per_channel: Tensor, dim: int) -> Tensor:
        """A number a channel in a shape that broadcasts over outputs of ``dim`` axes."""
        channels = self.noise.channels
        if channels is None:
            return per_channel
        return per_channel.reshape([channels if d == self.channel_axis(dim) else 1 for d in range(dim)])

    def by_channel(self, tensor: Tensor) -> Tensor:
        """``(C, elements of the channel)``; C = 1 where the noise is one number."""
        if self.noise.channels is None:
            return tensor.reshape(1, -1)
        return tensor.movedim(self.channel_axis(tensor.dim()), 0).reshape(self.noise.channels, -1)

    def _check_shapes(self, output: Tensor, target: Tensor, where: str) -> None:
        if output.shape != target.shape:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape, found {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        channels = self.noise.channels
        if channels is None:
            return
        axis = self.channel_axis(max(output.dim(), 1))
        if output.dim() == 0 or output.shape[axis] != channels:
            raise ValueError(
                f"{where}: expected {channels} channels on axis {axis}, found outputs of shape {tuple(output.shape)}"
            )
