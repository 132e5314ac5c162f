"""What regression likelihoods share: equal shapes, NaN targets, and the unit of the target."""

from abc import abstractmethod

import torch
from torch import Tensor

from equipoise.functional import at_least_single, regression_residual
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.masks import as_mask
from equipoise.likelihoods.noise import Init, Update
from equipoise.likelihoods.unit import Unit
from equipoise.reduction import Sums


class Regression(Likelihood):
    """A likelihood of the residual f − y. Outputs and targets have equal shapes, any; a NaN target is no label.

    Args:
        standardize: the likelihood owns its target's unit: offset and scale come from the first batch in training
            mode, or from ``fit``; the network's outputs, s, ``init``, bounds and prior are then dimensionless, and
            loss, σ, weight and distribution are told in the target's unit.

    The other arguments are those of ``Likelihood``.
    """

    def __init__(
        self,
        *,
        channels: int | None = None,
        init: Init = 0.0,
        update: Update = "gradient",
        momentum: float = 0.99,
        bounds: tuple[float, float] = (-40.0, 40.0),
        prior: tuple[float, float] | None = None,
        standardize: bool = False,
    ) -> None:
        super().__init__(channels=channels, init=init, update=update, momentum=momentum, bounds=bounds, prior=prior)
        self.unit = Unit(channels) if standardize else None

    @abstractmethod
    def element_loss(self, residual: Tensor) -> Tensor:
        """The raw loss of each element, from its residual; a residual of 0 gives 0."""

    def sums(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Sums:
        """The sum of the raw loss, dimensionless where the likelihood owns the unit."""
        residual, valid = self.residual(output, target, mask, where)
        return self.summed(self.element_loss(residual)[None], valid)

    def residual(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> tuple[Tensor, Tensor]:
        """Residuals, 0 where there is no label, and where there is one."""
        if output.shape != target.shape:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape, found {tuple(output.shape)} and "
                f"{tuple(target.shape)}"
            )
        self._check_channels(output, where)
        target = target if target.is_floating_point() else target.to(torch.get_default_dtype())
        valid = ~torch.isnan(target)
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        output = at_least_single(output)
        return regression_residual(output, self.dimensionless(target, valid, where).to(output.dtype), valid), valid

    def dimensionless(self, target: Tensor, valid: Tensor, where: str) -> Tensor:
        """The target in the network's numbers; takes the unit from the first batch in training mode."""
        if self.unit is None:
            return target
        if self.training and self.unit.pending:
            self.unit.fit(self._by_channel(target), self._by_channel(valid), where, only_if_new=True)
        shape = self._broadcastable(target.dim())
        return (target - self.unit.offset.reshape(shape)) / self.unit.scale.reshape(shape)

    def fit(self, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take the unit of the targets from these instead of the first batch."""
        if self.unit is None:
            raise ValueError(f"{type(self).__name__}.fit: expected standardize=True, found a likelihood without a unit")
        valid = ~torch.isnan(targets)
        if mask is not None:
            valid = valid & as_mask(mask, targets.shape, type(self).__name__)
        self.unit.fit(self._by_channel(targets), self._by_channel(valid), type(self).__name__)

    def summed(self, values: Tensor, valid: Tensor) -> Sums:
        """Sums of ``(k, *target)`` and counts, for each noise channel."""
        if self.noise.channels is None:
            return Sums(values.reshape(len(values), -1).sum(1), valid.sum())
        over = [d for d in range(valid.dim()) if d != self.channel_axis(valid.dim())]
        if not over:
            return Sums(values, valid.long())
        return Sums(values.sum([d + 1 for d in over]), valid.sum(over))

    def location(self, output: Tensor) -> Tensor:
        """The predicted value in the target's unit."""
        if self.unit is None:
            return output
        shape = self._broadcastable(output.dim())
        return output * self.unit.scale.reshape(shape) + self.unit.offset.reshape(shape)

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Multiplied by scale^power."""
        return value if self.unit is None else value * self.unit.scale**power

    def channel_axis(self, dim: int) -> int:
        """The axis of the noise's channels: 1, or the only one."""
        return min(1, dim - 1)

    def sigma_like(self, output: Tensor) -> Tensor:
        """σ in the target's unit, in a shape that broadcasts over an output."""
        sigma = self.sigma if self.noise.channels is None else self.sigma.reshape(self._broadcastable(output.dim()))
        return sigma.expand(output.shape)

    def _broadcastable(self, dim: int) -> list[int]:
        if self.noise.channels is None:
            return []
        return [self.noise.channels if d == self.channel_axis(dim) else 1 for d in range(dim)]

    def _by_channel(self, tensor: Tensor) -> Tensor:
        """``(C, elements of the channel)``; C = 1 where noise and unit are one number."""
        if self.noise.channels is None:
            return tensor.reshape(1, -1)
        return tensor.movedim(self.channel_axis(tensor.dim()), 0).reshape(self.noise.channels, -1)

    def _check_channels(self, output: Tensor, where: str) -> None:
        channels = self.noise.channels
        if channels is None:
            return
        if output.dim() == 0 or output.shape[self.channel_axis(output.dim())] != channels:
            raise ValueError(
                f"{where}: expected {channels} channels on axis {self.channel_axis(max(output.dim(), 1))}, found "
                f"outputs of shape {tuple(output.shape)}"
            )
