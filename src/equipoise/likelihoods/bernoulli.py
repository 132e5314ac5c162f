"""Labels that may hold together: binary cross entropy, with a temperature as noise."""

from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli as BernoulliDistribution
from torch.nn import functional

from equipoise.likelihoods.elementwise import Elementwise
from equipoise.likelihoods.tempered import Prepared, Tempered


class Bernoulli(Tempered, Elementwise):
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
        super().__init__(exact=exact, **noise)

    def element_losses(self, output: Tensor, target: Tensor, valid: Tensor) -> Tensor:
        """BCE(f, y); the exact form adds BCE(f·e^(−s), y), its derivative by s, and the optimum for a start."""
        self._check_targets(target, valid)
        logits, labels = torch.where(valid, output, 0.0), torch.where(valid, target, 0.0)
        entropy = _cross_entropy(logits, labels, valid)
        if not self.exact:
            return entropy[None]
        s = self.broadcastable(self.present(logits, labels, valid), logits.dim())
        scaled = logits * torch.exp(-s)
        slope = torch.where(valid, (labels - scaled.detach().sigmoid()) * scaled.detach(), 0.0)
        start = torch.where(valid, torch.exp(s).expand(logits.shape), 0.0)
        return torch.stack([entropy, _cross_entropy(scaled, labels, valid), slope, start])

    def prepared(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Prepared:
        """Logits and targets at their shape, 0 where they are not valid."""
        output, target, valid = self.checked(output, target, mask, where)
        return torch.where(valid, output, 0.0), torch.where(valid, target, 0.0), valid

    def slope(self, s: Tensor, logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
        """Σ (y − σ(f·e^(−s)))·f."""
        inverse = torch.exp(-self.broadcastable(s, logits.dim()))
        per_element = (labels - (logits * inverse).sigmoid()) * logits
        return self.summed(torch.where(valid, per_element, 0.0)[None], valid).values[0].double()

    def _check_targets(self, target: Tensor, valid: Tensor) -> None:
        if target.device.type != "cpu" or torch.compiler.is_compiling():
            return
        outside = valid & ((target < 0) | (target > 1))
        if bool(outside.any()):
            raise ValueError(f"Bernoulli: expected targets in 0 … 1, found {float(target[outside][0]):g}")

    def location(self, output: Tensor) -> Tensor:
        """The logits of ``distribution``."""
        return output * torch.exp(-self.broadcastable(self.log_temperature(), output.dim()))

    def distribution(self, output: Tensor) -> BernoulliDistribution:
        """Bernoulli with logits f (approximate; f/T once refitted) or f·e^(−s) (exact)."""
        return BernoulliDistribution(logits=self.location(output))


def _cross_entropy(logits: Tensor, labels: Tensor, valid: Tensor) -> Tensor:
    losses = functional.binary_cross_entropy_with_logits(logits, labels, reduction="none")
    return torch.where(valid, losses, 0.0)
