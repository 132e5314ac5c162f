"""Any non-negative loss, weighed by a learned noise."""

from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor
from torch.distributions import Distribution

from equipoise.functional import at_least_single, log1p_nll, log1p_optimum, scaled_nll, scaled_optimum
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.masks import as_mask
from equipoise.reduction import Sums


class Gibbs(Likelihood):
    r"""p(y | f) ∝ exp(−coefficient·e^(−s)·L(f, y)) with a penalty for the noise.

    nll = coefficient·e^(−s)·L + penalty·s, mean over valid elements.

    (1, ½) is the paper's classification, (½, ½) its L1, (1, 1) PoseNet (Kendall & Cipolla, CVPR 2017);
    ``penalty="log1p"`` with ½ is Liebel & Körner's log(1 + σ²) (arXiv 1805.06334), which is never below zero. The raw
    loss is L. It is no density that could be normalised for every L, so it has no distribution.

    Args:
        loss_fn: (output, target) → losses of single elements, none below zero, in any shape; NaN is no label.
        coefficient: above 0.
        penalty: above 0, or ``"log1p"``.
        **noise: see ``Likelihood``; channels are not for Gibbs, priors not for ``"log1p"``.

    >>> likelihood = Gibbs(lambda f, y: (f - y).abs(), coefficient=1.0, penalty=1.0)
    >>> likelihood(torch.tensor([1.0, 5.0]), torch.tensor([0.0, 2.0])).nll.item()
    2.0
    """

    def __init__(
        self,
        loss_fn: Callable[[Tensor, Tensor], Tensor],
        coefficient: float = 1.0,
        penalty: float | Literal["log1p"] = 0.5,
        **noise: Any,
    ) -> None:
        super().__init__(**noise)
        if self.noise.channels is not None:
            raise ValueError("Gibbs: channels: expected None")
        if not coefficient > 0:
            raise ValueError(f"Gibbs: coefficient: expected a number above 0, found {coefficient!r}")
        if penalty != "log1p" and not (isinstance(penalty, int | float) and penalty > 0):
            raise ValueError(f"Gibbs: penalty: expected a number above 0 or 'log1p', found {penalty!r}")
        if penalty == "log1p" and self.noise.prior is not None:
            raise ValueError("Gibbs: prior: expected None with penalty='log1p'")
        self.loss_fn, self.coefficient, self.penalty = loss_fn, float(coefficient), penalty

    def sums(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Sums:
        """The sum of the losses."""
        if output.shape == target.shape and target.is_floating_point():
            # A NaN target must not reach the gradient, not even as 0 · NaN.
            missing = torch.isnan(target)
            target = torch.where(missing, at_least_single(output.detach()).to(target.dtype), target)
            losses = torch.where(missing, torch.nan, at_least_single(self.loss_fn(output, target)))
        else:
            losses = at_least_single(self.loss_fn(output, target))
        valid = ~torch.isnan(losses)
        if mask is not None:
            valid = valid & as_mask(mask, losses.shape, where)
        losses = torch.where(valid, losses, 0.0)
        negative = (losses.detach() < 0).any()
        # One loss below zero may hide in the sum: then the sum itself is made to show it.
        return Sums(torch.where(negative, -losses.abs().sum() - 1e-30, losses.sum())[None], valid.sum())

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """coefficient·e^(−s)·L + penalty·s, or + log(1 + e^s)."""
        if isinstance(self.penalty, str):
            return log1p_nll(means[0], log_variance, self.coefficient)
        return scaled_nll(means[0], log_variance, self.coefficient, self.penalty)

    def optimum(self, statistic: Tensor) -> Tensor:
        """e^s = coefficient·L/penalty; with log1p the positive root of v² = coefficient·L·(1 + v)."""
        if isinstance(self.penalty, str):
            return log1p_optimum(statistic, self.coefficient)
        return scaled_optimum(statistic, self.coefficient, self.penalty, self.noise.prior)

    def raw_weight(self, log_variance: Tensor) -> Tensor:
        """coefficient·e^(−s)."""
        return self.coefficient * torch.exp(-log_variance)

    def distribution(self, output: Tensor) -> Distribution:
        """There is none."""
        raise ValueError(
            "Gibbs: expected a likelihood with a density (Gaussian, Laplace, …), found a loss, which has none"
        )

    def extra_repr(self) -> str:
        """The coefficients, and the present s."""
        return f"coefficient={self.coefficient:g}, penalty={self.penalty!r}, {super().extra_repr()}"
