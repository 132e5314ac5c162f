"""What a likelihood is: an observation model with learned noise, whose loss is a negative log-likelihood.

A likelihood reduces a batch to sums over its valid elements (``sums``), and turns the means of those sums, over all
ranks, into a negative log-likelihood (``nll``). Everything else — masks, starts, running means, checks — is here once.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from equipoise.functional import at_least_single, prior_nll
from equipoise.likelihoods.checks import Seen, check
from equipoise.likelihoods.noise import Init, Noise, Update
from equipoise.ownership import expect_in_an_optimizer
from equipoise.reduction import Sums, is_distributed, over_ranks


@dataclass(frozen=True, kw_only=True, eq=False)
class Term:
    """One task's part of the joint loss, for one batch. What is only looked at is computed when it is.

    Attributes:
        nll: mean negative log-likelihood of the valid elements, constants dropped; 0 where there is none.
        count: how many elements were valid, over all ranks.
    """

    nll: Tensor
    count: Tensor
    _likelihood: "Likelihood"
    _means: Tensor
    _counts: Tensor
    _shares: Tensor | None
    _log_variance: Tensor

    @cached_property
    def loss(self) -> Tensor:
        """The raw loss in the target's unit, detached: mean squared error, absolute error or cross entropy.

        NaN where there is no valid element.
        """
        with torch.no_grad():
            return self._likelihood.loss_value(self._means.detach(), self._counts)

    @cached_property
    def weight(self) -> Tensor | None:
        """∂nll/∂loss, detached, a vector where the noise has channels; ``None`` where nll is not linear in loss."""
        with torch.no_grad():
            return self._likelihood.weight_at(self._log_variance)

    @cached_property
    def sigma(self) -> Tensor:
        """σ in the target's unit, detached."""
        with torch.no_grad():
            return self._likelihood.to_target_unit(torch.exp(0.5 * self._log_variance), 1)

    @cached_property
    def objective(self) -> Tensor:
        """The raw loss with its graph, in the network's numbers: what methods that set the weights themselves work on.

        0 where there is no valid element.
        """
        return _shared_out(self._likelihood.objective(self._means), self._shares)


def _shared_out(per_channel: Tensor, shares: Tensor | None) -> Tensor:
    """The mean over channels, by their shares of the elements; ``None``: one channel, which has all."""
    return per_channel if shares is None else (per_channel * shares).sum()


