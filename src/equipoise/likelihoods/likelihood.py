"""The base class of all likelihoods: an observation model whose loss is a negative log-likelihood with learned noise.

A likelihood reduces a batch to sums over its valid elements (``sums``), and turns the means of those sums, over all
ranks, into a negative log-likelihood (``nll``). Masks, starts, running means and checks are handled here.
"""

import dataclasses
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Unpack

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from equipoise._execution import in_functorch, is_readable, is_recomputing
from equipoise._reduction import Sums, is_distributed, over_ranks
from equipoise.functional import at_least_single, linear_optimum, prior_nll
from equipoise.likelihoods._checks import check
from equipoise.likelihoods._noise import own_noise
from equipoise.likelihoods._settings import NoiseOptions, NoiseSettings
from equipoise.likelihoods._spec import NoiseSpec
from equipoise.likelihoods._task_loss import TaskLoss, mean_over_channels


class Likelihood(nn.Module, ABC):
    r"""p(y | f, σ) with a learned log-variance s = log σ². A subclass defines the four abstract methods.

    Args:
        linear: (a, r, p) where nll = a·e^(−r·s)·L + p·s in the raw loss L, r = 1 or ½; ``None`` for any other form.
        reference: log σ² of the σ that the noise's floor refers to; ``None``: that of the first batch.
        **noise: how s starts, moves and is kept within bounds, see ``NoiseSettings``.

    Raises:
        TypeError: an unknown argument; ``forward``: a mask that is not boolean.
        ValueError: an argument out of range; ``forward``: shapes that differ, a negative loss.
        FloatingPointError: ``forward``: a loss that is not finite. On a GPU nothing is read back while training: see
            ``MultiTaskLikelihood.check``.
    """

    loss_power: int = 0
    """The raw loss has the target's unit to this power."""
    summed_rows: int = 1
    """How many sums ``sums`` returns per noise channel."""
    _is_deferred: bool = False
    """Whether a closed form takes effect one batch later, because the sums depend on the present s."""
    _is_asked: bool = False

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

    # What a subclass defines.

    @abstractmethod
    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """Sums over the valid elements of this rank's batch; ``values[0]`` is the sum of the raw loss.

        Args:
            output: what the network gives.
            target: what was observed.
            mask: see ``forward``.
            weights: see ``forward``.
            where: the name of the task or class, for error messages.
        """

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """Mean negative log-likelihood of each noise channel; by default a·e^(−r·s)·L + p·s, as ``linear`` says.

        Args:
            means: ``(summed_rows, *noise)``, the means of ``sums``.
            log_variance: s, of shape ``noise``: ``()``, or ``(channels,)``.
        """
        coefficient, rate, penalty = self._linear()
        return coefficient * torch.exp(-rate * log_variance) * means[0] + penalty * log_variance

    def optimum(self, statistic: Tensor) -> Tensor:
        """The s that minimises ``nll``, prior included, for a mean ``statistic`` of each noise channel."""
        sigma0, strength = self.noise.prior or (1.0, 0.0)
        return linear_optimum(statistic, *map(statistic.new_tensor, (*self._linear(), sigma0, strength)))

    def distribution(self, output: Tensor) -> Distribution:
        """The predictive distribution for these outputs, in the target's unit; raises ``ValueError`` by default."""
        raise ValueError(
            f"{type(self).__name__}: expected a likelihood with a distribution (Gaussian, Laplace, …), found one "
            "that defines none"
        )

    # What a subclass may define.

    def statistic(self, means: Tensor) -> Tensor:
        """What ``optimum`` takes, from the means of ``sums``; by default the raw loss."""
        return means[0]

    def location(self, output: Tensor) -> Tensor:
        """The centre of the distribution, in the target's unit; for classes the logits."""
        return output

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """Point predictions in the target's unit; for classes their indices, or on request their probabilities."""
        return self.location(output)

    def broadcastable(self, per_channel: Tensor, dim: int) -> Tensor:
        """One number per noise channel in a shape that broadcasts over outputs of ``dim`` axes."""
        return per_channel

    # What all likelihoods share.

    @property
    def log_variance(self) -> Tensor:
        """``s = log σ²``, a scalar or ``(channels,)``; dimensionless where the likelihood owns its target's unit."""
        return self.noise.log_variance

    @property
    def sigma(self) -> Tensor:
        """σ = e^(s/2) in the target's unit, detached."""
        return self._to_target_unit(torch.exp(0.5 * self.log_variance.detach()), 1)

    @property
    def weight(self) -> Tensor | None:
        """∂nll/∂loss at the present s, detached; ``None`` where nll is not linear in the raw loss."""
        with torch.no_grad():
            return self._weight_at(self.log_variance.detach())

    def forward(
        self, output: Tensor, target: Tensor | None, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> TaskLoss:
        """The task's loss for a batch.

        Args:
            output: what the network gives.
            target: what was observed; NaN (regressions), −100 or ``ignore_index`` (classes) mean no label; ``None``: no
                labels in this batch.
            mask: boolean, broadcastable to the target, True = valid.
            weights: how much each element counts, 0 or more: of the target's shape, broadcastable to it with as many
                axes, or ``(N,)``, one per sample. Means become weighted means; a weight of 0 means no label.
        """
        if mask is None and weights is None and target is not None:
            quick = self._quick_loss(output, target)
            if quick is not None:
                return quick
        where = type(self).__name__
        sums = self._no_sums(output) if target is None else self.sums(output, target, mask, weights, where=where)
        (total,) = reduced([self], [sums])
        (is_empty,) = check([total], [where])
        loss = self._task_loss(total, None, is_empty=is_empty)
        if len(self.noise.bank.specs) == 1:
            self.noise.bank.watch(self.training)
        return loss

    def optimal_log_variance(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> Tensor:
        """The best s for these outputs, on this rank, in closed form; the present s where there is no information."""
        with self._asking():
            return self._best(self.sums(output, target, mask, weights, where=type(self).__name__))[0]

    def refit(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> None:
        """Set the noise to its best value for held-out data of all ranks; every rank must call it.

        Without information (no label, a loss of zero, entries that are not finite) it keeps its value.
        """
        with self._asking():
            (sums,) = over_ranks([self.sums(output, target, mask, weights, where=type(self).__name__)])
            self._set_refitted(*self._best(sums))

    def extra_repr(self) -> str:
        """The present s."""
        return f"log_variance={self.log_variance.detach().cpu().tolist()}"

    # Internal.

    def _linear(self) -> tuple[float, float, float]:
        if self.noise.spec.linear is None:
            raise NotImplementedError(f"{type(self).__name__}: define nll and optimum, or pass linear=(a, r, p)")
        return self.noise.spec.linear

    @property
    def _is_moving(self) -> bool:
        """Whether a forward pass may change state: in training, but not in a transform or a second pass."""
        return self.training and not self._is_asked and not in_functorch() and not is_recomputing()

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """A context in which computing sums changes no state."""
        before, self._is_asked = self._is_asked, True
        try:
            with torch.no_grad():
                yield
        finally:
            self._is_asked = before

    @property
    def _waits(self) -> bool:
        """Whether the next training batch may set a start or a unit."""
        return self.noise.waits_for_start and not bool(self.noise.is_started().all())

    def _quick_loss(self, output: Tensor, target: Tensor) -> TaskLoss | None:
        """The loss in a few operations, in the usual case on a CPU; ``None``: take the general path."""
        return None

    def _batch_passed(self, rows: Tensor | None = None) -> None:
        """Called after a training batch; ``rows`` are the statistics of its targets, where they were collected."""

    def _raw_losses(self, means: Tensor, power: int) -> Tensor:
        """The raw loss of each noise channel, with its graph, in the target's unit to this power."""
        return self._to_target_unit(means[0], power)

    def _to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Convert a dimensionless number that has the target's unit to this power into that unit."""
        return value

    def _raw_weight(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss in the network's numbers, where nll is linear in the raw loss."""
        if (linear := self.noise.spec.linear) is None:
            return None
        coefficient, rate, _ = linear
        return coefficient * torch.exp(-rate * log_variance)

    def _weight_at(self, log_variance: Tensor) -> Tensor | None:
        """∂nll/∂loss in the target's unit."""
        weight = self._raw_weight(log_variance)
        return None if weight is None else self._to_target_unit(weight, -self.loss_power)

    def _no_sums(self, output: Tensor | None) -> Sums:
        """The sums of a batch without labels.

        With several ranks they take part in the reductions of the other ranks, and have a graph to the output, where
        there is one, because DistributedDataParallel waits for its gradient.
        """
        if not is_distributed():
            like = self.noise.bank.low if output is None else output
            shape, dtype = self.noise.settings.shape, self._dtype(like)
            values = at_least_single(like.new_zeros((self.summed_rows, *shape), dtype=dtype))
            return Sums(values, torch.zeros(shape, dtype=torch.int64, device=like.device))
        blank, target = self._blank()
        sums = self.sums(blank, target, where=type(self).__name__)
        if output is None or not output.requires_grad:
            return sums
        return dataclasses.replace(sums, values=sums.values + zero_of(output).to(sums.values.dtype))

    def _blank(self) -> tuple[Tensor, Tensor]:
        """An output and a target of one sample without a label."""
        output = self.noise.bank.low.new_zeros((1, *self.noise.settings.shape))
        return output, torch.full_like(output, torch.nan)

    def _dtype(self, like: Tensor) -> torch.dtype:
        return like.dtype if like.is_floating_point() else self.noise.bank.low.dtype

    def _best(self, sums: Sums) -> tuple[Tensor, Tensor]:
        """The best s, and whether the sums determine it; the present s where they do not."""
        statistic = self.statistic(sums.means)
        known = (sums.count > 0) & torch.isfinite(statistic) & (statistic > 0)
        best = self.optimum(torch.where(known, statistic, 1.0))
        return torch.where(known, best, self.log_variance.to(best.dtype)), known

    def _set_refitted(self, best: Tensor, known: Tensor) -> None:
        """Take the result of a refit; warn where it found nothing or reached a bound."""
        name = self.noise.bank.of_entry(self.noise.span.start)[1]
        warn_of_refit(name, best, known, self.noise.settings.bounds)
        self.noise.set_log_variance(best, known)

    def _task_loss(self, sums: Sums, normalizer: Tensor | float | None, *, is_empty: bool | None) -> TaskLoss:
        """The task's loss from sums over all ranks.

        Args:
            sums: over all ranks.
            normalizer: the divisor of the sums, in place of the count.
            is_empty: whether no element is valid; ``None``: unknown without reading back.
        """
        means, mass = sums.means, sums.mass
        s = self._noise_for(means.detach(), sums.count)
        # Without labels s gets no gradient; with several ranks a zero one, which DistributedDataParallel waits for.
        s = at_least_single(s.detach() if is_empty and not is_distributed() else s)
        nll = self.nll(means, s)
        if self.noise.prior is not None:
            prior = prior_nll(s, *self.noise.prior)
            nll = nll + (prior.mean() if nll.dim() == 0 else prior)
        divisor = mass.sum() if normalizer is None else normalizer
        shares: Tensor | None = mass / torch.as_tensor(divisor, dtype=mass.dtype, device=mass.device).clamp_min(1e-30)
        if mass.dim() == 0 and normalizer is None and is_empty is False:
            shares = None
        return TaskLoss(
            nll=mean_over_channels(nll, shares),
            count=sums.count if sums.count.dim() == 0 else sums.count.sum(),
            _likelihood=self,
            _means=means,
            _mass=mass,
            _shares=shares,
            # A copy, since the optimizer changes s in place.
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


def reduced(likelihoods: Sequence[Likelihood], sums: Sequence[Sums]) -> list[Sums]:
    """In training the sums over all ranks, by one reduction; each likelihood is notified of the batch."""
    total = over_ranks(sums) if any(likelihood._is_moving for likelihood in likelihoods) else list(sums)
    for likelihood, s in zip(likelihoods, total, strict=True):
        if likelihood._is_moving and not (is_readable(s.count) and not bool(s.count.any())):
            likelihood._batch_passed(s.rows)
    return total


def zero_of(output: Tensor) -> Tensor:
    """Zero with a graph to an output, whatever its values."""
    return torch.where(torch.zeros_like(output, dtype=torch.bool), output, 0.0).sum()


def warn_of_refit(name: str, best: Tensor, known: Tensor, bounds: tuple[float, float]) -> None:
    """Warn where held-out data do not determine the noise, or its best value lies outside the bounds."""
    if not bool(known.all()):
        warnings.warn(
            f"{name}: refit: these data do not determine the noise (no label, a loss of zero, too few rows, or entries "
            "that are not finite), so it stays as it was",
            stacklevel=4,
        )
    if bool((known & ((best <= bounds[0]) | (best >= bounds[1]))).any()):
        warnings.warn(
            f"{name}: refit: the best value reaches its bounds [{bounds[0]:g}, {bounds[1]:g}], so these data do not "
            "determine it: check whether the outputs are perfect on them, or useless",
            stacklevel=4,
        )
