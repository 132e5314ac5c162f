"""What likelihoods of single elements share: outputs and targets of equal shape, masks, NaN targets, channels."""

from abc import abstractmethod

import torch
from torch import Tensor

from equipoise.functional import at_least_single
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.masks import as_mask
from equipoise.reduction import Sums


class Elementwise(Likelihood):
    """A likelihood whose outputs and targets have equal shapes, any, and no broadcasting; a NaN target is no label."""

    @abstractmethod
    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """``(k, *target)``: what is summed, 0 where it is not valid; the first is the raw loss."""

    def sums(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Sums:
        """Sums of ``element_losses`` and counts, for each noise channel."""
        output, target, valid = self.checked(output, target, mask, where)
        return self.summed(self.element_losses(output, target, valid), valid)

    def checked(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> tuple[Tensor, Tensor, Tensor]:
        """Output in float32 at least, target in the same type and the network's numbers, and what is valid."""
        if output.shape != target.shape:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape, found {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        self._check_channels(output, where)
        output = at_least_single(output)
        target = target if target.is_floating_point() else target.to(output.dtype)
        valid = ~torch.isnan(target)
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        return output, self.dimensionless(target, valid, where).to(output.dtype), valid

    def dimensionless(self, target: Tensor, valid: Tensor, where: str) -> Tensor:
        """The target in the network's numbers."""
        return target

    def summed(self, values: Tensor, valid: Tensor) -> Sums:
        """Sums of ``(k, *target)`` and counts, for each noise channel."""
        if self.noise.channels is None:
            return Sums(values.reshape(len(values), -1).sum(1), valid.sum())
        over = [d for d in range(valid.dim()) if d != self.channel_axis(valid.dim())]
        if not over:
            return Sums(values, valid.long())
        return Sums(values.sum([d + 1 for d in over]), valid.sum(over))

    def channel_axis(self, dim: int) -> int:
        """The axis of the noise's channels: 1, or the only one."""
        return min(1, dim - 1)

    def broadcastable(self, per_channel: Tensor, dim: int) -> Tensor:
        """A number a channel in a shape that broadcasts over outputs of ``dim`` axes."""
        channels = self.noise.channels
        if channels is None:
            return per_channel
        return per_channel.reshape([channels if d == self.channel_axis(dim) else 1 for d in range(dim)])

    def _check_channels(self, output: Tensor, where: str) -> None:
        channels = self.noise.channels
        if channels is None:
            return
        axis = self.channel_axis(max(output.dim(), 1))
        if output.dim() == 0 or output.shape[axis] != channels:
            raise ValueError(
                f"{where}: expected {channels} channels on axis {axis}, found outputs of shape {tuple(output.shape)}"
            )
