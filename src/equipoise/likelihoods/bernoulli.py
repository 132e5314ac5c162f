"""Labels that may hold together: binary cross entropy, with a temperature as noise."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli as BernoulliDistribution
from torch.nn import functional

from equipoise.functional import scaled_nll, scaled_optimum
from equipoise.likelihoods.elementwise import Elementwise
from equipoise.likelihoods.temperature import Temperature, best_log_temperature


class Bernoulli(Elementwise):
    r"""p(y | f) = σ(f/T) for each element by itself, T = e^s; outputs are logits, targets 0, 1 or between.

    *Approximate* (the default): nll = e^(−s)·BCE(f, y) + ½·s, as for ``Categorical``; at the optimum e^s = 2·BCE; its
    distribution has ``logits = f``. *Exact*: nll = BCE(f·e^(−s), y). The raw loss is BCE(f, y) in both. A NaN target is
    no label.

    Args:
        exact: which form.
        **noise: see ``Likelihood``.

    >>> round(Bernoulli()(torch.zeros(2, 3), torch.ones(2, 3)).loss.item(), 4)  # log 2
    0.6931
    """

    def __init__(self, *, exact: bool = False, **noise: Any) -> None:
        super().__init__(**noise)
        if exact and noise.get("update") == "closed_form":
            raise ValueError("Bernoulli: update: the exact form has no closed form: use 'gradient', or refit")
        self.exact = exact
        self.temperature = Temperature(self.noise.channels)

    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """BCE(f, y); the exact form adds BCE(f·e^(−s), y), its derivative by s, and the optimum for a start."""
        self._check_targets(target, valid)
        logits, labels = torch.where(valid, output, 0.0), torch.where(valid, target, 0.0)
        entropy = _cross_entropy(logits, labels, valid)
        if not self.exact:
            return entropy[None]
        s = self.log_variance.detach().to(logits.dtype)
        if self.noise.pending and self.training:
            s = self._best(logits.detach(), labels, valid)
        s = self.broadcastable(s, logits.dim())
        scaled = logits * torch.exp(-s)
        slope = torch.where(valid, (labels - scaled.detach().sigmoid()) * scaled.detach(), 0.0)
        start = torch.where(valid, torch.exp(s).expand(logits.shape), 0.0)
        return torch.stack([entropy, _cross_entropy(scaled, labels, valid), slope, start])

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """e^(−s)·BCE + ½·s; exact: the BCE of scaled logits."""
        if not self.exact:
            return scaled_nll(means[0], log_variance, 1.0, 0.5)
        return means[1] + means[2].detach() * (log_variance - log_variance.detach())

    def statistic(self, means: Tensor) -> Tensor:
        """BCE; of the exact form e^s at a start."""
        return means[3] if self.exact else means[0]

    def optimum(self, statistic: Tensor) -> Tensor:
        """Log 2·BCE; of the exact form the logarithm of its statistic."""
        return torch.log(statistic) if self.exact else scaled_optimum(statistic, 1.0, 0.5, self.noise.prior)

    def raw_weight(self, log_variance: Tensor) -> Tensor | None:
        """e^(−s), of the approximate form."""
        return None if self.exact else torch.exp(-log_variance)

    @torch.no_grad()
    def optimal_log_variance(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """The s that is best for these outputs: in closed form, or by bisection for the exact form."""
        if not self.exact:
            return super().optimal_log_variance(output, target, mask)
        return self._best(*self._prepared(output, target, mask))

    @torch.no_grad()
    def refit(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Fit the temperature on held-out data: s of the exact form, a buffer of its own of the approximate one."""
        best = self._best(*self._prepared(output, target, mask))
        if self.exact:
            self.noise.set_log_variance(best)
        else:
            self.temperature.set(best)

    def _prepared(self, output: Tensor, target: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        output, target, valid = self.checked(output, target, mask, type(self).__name__)
        return torch.where(valid, output, 0.0), torch.where(valid, target, 0.0), valid

    def _best(self, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        def slope(s: Tensor) -> Tensor:
            inverse = torch.exp(-self.broadcastable(s, logits.dim()))
            per_element = (labels - (logits * inverse).sigmoid()) * logits
            return self.summed(torch.where(valid, per_element, 0.0)[None], valid).values[0].double()

        return best_log_temperature(slope, self.noise.bounds, self.log_variance).to(logits.dtype)

    def _check_targets(self, target: Tensor, valid: Tensor) -> None:
        if target.device.type != "cpu" or torch.compiler.is_compiling():
            return
        outside = valid & ((target < 0) | (target > 1))
        if bool(outside.any()):
            raise ValueError(f"Bernoulli: expected targets in 0 … 1, found {float(target[outside][0]):g}")

    def location(self, output: Tensor) -> Tensor:
        """The logits of ``distribution``."""
        s = self.log_variance.detach() if self.exact else self.temperature.log_temperature
        return output * torch.exp(-self.broadcastable(s, output.dim()))

    def distribution(self, output: Tensor) -> BernoulliDistribution:
        """Bernoulli with logits f (approximate; f/T once refitted) or f·e^(−s) (exact)."""
        return BernoulliDistribution(logits=self.location(output))

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"exact={self.exact}, {super().extra_repr()}"


def _cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return torch.where(valid, losses, 0.0)
