"""What classifiers share: cross entropy with a temperature as noise, approximate or exact."""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.functional import increasing_root, scaled_nll, scaled_optimum
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.reduction import add_over_ranks

Prepared = tuple[Tensor, Tensor, Tensor]
"""Logits, labels, and which of them are valid, in one shape that suits the likelihood."""


class Temperature(nn.Module):
    """log T of logits f/T: 0 until it is fitted. Source: Guo et al., On Calibration (ICML 2017)."""

    log_temperature: Tensor

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()
        self.register_buffer("log_temperature", torch.zeros(() if channels is None else (channels,)))

    def set(self, value: Tensor) -> None:
        """Take a fitted value."""
        self.log_temperature.copy_(value.to(self.log_temperature.dtype))


class Tempered(Likelihood):
    r"""A likelihood of logits f, by their cross entropy CE.

    *Approximate*: nll = e^(−s)·CE(f, y) + ½·s; its distribution has ``logits = f``, or f/T once ``refit`` has found a
    temperature. *Exact*: nll = CE(f·e^(−s), y), whose sums are CE(f), CE(f·e^(−s)), its slope by s, and e^s at a start.

    Args:
        exact: which form.
        **noise: see ``Likelihood``.
    """

    def __init__(self, *, exact: bool, **noise: Any) -> None:
        super().__init__(**noise)
        if exact and noise.get("update") == "closed_form":
            name = type(self).__name__
            raise ValueError(f"{name}: update: the exact form has no closed form: use 'gradient', or refit")
        self.exact = exact
        self.temperature = Temperature(self.noise.channels)

    @abstractmethod
    def prepared(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Prepared:
        """Outputs and targets, checked."""

    @abstractmethod
    def slope(self, s: Tensor, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """−Σ ∂CE(f·e^(−s), y)/∂(e^(−s)) of each noise channel, which increases with s; float64."""

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """e^(−s)·CE + ½·s; exact: the CE of scaled logits, whose gradient by s comes with the sums."""
        if not self.exact:
            return scaled_nll(means[0], log_variance, 1.0, 0.5)
        return means[1] + means[2].detach() * (log_variance - log_variance.detach())

    def statistic(self, means: Tensor) -> Tensor:
        """CE; of the exact form e^s at a start."""
        return means[3] if self.exact else means[0]

    def optimum(self, statistic: Tensor) -> Tensor:
        """Log 2·CE; of the exact form the logarithm of its statistic."""
        return torch.log(statistic) if self.exact else scaled_optimum(statistic, 1.0, 0.5, self.noise.prior)

    def raw_weight(self, log_variance: Tensor) -> Tensor | None:
        """e^(−s), of the approximate form."""
        return None if self.exact else torch.exp(-log_variance)

    @torch.no_grad()
    def optimal_log_variance(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """The s that is best for these outputs: in closed form, or by bisection for the exact form."""
        if not self.exact:
            return super().optimal_log_variance(output, target, mask)
        return self.best(*self.prepared(output, target, mask, type(self).__name__))

    @torch.no_grad()
    def refit(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Fit the temperature on held-out data: s of the exact form, a buffer of its own of the approximate one."""
        best = self.best(*self.prepared(output, target, mask, type(self).__name__))
        if self.exact:
            self.noise.set_log_variance(best)
        else:
            self.temperature.set(best)

    def best(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """The s of the least CE(f·e^(−s), y)."""
        found = best_log_temperature(
            lambda s: self.slope(s, logits, labels, valid), self.noise.bounds, self.log_variance
        )
        return found.to(logits.dtype)

    def present(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """The s that scales the logits of a batch, detached: the best one where a start is due."""
        if self.noise.pending and self.training:
            return self.best(logits.detach(), labels, valid)
        return self.log_variance.detach().to(logits.dtype)

    def log_temperature(self) -> Tensor:
        """Log T of the logits f/T of ``distribution``."""
        return self.log_variance.detach() if self.exact else self.temperature.log_temperature

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"exact={self.exact}, {super().extra_repr()}"


def best_log_temperature(slope: Callable[[Tensor], Tensor], bounds: tuple[float, float], like: Tensor) -> Tensor:
    """The s where the cross entropy of f·e^(−s) has no slope.

    Args:
        slope: s → −Σ ∂CE/∂(e^(−s)) = Σ (f_y − E[f]), which increases with s: the cross entropy is convex in e^(−s).
        bounds: of s.
        like: a tensor of s's shape and device.
    """
    return increasing_root(lambda s: add_over_ranks(slope(s)), *bounds, like.detach().double())
