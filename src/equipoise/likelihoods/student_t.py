"""Student's t noise: errors with heavy tails, whose outliers pull less."""

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import StudentT as StudentTDistribution

from equipoise.functional import increasing_root, student_t_quantile
from equipoise.likelihoods.regression import Regression
from equipoise.reduction import add_over_ranks


class StudentT(Regression):
    r"""p(y | f) = StudentT(ν, f, σ): nll = ½(ν + 1)·log(1 + e^(−s)·(y − f)²/ν) + ½·s, mean over valid elements.

    σ = e^(s/2) is the *scale*; the variance is σ²·ν/(ν − 2) where ν > 2. For ν → ∞ it is the Gaussian. The raw loss is
    the mean squared error; nll is not linear in it, so there is no weight. The optimum of s has no formula: it solves
    mean[(ν + 1)·r²/(ν·e^s + r²)] = 1, found by bisection; ``update="closed_form"`` follows the fixed-point iteration
    e^s ← mean[(ν + 1)·r²/(ν + r²·e^(−s))] (Lange, Little & Taylor, JASA 1989). Dropped: the density's constants.

    Args:
        df: ν, above 0.
        **noise: see ``Regression``.

    >>> StudentT(3.0)(torch.tensor([0.0]), torch.tensor([0.0])).nll.item()
    0.0
    """

    loss_power = 2

    def __init__(self, df: float, **noise: Any) -> None:
        super().__init__(**noise)
        if not df > 0 or math.isinf(df):
            raise ValueError(f"StudentT: df: expected a number above 0, found {df!r}")
        self.df = float(df)

    def residual_losses(self, residual: Tensor, valid: Tensor) -> Tensor:
        """Squared error, nll at the present s (without ½·s), its slope by s, and the fixed point's statistic."""
        square = residual.square()
        start = self.noise.pending and self.training
        s = self._best(square.detach(), valid) if start else self.log_variance.detach()
        ratio = square * torch.exp(-self.broadcastable(s.to(square.dtype), residual.dim())) / self.df
        nll = 0.5 * (self.df + 1) * torch.log1p(ratio)
        with torch.no_grad():
            share = ratio / (1 + ratio)
            statistic = square * (self.df + 1) / self.df / (1 + ratio)
        return torch.stack([square, nll, -0.5 * (self.df + 1) * share, statistic])

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """Its value, and its gradient by s through the slope that came with the sums."""
        return means[1] + means[2].detach() * (log_variance - log_variance.detach()) + 0.5 * log_variance

    def statistic(self, means: Tensor) -> Tensor:
        """Of the fixed point."""
        return means[3]

    def optimum(self, statistic: Tensor) -> Tensor:
        """One step of the fixed-point iteration: log of the weighted mean square, the prior included."""
        sigma0, strength = self.noise.prior or (0.0, 0.0)
        return torch.log((statistic + strength * sigma0**2) / (1 + strength))

    @torch.no_grad()
    def optimal_log_variance(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """The s that is best for these outputs, by bisection; the present one where no element is valid."""
        output, target, valid = self.checked(output, target, mask, type(self).__name__)
        square = torch.where(valid, output - target, 0.0).square()
        best = self._best(square, valid)
        counts = self.summed(square[None], valid).count
        return torch.where(counts > 0, best, self.log_variance.to(best.dtype))

    def _best(self, square: Tensor, valid: Tensor) -> Tensor:
        count = add_over_ranks(self.summed(square[None], valid).count.double()).clamp_min(1.0)
        sigma0, strength = self.noise.prior or (0.0, 0.0)

        def slope(s: Tensor) -> Tensor:
            ratio = square * torch.exp(-self.broadcastable(s, square.dim())) / self.df
            share = self.summed((ratio / (1 + ratio))[None], valid).values[0].double()
            prior = strength * (0.5 - 0.5 * sigma0**2 * torch.exp(-s))
            return 0.5 - 0.5 * (self.df + 1) * add_over_ranks(share) / count + prior

        like = self.log_variance.detach().double()
        return increasing_root(slope, *self.noise.bounds, like).to(square.dtype)

    def half_width(self, level: float) -> Tensor:
        """The t quantile at ½ + ½·level, times σ."""
        return self.sigma * student_t_quantile(self.df, 0.5 + 0.5 * level)

    def distribution(self, output: Tensor) -> StudentTDistribution:
        """StudentT(ν, f, σ) in the target's unit."""
        return StudentTDistribution(self.df, self.location(output), self.sigma_like(output))

    def extra_repr(self) -> str:
        """ν, and the present s."""
        return f"df={self.df:g}, {super().extra_repr()}"
