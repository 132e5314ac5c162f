"""What regression likelihoods share: residuals, and the unit of the target."""

from abc import abstractmethod
from typing import Unpack

import torch
from torch import Tensor

from equipoise.functional import at_least_single, regression_residual
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._unit import Unit, difference
from equipoise.likelihoods.elementwise import Elementwise


class Regression(Elementwise):
    """A likelihood of the residual f − y. Outputs and targets have equal shapes, any; a NaN target is no label.

    Args:
        standardize: the likelihood owns its target's unit (the default): offset and scale come from the first batches
            in training mode (see ``equipoise.likelihoods._unit``), or from ``fit``. The network's outputs, s, ``init``,
            bounds, floor and prior are then dimensionless; loss, σ, weight, distribution and ``predict`` are reported
            in the target's unit.
        linear: see ``Likelihood``.
        **noise: see ``NoiseSettings``.
    """

    def __init__(
        self,
        *,
        standardize: bool = True,
        linear: tuple[float, float, float] | None = None,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        # Where the unit is owned, the floor refers to the target's spread: 1 in the network's numbers.
        super().__init__(linear=linear, reference=0.0 if standardize else None, **noise)
        self.unit = Unit(self.noise.channels) if standardize else None

    @abstractmethod
    def residual_losses(self, residual: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """``(k, *target)`` from residuals; a residual of 0 that is not valid gives 0."""

    def half_width(self, level: float) -> Tensor:
        """Half the width of the central interval that holds ``level`` of the distribution, in the target's unit."""
        raise ValueError(f"{type(self).__name__}: expected a symmetric distribution, found a likelihood without one")

    @property
    def _is_pending(self) -> bool:
        """Whether the next training batch may set a start or the unit."""
        return super()._is_pending or (self.unit is not None and not bool(self.unit.is_settled.all()))

    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """Those of the residuals."""
        return self.residual_losses(regression_residual(output, target, valid), valid, weights)

    def _may_shorten(self, target: Tensor) -> bool:
        if not super()._may_shorten(target):
            return False
        unit = self.unit
        if unit is not None and not self.training:
            unit.warn_if_unknown(type(self).__name__)
        return unit is None or not (self._may_change_state and (unit.is_changing(self.training) or unit.looks))

    def batch_passed(self) -> None:
        """A training batch has passed that changed nothing."""
        if self.unit is not None:
            self.unit.advance()

    def take_unit(self, target: Tensor, valid: Tensor) -> Tensor | None:
        """Gather the unit while it is provisional; later give what the batch shows of the targets, at times."""
        if self.unit is None:
            return None
        columns = self.by_channel(target), self.by_channel(valid)
        return self.unit.meet(
            *columns, moving=self._may_change_state, training=self.training, where=type(self).__name__
        )

    def dimensionless(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        """The target in the network's numbers: (y − offset)/scale, the difference in the target's own type."""
        if self.unit is None:
            return target.to(dtype)
        offset, scale = (self.broadcastable(v.reshape(self.unit.shape), target.dim()) for v in self.unit.both())
        return difference(target, offset, dtype).div_(scale).to(dtype)

    def fit(self, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take the unit of the targets from these, for good. Every rank must call it: all ranks' targets count."""
        name = type(self).__name__
        if self.unit is None:
            raise ValueError(f"{name}.fit: expected standardize=True, found a likelihood without a unit")
        valid, _ = self.counted(targets, mask, None, name)
        self.unit.fit(self.by_channel(targets), self.by_channel(valid), name)

    def location(self, output: Tensor) -> Tensor:
        """The predicted value in the target's unit."""
        if self.unit is None:
            return output
        dim = output.dim()
        return output * self.broadcastable(self.unit.scale, dim) + self.broadcastable(self.unit.offset, dim)

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """The predicted value in the target's unit; warns while that is unknown."""
        if self.unit is not None:
            self.unit.warn_if_unknown(f"{type(self).__name__}.predict")
        return self.location(at_least_single(output))

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Multiplied by scale^power."""
        return value if self.unit is None else value * self.unit.scale**power

    def sigma_like(self, output: Tensor) -> Tensor:
        """σ in the target's unit, at the shape of an output."""
        if self.unit is not None:
            self.unit.warn_if_unknown(f"{type(self).__name__}.distribution")
        return self.broadcastable(self.sigma, output.dim()).expand(output.shape)
