"""The base class of regressions: losses of residuals, in a unit that the likelihood may own."""

from abc import abstractmethod
from typing import Unpack

from torch import Tensor

from equipoise.functional import regression_residual
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._standardized import Standardized
from equipoise.likelihoods._unit import Unit
from equipoise.likelihoods.elementwise import Elementwise


class Regression(Standardized, Elementwise):
    """The base class for losses of the residual f − y, in a unit that the likelihood may own.

    A subclass defines ``residual_losses``, and ``loss_power``, the power of the target's unit that the raw loss has.

    Args:
        standardize: whether the likelihood owns its target's unit. Offset and scale then come from the first batches in
            training mode, or from ``fit``. The network's outputs, s, ``init``, bounds, floor and prior are
            dimensionless; loss, σ, weight, distribution and ``predict`` are in the target's unit.
        linear: see ``Likelihood``.
        **noise: see ``NoiseSettings``.

    Shapes:
        output, target: equal, any. A NaN target means "no label".
        count: the number of valid elements.

    Raises:
        ValueError: in ``half_width``, no symmetric distribution. For all others see ``Likelihood``.

    >>> import torch
    >>> class Quartic(Regression):
    ...     loss_power = 4
    ...     def residual_losses(self, residual, valid, weights=None):
    ...         return residual.pow(4)[None]
    >>> Quartic(standardize=False, linear=(1.0, 1.0, 0.5))(torch.tensor([2.0, 0.0]), torch.zeros(2))
    TaskLoss(loss=8, nll=8, weight=1, sigma=1, count=2)
    """

    def __init__(
        self,
        *,
        standardize: bool = True,
        linear: tuple[float, float, float] | None = None,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        # With its own unit, the floor refers to the target's spread, which is 1 in the network's numbers.
        super().__init__(linear=linear, reference=0.0 if standardize else None, **noise)
        self.unit = Unit(self.noise.channels) if standardize else None

    @abstractmethod
    def residual_losses(self, residual: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """The k quantities to sum, ``(k, *target)``, the raw loss first; 0 where an element is not valid.

        Args:
            residual: f − y, float32 or float64, dimensionless where the likelihood owns its unit; 0 where not valid.
            valid: boolean, of that shape.
            weights: of that shape. ``sums`` applies them; they are here for losses that need them beforehand.
        """

    def half_width(self, level: float) -> Tensor:
        """Half the width of the central interval that holds a share ``level``, 0 … 1, of the distribution.

        In the target's unit, ``()`` or ``(channels,)``.
        """
        raise ValueError(
            f"{type(self).__name__}: expected a symmetric distribution, found a likelihood that defines none"
        )

    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """The losses of the residuals."""
        return self.residual_losses(regression_residual(output, target, valid), valid, weights)

    def _unit_columns(self, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        return self._by_channel(target), self._by_channel(valid)

    def _may_shorten(self, target: Tensor) -> bool:
        if not super()._may_shorten(target):
            return False
        unit = self.unit
        if unit is not None and not self.training:
            unit.warn_if_unknown(type(self).__name__)
        return unit is None or not (self._is_moving and (unit.is_changing(self.training) or unit.looks))

    def sigma_like(self, output: Tensor) -> Tensor:
        """σ in the target's unit, in the shape of an output: the scale for ``distribution``."""
        self._warn_if_unit_unknown("distribution")
        return self.broadcastable(self.sigma, output.dim()).expand(output.shape)
