"""What regression likelihoods share: residuals, and the unit of the target."""

from abc import abstractmethod

import torch
from torch import Tensor

from equipoise.functional import regression_residual
from equipoise.likelihoods.elementwise import Elementwise
from equipoise.likelihoods.masks import as_mask
from equipoise.likelihoods.noise import Init, Update
from equipoise.likelihoods.unit import Unit


class Regression(Elementwise):
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
    def residual_losses(self, residual: Tensor, valid: Tensor) -> Tensor:
        """``(k, *target)`` from residuals; a residual of 0 that is not valid gives 0."""

    @abstractmethod
    def half_width(self, level: float) -> Tensor:
        """Half the width of the central interval that holds ``level`` of the distribution, in the target's unit."""

    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """Those of the residuals."""
        return self.residual_losses(regression_residual(output, target, valid), valid)

    def dimensionless(self, target: Tensor, valid: Tensor, where: str) -> Tensor:
        """The target in the network's numbers; takes the unit from the first batch in training mode."""
        if self.unit is None:
            return target
        if self.training and self.unit.pending:
            self.unit.fit(self._by_channel(target), self._by_channel(valid), where, only_if_new=True)
        dim = target.dim()
        return (target - self.broadcastable(self.unit.offset, dim)) / self.broadcastable(self.unit.scale, dim)

    def fit(self, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take the unit of the targets from these instead of the first batch."""
        if self.unit is None:
            raise ValueError(f"{type(self).__name__}.fit: expected standardize=True, found a likelihood without a unit")
        valid = ~torch.isnan(targets)
        if mask is not None:
            valid = valid & as_mask(mask, targets.shape, type(self).__name__)
        self.unit.fit(self._by_channel(targets), self._by_channel(valid), type(self).__name__)

    def location(self, output: Tensor) -> Tensor:
        """The predicted value in the target's unit."""
        if self.unit is None:
            return output
        dim = output.dim()
        return output * self.broadcastable(self.unit.scale, dim) + self.broadcastable(self.unit.offset, dim)

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Multiplied by scale^power."""
        return value if self.unit is None else value * self.unit.scale**power

    def sigma_like(self, output: Tensor) -> Tensor:
        """σ in the target's unit, at the shape of an output."""
        return self.broadcastable(self.sigma, output.dim()).expand(output.shape)

    def _by_channel(self, tensor: Tensor) -> Tensor:
        """``(C, elements of the channel)``; C = 1 where noise and unit are one number."""
        if self.noise.channels is None:
            return tensor.reshape(1, -1)
        return tensor.movedim(self.channel_axis(tensor.dim()), 0).reshape(self.noise.channels, -1)
