"""The base class of likelihoods of single elements: equal shapes, masks, missing labels and noise channels."""

import math
from abc import abstractmethod

import torch
from torch import Tensor

from equipoise._execution import is_readable, is_recomputing
from equipoise._reduction import Sums, is_distributed
from equipoise.functional import at_least_single
from equipoise.likelihoods._masks import as_weights, valid_elements
from equipoise.likelihoods._task_loss import TaskLoss
from equipoise.likelihoods.likelihood import Likelihood


class Elementwise(Likelihood):
    """The base class for losses of single elements, whose outputs and targets have equal shapes.

    A subclass defines ``element_losses``. Masks, weights, NaN targets and noise per channel are handled here. Outputs
    and targets are never broadcast.

    Args:
        linear, reference, **noise: see ``Likelihood``. With ``channels=C`` there is one s for each index of axis 1, or
            of the only axis.

    Shapes:
        output, target: equal, any. A NaN target means "no label".
        count: the number of valid elements.

    Raises:
        ValueError: in ``forward``, shapes that differ. For all others see ``Likelihood``.

    >>> class Cosh(Elementwise):
    ...     def __init__(self):
    ...         super().__init__(linear=(1.0, 1.0, 0.5))
    ...     def element_losses(self, output, target, valid, weights=None):
    ...         return torch.where(valid, torch.cosh(output - target) - 1, 0.0)[None]
    >>> Cosh()(torch.zeros(3), torch.tensor([0.0, 1.0, float("nan")]))
    TaskLoss(loss=0.2715, nll=0.2715, weight=1, sigma=1, count=2)
    """

    _shortened = False

    @abstractmethod
    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """The k quantities to sum, ``(k, *target)``, the raw loss first; 0 where an element is not valid.

        Args:
            output: float32 or float64.
            target: of the same shape and dtype, dimensionless where the likelihood owns its unit; may hold NaN.
            valid: boolean, of that shape.
            weights: of that shape. ``sums`` applies them; they are here for losses that need them beforehand.
        """

    def _whole_mean(self, output: Tensor, target: Tensor) -> Tensor | None:
        """The mean raw loss of elements that are all valid, as cheaply as possible; ``None``: no shortcut."""
        return None

    def _quick_loss(self, output: Tensor, target: Tensor) -> TaskLoss | None:
        """The loss where all elements are valid and the noise, alone in its bank, is at rest."""
        bank = self.noise.bank
        if self.noise.spec.linear is None or len(bank.low) != 1 or is_distributed() or is_recomputing():
            return None
        if not (self.training and bank.is_at_rest()) or (mean := self._short_mean(output, target)) is None:
            return None
        constant = mean.detach().reshape(1)
        bank.mark_healthy(lambda: bank.linear_optimum(constant))
        bank.look_for_lag()
        self._batch_passed()
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
            _noise=s[0],
        )

    def _short_mean(self, output: Tensor, target: Tensor) -> Tensor | None:
        """The mean raw loss over all elements, if none is missing: a missing one makes the result NaN."""
        if self.noise.channels is not None or not is_readable(output, target) or not self._may_shorten(target):
            return None
        self._check_shapes(output, target, type(self).__name__)
        if target.numel() == 0:
            return None
        output = at_least_single(output)
        mean = self._whole_mean(output, self._dimensionless(target, output.dtype))
        return None if mean is None or not 0.0 <= mean.item() < math.inf else mean

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """Sums of ``element_losses`` and counts, for each noise channel."""
        self._check_shapes(output, target, where)
        output = at_least_single(output)
        # Activation checkpointing needs the second pass to take the same path as the first.
        may_shorten = mask is None and weights is None and (self._shortened or not is_recomputing())
        if may_shorten and (short := self._short_sums(output, target)) is not None:
            return short
        if not is_recomputing():
            self._shortened = False
        valid, weights = self._counted(target, mask, weights, where)
        rows = self._take_unit(target, valid, where)
        losses = self.element_losses(output, self._dimensionless(target, output.dtype), valid, weights)
        return self._summed(losses, valid, weights, rows)

    def _short_sums(self, output: Tensor, target: Tensor) -> Sums | None:
        """The sums over all elements, if none is missing."""
        if (mean := self._short_mean(output, target)) is None:
            return None
        self._shortened = True
        return Sums((mean * target.numel())[None], torch.tensor(target.numel()))

    def _may_shorten(self, target: Tensor) -> bool:
        return target.is_floating_point()

    def _counted(
        self, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> tuple[Tensor, Tensor | None]:
        """Which elements are valid (not NaN, masked or of weight 0), and the weights at the target's shape."""
        valid = valid_elements(target, mask, where)
        if weights is not None:
            weights = as_weights(weights, target.shape, where)
            valid = valid & (weights > 0)
        return valid, weights

    def _take_unit(self, target: Tensor, valid: Tensor, where: str) -> Tensor | None:
        """Learn the target's unit, if the likelihood owns one; return statistics of targets that are checked."""
        return None

    def _dimensionless(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        """The target in the network's numbers."""
        return target.to(dtype)

    def _summed(self, values: Tensor, valid: Tensor, weights: Tensor | None = None, rows: Tensor | None = None) -> Sums:
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
        """The sum over all axes from ``first`` on, except that of the channels."""
        dim = values.dim() - first
        kept = self._channel_axis(dim) if self.noise.channels is not None else None
        over = [d + first for d in range(dim) if d != kept]
        return values.sum(over) if over else values

    def _channel_axis(self, dim: int) -> int:
        """The axis of the channels: 1, or the only one."""
        return min(1, dim - 1)

    def broadcastable(self, per_channel: Tensor, dim: int) -> Tensor:
        """Reshape ``per_channel``, one number per channel, to broadcast over outputs of ``dim`` axes."""
        channels = self.noise.channels
        if channels is None:
            return per_channel
        return per_channel.reshape([channels if d == self._channel_axis(dim) else 1 for d in range(dim)])

    def _by_channel(self, tensor: Tensor) -> Tensor:
        """``(C, elements of each channel)``; C = 1 where the noise is a single number."""
        if self.noise.channels is None:
            return tensor.reshape(1, -1)
        return tensor.movedim(self._channel_axis(tensor.dim()), 0).reshape(self.noise.channels, -1)

    def _check_shapes(self, output: Tensor, target: Tensor, where: str) -> None:
        if output.shape != target.shape:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape, found {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        channels = self.noise.channels
        if channels is None:
            return
        axis = self._channel_axis(max(output.dim(), 1))
        if output.dim() == 0 or output.shape[axis] != channels:
            raise ValueError(
                f"{where}: expected {channels} channels on axis {axis}, found outputs of shape {tuple(output.shape)}"
            )