class Likelihood(nn.Module, ABC):
    r"""p(y | f, σ) with a learned log-variance s = log σ².

    Args:
        channels: one s for each channel (axis 1 of outputs, unless the class says otherwise); ``None``: one s.
        init: the first s, or ``"first_batch"``: the optimum for the first batch with a valid element.
        update: ``"gradient"`` (the paper) or ``"closed_form"``: s follows the optimum for a running mean of the loss.
        momentum: of that running mean.
        bounds: s is kept within them; reaching one warns.
        prior: (σ₀, strength): adds strength·(½·s + ½·σ₀²·e^(−s)).

    Raises:
        ValueError: an argument out of range; ``forward``: shapes that differ, a negative loss.
        FloatingPointError: ``forward``: a loss that is not finite. On a GPU nothing is read back while training: see
            ``MultiTaskLikelihood.check``.
    """

    def __init__(
        self,
        *,
        channels: int | None = None,
        init: Init = 0.0,
        update: Update = "gradient",
        momentum: float = 0.99,
        bounds: tuple[float, float] = (-40.0, 40.0),
        prior: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        self.noise = Noise(channels=channels, init=init, update=update, momentum=momentum, bounds=bounds, prior=prior)

    # What a likelihood defines.

    @abstractmethod
    def sums(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Sums:
        """Sums over the valid elements of this rank's batch; ``values[0]`` is that of the raw loss."""

    @abstractmethod
    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """Mean negative log-likelihood of each noise channel, from the means ``(k, *noise)`` of ``sums``."""

    @abstractmethod
    def optimum(self, statistic: Tensor) -> Tensor:
        """The s that minimises ``nll`` for a mean ``statistic`` of each noise channel, the prior included."""

    @abstractmethod
    def distribution(self, output: Tensor) -> Distribution:
        """The predictive distribution for these outputs, in the target's unit."""

    def objective(self, means: Tensor) -> Tensor:
        """The raw loss of each noise channel, with its graph."""
        return means[0]

    def raw_weight(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss, where nll is linear in the raw loss."""
        return None

    def location(self, output: Tensor) -> Tensor:
        """The centre of the distribution, in the target's unit: logits for classes."""
        return output

    def statistic(self, means: Tensor) -> Tensor:
        """What ``optimum`` takes, from the means of ``sums``."""
        return means[0]

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """A dimensionless number that goes with the target's unit to this power, in that unit."""
        return value

    loss_power: int = 0
    """The power of the target's unit that the raw loss has."""

    # What all of them share.

    @property
    def log_variance(self) -> Tensor:
        """S = log σ², dimensionless where the likelihood owns its target's unit."""
        return self.noise.log_variance

    @property
    def sigma(self) -> Tensor:
        """σ = e^(s/2) in the target's unit, detached."""
        return self.to_target_unit(torch.exp(0.5 * self.log_variance.detach()), 1)

    @property
    def weight(self) -> Tensor | None:
        """∂nll/∂loss at the current s, detached; ``None`` where nll is not linear in the raw loss."""
        with torch.no_grad():
            return self.weight_at(self.log_variance.detach())

    def forward(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Term:
        """The task's term for a batch.

        Args:
            output: what the network gives.
            target: what was observed; NaN (regressions) or ``ignore_index`` (classes) is no label.
            mask: boolean, broadcastable to the target, True = valid.
        """
        where = type(self).__name__
        return terms([self], [self.sums(output, target, mask, where)], [where])[0]

    @torch.no_grad()
    def optimal_log_variance(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """The s that is best for these outputs, in closed form; the present one where no element is valid."""
        sums = self.sums(output, target, mask, type(self).__name__)
        means = sums.values / sums.count.clamp_min(1)
        best = self.optimum(torch.where(sums.count > 0, self.statistic(means), 1.0))
        return torch.where(sums.count > 0, best, self.log_variance.to(best.dtype))

    @torch.no_grad()
    def refit(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Set the noise to what is best for held-out data."""
        self.noise.set_log_variance(self.optimal_log_variance(output, target, mask))

    def term(self, sums: Sums, normalizer: Tensor | float | None, state: Seen) -> Term:
        """The term that follows from sums over all ranks; ``normalizer``: what to divide by, in place of the count."""
        count = sums.count.to(sums.values.dtype)
        plain = normalizer is None and count.dim() == 0 and state.empty is False
        means = sums.values / (count if plain else count.clamp_min(1.0))
        s = self.noise.for_batch(self.statistic(means.detach()), sums.count, self.optimum, in_bounds=state.in_bounds)
        s = at_least_single(s.detach() if state.empty and not is_distributed() else s)
        nll = self.nll(means, s)
        if self.noise.prior is not None:
            nll = nll + self.prior_nll(s)
        shares = None
        if not plain:
            divisor = count.sum() if normalizer is None else normalizer
            shares = count / torch.as_tensor(divisor, dtype=count.dtype, device=count.device).clamp_min(1.0)
        return Term(
            nll=_shared_out(nll, shares),
            count=sums.count if sums.count.dim() == 0 else sums.count.sum(),
            _likelihood=self,
            _means=means,
            _counts=count,
            _shares=shares,
            # The optimizer will change s in its place.
            _log_variance=s.detach().clone(),
        )

    def loss_value(self, means: Tensor, count: Tensor) -> Tensor:
        """The raw loss over all channels in the target's unit; NaN (0/0) where there is no valid element."""
        return (self.to_target_unit(means[0], self.loss_power) * count).sum() / count.sum()

    def prior_nll(self, log_variance: Tensor) -> Tensor:
        """What the prior adds to the nll of each noise channel."""
        assert self.noise.prior is not None
        return prior_nll(log_variance, *self.noise.prior)

    def weight_at(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss in the target's unit, at a log-variance."""
        weight = self.raw_weight(log_variance)
        return None if weight is None else self.to_target_unit(weight, -self.loss_power)

    def extra_repr(self) -> str:
        """The present s."""
        return f"log_variance={self.log_variance.detach().cpu().tolist()}"


def terms(
    likelihoods: Sequence[Likelihood],
    sums: Sequence[Sums],
    names: Sequence[str],
    normalizers: Sequence[Tensor | float | None] | None = None,
) -> list[Term]:
    """The terms of several likelihoods for one batch: one reduction over the ranks, one look at the numbers."""
    training = any(likelihood.training for likelihood in likelihoods)
    total = over_ranks(sums) if training else list(sums)
    states = check(likelihoods, total, names)
    if training:
        for likelihood, name in zip(likelihoods, names, strict=True):
            expect_in_an_optimizer(likelihood.log_variance, name)
    return [
        likelihood.term(s, n, state)
        for likelihood, s, n, state in zip(likelihoods, total, normalizers or [None] * len(total), states, strict=True)
    ]
