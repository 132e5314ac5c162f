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
    r"""Absolute error, weighed by Laplace noise: p(y | f) = Laplace(f, b).

    s = log 2b², so that σ is the standard deviation. nll = √2·e^(−s/2)·\|y − f\| + ½·s, the mean over valid elements;
    ½·log 2 is dropped. The raw loss is the mean absolute error, its weight √2/σ = 1/b, and at the optimum b = MAE.

    The paper derives its weights with a Gaussian but trains with absolute errors: nll = ½·e^(−s)·\|y − f\| + ½·s, which
    is ``form="paper"``. At its optimum σ² = MAE. It is not the density of any distribution.

    Args:
        form: ``"exact"`` or ``"paper"``.
        standardize: whether the likelihood owns its target's unit, see ``Regression``. ``None``: yes in the exact form,
            no in the paper's.
        **noise: see ``NoiseSettings``.

    Shapes:
        output, target: equal, any; with ``channels=C`` axis 1, or the only axis, has C entries. A NaN target means "no
            label".
        count: the number of valid elements.

    Raises:
        ValueError: another form; in ``distribution``, the paper's form. For all others see ``Likelihood``.

    Source: Kendall, Gal & Cipolla (CVPR 2018), eq. 5, for the paper's form.

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
        """−b·log(1 − level) in the target's unit, ``()`` or ``(channels,)``."""
        return self.sigma / SQRT2 * -math.log1p(-level)

    def distribution(self, output: Tensor) -> LaplaceDistribution:
        """Laplace(f, σ/√2) in the target's unit."""
        if self.form == "paper":
            raise ValueError("Laplace: expected form='exact' for a distribution, found 'paper', which has no density")
        return LaplaceDistribution(self.location(output), self.sigma_like(output) / SQRT2)

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"form={self.form!r}, {super().extra_repr()}"
