"""What a likelihood is: an observation model with learned noise, whose loss is a negative log-likelihood.

A likelihood reduces a batch to sums over its valid elements (``sums``), and turns the means of those sums, over all
ranks, into a negative log-likelihood (``nll``). Everything else (masks, starts, running means, checks) is here once.
"""

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from equipoise._execution import in_functorch, is_readable, is_recomputing
from equipoise._reduction import Sums, is_distributed, over_ranks
from equipoise.functional import at_least_single, linear_optimum, prior_nll
from equipoise.likelihoods._checks import check, listed
from equipoise.likelihoods._noise import own_noise
from equipoise.likelihoods._settings import NoiseOptions, NoiseSettings
from equipoise.likelihoods._spec import NoiseSpec
from equipoise.likelihoods._task_loss import TaskLoss, shared_out
from equipoise.likelihoods._watch import warn_of_refit


class Likelihood(nn.Module, ABC):
    r"""p(y | f, σ) with a learned log-variance s = log σ².

    Args:
        linear: (a, r, p) where nll = a·e^(−r·s)·L + p·s in the raw loss L; ``None`` for any other form.
        reference: log σ² of a σ that the noise's floor refers to; ``None``: that of the first batch.
        **noise: the settings of the noise, see ``NoiseSettings``.

    Raises:
        ValueError: an argument out of range; ``forward``: shapes that differ, a negative loss.
        FloatingPointError: ``forward``: a loss that is not finite. On a GPU nothing is read back while training: see
            ``MultiTaskLikelihood.check``.
    """

    loss_power: int = 0
    """The power of the target's unit that the raw loss has."""
    summed_rows: int = 1
    """How many sums ``sums`` gives for each noise channel."""

    def __init__(
        self,
        *,
        linear: tuple[float, float, float] | None = None,
        reference: float | None = None,
        **noise: Unpack[NoiseOptions],
    ) -> None:
        super().__init__()
        settings = NoiseSettings.read(type(self).__name__, noise)
        self.noise = own_noise(NoiseSpec(settings=settings, linear=linear, reference=reference))
        self.noise.bank.names = (type(self).__name__,)

    # What a likelihood defines.

    @abstractmethod
    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """Sums over the valid elements of this rank's batch; ``values[0]`` is that of the raw loss."""

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """Mean negative log-likelihood of each noise channel, from the means ``(k, *noise)`` of ``sums``.

        By default a·e^(−r·s)·L + p·s with the (a, r, p) of ``linear``.
        """
        coefficient, rate, penalty = self._linear()
        return coefficient * torch.exp(-rate * log_variance) * means[0] + penalty * log_variance

    def optimum(self, statistic: Tensor) -> Tensor:
        """The s that minimises ``nll`` for a mean ``statistic`` of each noise channel, the prior included."""
        sigma0, strength = self.noise.prior or (1.0, 0.0)
        return linear_optimum(statistic, *map(statistic.new_tensor, (*self._linear(), sigma0, strength)))

    def distribution(self, output: Tensor) -> Distribution:
        """The predictive distribution for these outputs, in the target's unit; by default there is none."""
        raise ValueError(
            f"{type(self).__name__}: expected a likelihood with a distribution (Gaussian, Laplace, …), found one "
            "without: it has no density, or defines none"
        )

    def _linear(self) -> tuple[float, float, float]:
        if self.noise.spec.linear is None:
            raise NotImplementedError(f"{type(self).__name__}: define nll and optimum, or pass linear=(a, r, p)")
        return self.noise.spec.linear

    def _raw_loss(self, means: Tensor) -> Tensor:
        """The raw loss of each noise channel, with its graph."""
        return means[0]

    def _total_raw_loss(self, means: Tensor, shares: Tensor | None, power: int) -> Tensor:
        """The raw loss over all channels, with its graph, in the target's unit to this power."""
        return shared_out(self.to_target_unit(self._raw_loss(means), power), shares)

    def _raw_weight(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss, where nll is linear in the raw loss."""
        if self.noise.spec.linear is None:
            return None
        coefficient, rate, _ = self.noise.spec.linear
        return coefficient * torch.exp(-rate * log_variance)

    def location(self, output: Tensor) -> Tensor:
        """The centre of the distribution, in the target's unit: logits for classes."""
        return output

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """Point predictions in the target's unit; for classes their indices, or their probabilities."""
        return self.location(output)

    def statistic(self, means: Tensor) -> Tensor:
        """What ``optimum`` takes, from the means of ``sums``."""
        return means[0]

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """A dimensionless number that goes with the target's unit to this power, in that unit."""
        return value

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
            return self._weight_at(self.log_variance.detach())

    @property
    def _may_change_state(self) -> bool:
        """Whether a forward pass may change state: in training, and neither in a transform nor run a second time."""
        return self.training and not self._is_asked and not in_functorch() and not is_recomputing()

    _is_asked = False

    @contextmanager
    def _frozen(self) -> Iterator[None]:
        """Sums within change nothing: they answer a question, and are no training."""
        before, self._is_asked = self._is_asked, True
        try:
            with torch.no_grad():
                yield
        finally:
            self._is_asked = before

    @property
    def _is_pending(self) -> bool:
        """Whether the next training batch may set a start or a unit."""
        return self.noise.waits_for_start and not bool(self.noise.is_started().all())

    def forward(
        self, output: Tensor, target: Tensor | None, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> TaskLoss:
        """The task's term for a batch.

        Args:
            output: what the network gives.
            target: what was observed; NaN (regressions), −100 or ``ignore_index`` (classes) is no label; ``None``: no
                labels in this batch.
            mask: boolean, broadcastable to the target, True = valid.
            weights: how much each element counts, 0 or more: of the target's shape, broadcastable to it with as many
                axes, or ``(N,)``, one a sample. Means are weighted ones; a weight of 0 is no label.
        """
        if mask is None and weights is None and target is not None:
            quick = self._quick_loss(output, target)
            if quick is not None:
                return quick
        where = type(self).__name__
        sums = self._empty_sums(output) if target is None else self.sums(output, target, mask, weights, where=where)
        return terms([self], [sums], [where])[0]

    def _quick_loss(self, output: Tensor, target: Tensor) -> TaskLoss | None:
        """The term in a few operations, where that is the usual case on a CPU; ``None``: take the general way."""
        return None

    def _empty_sums(self, output: Tensor | None) -> Sums:
        """The sums of a batch without labels.

        Among ranks they take part in whatever the other ranks add up, and have a graph to the output, where there is
        one, since DistributedDataParallel waits for its gradient.
        """
        if not is_distributed():
            like = self.noise.bank.low if output is None else output
            shape, dtype = self.noise.settings.shape, self._dtype(like)
            values = at_least_single(like.new_zeros((self.summed_rows, *shape), dtype=dtype))
            return Sums(values, torch.zeros(shape, dtype=torch.int64, device=like.device))
        blank, target = self._unlabelled_sample()
        sums = self.sums(blank, target, where=type(self).__name__)
        if output is None or not output.requires_grad:
            return sums
        return dataclasses.replace(sums, values=sums.values + nothing_of(output).to(sums.values.dtype))

    def _unlabelled_sample(self) -> tuple[Tensor, Tensor]:
        """An output and a target of one sample without a label."""
        output = self.noise.bank.low.new_zeros((1, *self.noise.settings.shape))
        return output, torch.full_like(output, torch.nan)

    def _dtype(self, like: Tensor) -> torch.dtype:
        return like.dtype if like.is_floating_point() else self.noise.bank.low.dtype

    def optimal_log_variance(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> Tensor:
        """The s that is best for this rank's outputs, in closed form; the present one where there is no information."""
        with self._frozen():
            return self._best(self.sums(output, target, mask, weights, where=type(self).__name__))[0]

    def _best(self, sums: Sums) -> tuple[Tensor, Tensor]:
        """The best s, and whether the sums have any information; else the present s."""
        statistic = self.statistic(sums.means)
        known = (sums.count > 0) & torch.isfinite(statistic) & (statistic > 0)
        best = self.optimum(torch.where(known, statistic, 1.0))
        return torch.where(known, best, self.log_variance.to(best.dtype)), known

    def refit(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> None:
        """Set the noise to what is best for held-out data, all ranks' together: every rank must call it.

        Without information (no label, a loss of zero, entries that are not finite) it stays as it was.
        """
        with self._frozen():
            (sums,) = over_ranks([self.sums(output, target, mask, weights, where=type(self).__name__)])
            self._set_refit(*self._best(sums))

    def _set_refit(self, best: Tensor, known: Tensor) -> None:
        """Take what a refit found, and say where it found nothing or met a bound."""
        name = self.noise.bank.of_entry(self.noise.span.start)[1]
        warn_of_refit(name, best, known, self.noise.settings.bounds)
        self.noise.set_log_variance(best, known)

    def _task_loss(self, sums: Sums, normalizer: Tensor | float | None, *, is_empty: bool | None) -> TaskLoss:
        """The term that follows from sums over all ranks.

        Args:
            sums: over all ranks.
            normalizer: what to divide by, in place of the count.
            is_empty: whether no element is valid, where that is known.
        """
        means, mass = sums.means, sums.mass
        s = self._noise_for(means.detach(), sums.count)
        # Without labels no gradient reaches s; among ranks a zero one, which DistributedDataParallel waits for.
        s = at_least_single(s.detach() if is_empty and not is_distributed() else s)
        nll = self.nll(means, s)
        if self.noise.prior is not None:
            nll = nll + self._prior_nll(s)
        divisor = mass.sum() if normalizer is None else normalizer
        shares: Tensor | None = mass / torch.as_tensor(divisor, dtype=mass.dtype, device=mass.device).clamp_min(1e-30)
        if mass.dim() == 0 and normalizer is None and is_empty is False:
            shares = None
        return TaskLoss(
            nll=shared_out(nll, shares),
            count=sums.count if sums.count.dim() == 0 else sums.count.sum(),
            _likelihood=self,
            _means=means,
            _mass=mass,
            _shares=shares,
            # The optimizer will change s in its place.
            _log_variance=s.detach().clone(),
        )

    def _noise_for(self, means: Tensor, count: Tensor) -> Tensor:
        shape = self.noise.settings.shape
        s = self.noise.bank.for_batch(
            self.noise.span,
            self.statistic(means).reshape(-1),
            count.reshape(-1),
            lambda statistic: self.optimum(statistic.reshape(shape)).reshape(-1),
            training=self.training,
            deferred=self._is_deferred,
        )
        return s.reshape(shape)

    _is_deferred: bool = False
    """Whether a closed form takes effect one batch later, because the sums are those of the present s."""

    def _loss_value(self, means: Tensor, mass: Tensor) -> Tensor:
        """The raw loss over all channels in the target's unit; NaN (0/0) where there is no valid element."""
        return (self.to_target_unit(means[0], self.loss_power) * mass).sum() / mass.sum()

    def _prior_nll(self, log_variance: Tensor) -> Tensor:
        """What the prior adds to the nll of each noise channel."""
        assert self.noise.prior is not None
        return prior_nll(log_variance, *self.noise.prior)

    def _weight_at(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss in the target's unit, at a log-variance."""
        weight = self._raw_weight(log_variance)
        return None if weight is None else self.to_target_unit(weight, -self.loss_power)

    def extra_repr(self) -> str:
        """The present s."""
        return f"log_variance={self.log_variance.detach().cpu().tolist()}"


def nothing_of(output: Tensor) -> Tensor:
    """Zero, with a graph to an output, whatever its values."""
    return torch.where(torch.zeros_like(output, dtype=torch.bool), output, 0.0).sum()


def terms(
    likelihoods: Sequence[Likelihood],
    sums: Sequence[Sums],
    names: Sequence[str],
    normalizers: Sequence[Tensor | float | None] | None = None,
) -> list[TaskLoss]:
    """The terms of several likelihoods for one batch: one reduction over the ranks, one look at the numbers."""
    total = reduced(likelihoods, sums)
    empty = check(total, names)
    found = [
        likelihood._task_loss(s, n, is_empty=e)
        for likelihood, s, n, e in zip(likelihoods, total, normalizers or [None] * len(total), empty, strict=True)
    ]
    for likelihood, term in zip(likelihoods, found, strict=True):
        look(likelihood, term)
    return found


def reduced(likelihoods: Sequence[Likelihood], sums: Sequence[Sums]) -> list[Sums]:
    """The sums over all ranks, in training; what they show of the targets goes to the units."""
    training = any(likelihood._may_change_state for likelihood in likelihoods)
    total = over_ranks(sums) if training else list(sums)
    for likelihood, s in zip(likelihoods, total, strict=True):
        unit: Any = getattr(likelihood, "unit", None)
        if unit is None or not likelihood._may_change_state or (is_readable(s.count) and not bool(s.count.any())):
            continue
        if s.rows is not None:
            unit.look(s.rows if s.rows.dim() == 3 else s.rows[None])
        unit.advance()
    return total


def look(likelihood: Likelihood, term: TaskLoss) -> None:
    """Warn of bounds and of σ that lags, where looking costs nothing."""
    bank, s = likelihood.noise.bank, term._log_variance
    if not likelihood.training or not is_readable(s):
        return
    if likelihood.noise.bank.specs == (likelihood.noise.spec,):
        bank.warn_at_bounds(listed(bank.values()))
        bank.look_for_lag()
