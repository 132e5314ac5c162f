"""Laplace noise: absolute error."""

import math
from typing import Literal, Unpack

from torch import Tensor
from torch.distributions import Laplace as LaplaceDistribution
from torch.nn import functional

from equipoise.functional import SQRT2
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods.regression import Regression


class Laplace(Regression):
    r"""p(y | f) = Laplace(f, b), s = log 2b², so that σ is the standard deviation.

    nll = √2·e^(−s/2)·\|y − f\| + ½·s, mean over valid elements; at the optimum b = MAE. Dropped: ½·log 2.

    Args:
        form: ``"exact"``: the above, the derivation that fits L1. ``"paper"``: ½·e^(−s)·\|y − f\| + ½·s, L1 weighed
            like a Gaussian, as Kendall, Gal & Cipolla (CVPR 2018) train; it is no density (at its optimum e^s = MAE),
            so it has no distribution.
        standardize: see ``Regression``; ``None``: for the exact form. The paper's form keeps the target's unit.
        **noise: see ``NoiseSettings``.

    >>> import torch
    >>> Laplace().optimal_log_variance(torch.tensor([2.0]), torch.tensor([0.0])).exp()  # 2·b², b = 2
    tensor(8.)
    """

    loss_power = 1

    def __init__(
        self,
        *,
        form: Literal["exact", "paper"] = "exact",
        standardize: bool | None = None,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        if form not in ("exact", "paper"):
            raise ValueError(f"Laplace: form: expected 'exact' or 'paper', found {form!r}")
        linear = (SQRT2, 0.5, 0.5) if form == "exact" else (0.5, 1.0, 0.5)
        super().__init__(standardize=form == "exact" if standardize is None else standardize, linear=linear, **noise)
        self.form = form

    def residual_losses(self, residual: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """Absolute error."""
        return residual.abs()[None]

    def _whole_mean(self, output: Tensor, target: Tensor) -> Tensor:
        """The mean absolute error."""
        return functional.l1_loss(output, target)

    def half_width(self, level: float) -> Tensor:
        """−b·log(1 − level)."""
        return self.sigma / SQRT2 * -math.log1p(-level)

    def distribution(self, output: Tensor) -> LaplaceDistribution:
        """Laplace(f, σ/√2) in the target's unit."""
        if self.form == "paper":
            raise ValueError("Laplace: expected form='exact' for a distribution, found 'paper', the loss of no density")
        return LaplaceDistribution(self.location(output), self.sigma_like(output) / SQRT2)

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"form={self.form!r}, {super().extra_repr()}"
