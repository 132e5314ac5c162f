"""Gaussian noise: squared error."""

from typing import Unpack

from torch import Tensor
from torch.distributions import Normal
from torch.nn import functional

from equipoise.functional import normal_half_width
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods.regression import Regression


class Gaussian(Regression):
    r"""Squared error, weighed by Gaussian noise: p(y | f) = N(f, σ²).

    nll = ½·e^(−s)·(y − f)² + ½·s, the mean over valid elements; ½·log 2π is dropped. The raw loss is the mean squared
    error, its weight 1/(2σ²), and at the optimum σ² = MSE.

    Args:
        standardize: whether the likelihood owns its target's unit; see ``Regression``.
        **noise: see ``NoiseSettings``.

    Shapes:
        output, target: equal, any; with ``channels=C`` axis 1, or the only axis, has C entries. A NaN target means "no
            label".
        count: the number of valid elements.

    Raises:
        ValueError, TypeError, FloatingPointError: see ``Likelihood``.

    Source: Kendall, Gal & Cipolla (CVPR 2018), eq. 2 and 5.

    >>> import torch
    >>> likelihood = Gaussian(standardize=False)
    >>> likelihood(torch.tensor([1.0, 3.0]), torch.tensor([0.0, float("nan")]))
    TaskLoss(loss=1, nll=0.5, weight=0.5, sigma=1, count=1)
    """

    loss_power = 2

    def __init__(self, *, standardize: bool = True, **noise: Unpack[NoiseOptions]) -> None:
        super().__init__(standardize=standardize, linear=(0.5, 1.0, 0.5), **noise)

    def residual_losses(self, residual: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """Squared error."""
        return residual.square()[None]

    def _whole_mean(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean squared error."""
        return functional.mse_loss(output, target)

    def half_width(self, level: float) -> Tensor:
        """√2·erf⁻¹(level)·σ in the target's unit, ``()`` or ``(channels,)``."""
        return self.sigma * normal_half_width(level)

    def distribution(self, output: Tensor) -> Normal:
        """N(f, σ²) in the target's unit."""
        return Normal(self.location(output), self.sigma_like(output))
