"""Student's t noise: errors with heavy tails, whose outliers pull less."""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.distributions import StudentT as StudentTDistribution

from equipoise._reduction import add_over_ranks
from equipoise.functional import increasing_root, student_t_quantile
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods.regression import Regression

BINS_PER_OCTAVE, OCTAVES = 64, 126
"""Squared residuals are counted in bins of their logarithm, 2^−126 … 2^126, with each bin's mean: exact to 10⁻⁶."""


class StudentT(Regression):
    r"""Squared error with outliers, by Student's t noise: p(y | f) = StudentT(ν, f, σ).

    nll = ½(ν + 1)·log(1 + e^(−s)·(y − f)²/ν) + ½·s, the mean over valid elements; the density's constants are dropped.
    The raw loss is the mean squared error. nll is not linear in it, so ``weight`` is ``None``. σ = e^(s/2) is the
    *scale*: the variance is σ²·ν/(ν − 2) where ν > 2. For ν → ∞ the noise becomes Gaussian.

    The optimum of s has no formula. It solves mean[(ν + 1)·r²/(ν·e^s + r²)] = 1 for the residuals r, by bisection over
    a histogram of log r². ``update="closed_form"`` follows the fixed-point iteration
    e^s ← mean[(ν + 1)·r²/(ν + r²·e^(−s))] (Lange, Little & Taylor, JASA 1989) one batch behind: the nll of a batch is
    that at the s before it.

    Args:
        df: ν, the degrees of freedom, above 0 and finite.
        standardize: whether the likelihood owns its target's unit; see ``Regression``.
        **noise: see ``NoiseSettings``.

    Shapes:
        output, target: equal, any; with ``channels=C`` axis 1, or the only axis, has C entries. A NaN target means "no
            label".
        count: the number of valid elements.

    Raises:
        ValueError: ``df`` out of range. For all others see ``Likelihood``.

    >>> likelihood = StudentT(3.0, standardize=False)
    >>> likelihood(torch.tensor([0.0, 3.0]), torch.tensor([0.0, 0.0]))
    TaskLoss(loss=4.5, nll=1.386, weight=–, sigma=1, count=2)
    """

    loss_power = 2
    summed_rows = 4
    _is_deferred = True

    def __init__(self, df: float, *, standardize: bool = True, **noise: Unpack[NoiseOptions]) -> None:
        super().__init__(standardize=standardize, **noise)
        if not df > 0 or math.isinf(df):
            raise ValueError(f"StudentT: df: expected a number above 0, found {df!r}")
        self.df = float(df)

    def residual_losses(self, residual: Tensor, valid: Tensor, weights: Tensor | None = None) -> Tensor:
        """Squared error, nll at the present s (without ½·s), its slope by s, and the fixed point's statistic."""
        square = residual.square()
        s, starting = self._present(square.detach(), valid, weights)
        s = self.broadcastable(s.to(square.dtype), residual.dim())
        starting = self.broadcastable(starting, residual.dim())
        ratio = square * torch.exp(-s) / self.df
        nll = 0.5 * (self.df + 1) * torch.log1p(ratio)
        with torch.no_grad():
            share = ratio / (1 + ratio)
            statistic = square * (self.df + 1) / self.df / (1 + ratio)
            if self._is_moving and self.noise.waits_for_start:
                statistic = torch.where(starting, self._start_statistic(s).expand(square.shape) * valid, statistic)
        return torch.stack([square, nll, -0.5 * (self.df + 1) * share, statistic])

    def _present(self, square: Tensor, valid: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """The s of this batch's nll, and where it is the start that this batch gives."""
        bank = self.noise.bank
        if self._is_moving and not bank.by_gradient:
            bank.catch_up(self.noise.span, lambda mean: self.optimum(mean))
        s = self.log_variance.detach()
        if not (self._is_moving and self.noise.waits_for_start):
            return s, torch.zeros_like(s, dtype=torch.bool)
        best = self._best_of(square, valid, weights, all_ranks=True)
        starting = torch.isfinite(best) & ~self.noise.is_started()
        return torch.where(starting, best.nan_to_num(0.0).to(s.dtype), s), starting

    def _start_statistic(self, s: Tensor) -> Tensor:
        """The statistic that ``optimum`` turns back into s."""
        sigma0, strength = self.noise.prior or (0.0, 0.0)
        return (1 + strength) * s.exp() - strength * sigma0**2

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """Its value, and its gradient by s through the slope that came with the sums."""
        return means[1] + means[2].detach() * (log_variance - log_variance.detach()) + 0.5 * log_variance

    def statistic(self, means: Tensor) -> Tensor:
        """That of the fixed point; at a start, that of the s it found."""
        return means[3]

    def optimum(self, statistic: Tensor) -> Tensor:
        """One step of the fixed-point iteration: log of the weighted mean square, the prior included."""
        sigma0, strength = self.noise.prior or (0.0, 0.0)
        return torch.log((statistic + strength * sigma0**2) / (1 + strength))

    def _fit(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, *, all_ranks: bool
    ) -> tuple[Tensor, Tensor]:
        where = type(self).__name__
        self._check_shapes(output, target, where)
        valid, weights = self._counted(target, mask, weights, where)
        output = output.float() if output.dtype in (torch.float16, torch.bfloat16) else output
        square = torch.where(valid, output - self._dimensionless(target, output.dtype), 0.0).square()
        best = self._best_of(square, valid, weights, all_ranks=all_ranks)
        known = torch.isfinite(best)
        return torch.where(known, best, self.log_variance.to(best.dtype)), known

    def _best_of(self, square: Tensor, valid: Tensor, weights: Tensor | None = None, *, all_ranks: bool) -> Tensor:
        """The best s for squared residuals, by bisection over their histogram; NaN without information."""
        mass = valid.to(square.dtype) if weights is None else torch.where(valid, weights, 0.0).to(square.dtype)
        bins = histogram(self._by_channel(square), self._by_channel(mass))
        bins = add_over_ranks(bins) if all_ranks else bins
        counts, sums = bins.unbind(1)
        values = sums / torch.where(counts > 0, counts, 1.0)
        sigma0, strength = self.noise.prior or (0.0, 0.0)
        total = counts.sum(1)

        def slope(s: Tensor) -> Tensor:
            ratio = values * torch.exp(-s)[:, None] / self.df
            share = (counts * ratio / (1 + ratio)).sum(1) / torch.where(total > 0, total, 1.0)
            return 0.5 - 0.5 * (self.df + 1) * share + strength * (0.5 - 0.5 * sigma0**2 * torch.exp(-s))

        best = increasing_root(slope, *self.noise.settings.bounds, total)
        known = (sums.sum(1) > 0) & torch.isfinite(sums).all(1)
        return torch.where(known, best, torch.nan).reshape(self.noise.settings.shape)

    def half_width(self, level: float) -> Tensor:
        """The t quantile at ½ + ½·level times σ, in the target's unit, ``()`` or ``(channels,)``."""
        return self.sigma * student_t_quantile(self.df, 0.5 + 0.5 * level)

    def distribution(self, output: Tensor) -> StudentTDistribution:
        """StudentT(ν, f, σ) in the target's unit."""
        return StudentTDistribution(self.df, self.location(output), self.sigma_like(output))

    def extra_repr(self) -> str:
        """ν, and the present s."""
        return f"df={self.df:g}, {super().extra_repr()}"


def histogram(square_CE: Tensor, mass_CE: Tensor) -> Tensor:
    """Masses and mass-weighted sums of squares in bins of log₂; ``(C, 2, bins)``. Enough to find an optimum by."""
    bins = 2 * OCTAVES * BINS_PER_OCTAVE
    place = (torch.log2(square_CE.clamp(2.0**-OCTAVES, 2.0**OCTAVES)) + OCTAVES) * BINS_PER_OCTAVE
    index = torch.nan_to_num(place).long().clamp(0, bins - 1)
    empty = square_CE.new_zeros(len(square_CE), bins)
    masses = empty.scatter_add(1, index, mass_CE)
    return torch.stack([masses, empty.scatter_add(1, index, mass_CE * square_CE)], 1)
