"""The base class of all likelihoods: an observation model whose loss is a negative log-likelihood with learned noise.

A likelihood reduces a batch to sums over its valid elements (``sums``), and turns the means of those sums, over all
ranks, into a negative log-likelihood (``nll``). Its formulas are in ``_model.py``. This file is about batches: missing
labels, starts, running means, several ranks and checks.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from equipoise._execution import in_functorch, is_readable, is_recomputing
from equipoise._reduction import Sums, is_distributed, over_ranks
from equipoise.functional import at_least_single
from equipoise.likelihoods._checks import check
from equipoise.likelihoods._model import ObservationModel
from equipoise.likelihoods._task_loss import TaskLoss, mean_over_channels
from equipoise.likelihoods._watch import warn_of_refit


class Likelihood(ObservationModel):
    r"""p(y | f, σ) with a learned log-variance s = log σ². The base class of all likelihoods.

    A subclass defines ``sums``. It passes ``linear``, or defines ``nll`` and ``optimum`` as well; ``distribution`` and
    the other methods have defaults. ``Regression`` and ``Elementwise`` are base classes that do more.

    Args:
        linear: (a, r, p) where nll = a·e^(−r·s)·L + p·s in the mean raw loss L, with r = 1 or ½; ``None``: any other
            form.
        reference: log σ² of the σ that the noise's floor refers to; ``None``: the σ that fits the first batch.
        **noise: how s starts, moves and is kept within bounds; see ``NoiseSettings``.

    Attributes:
        loss_power: the raw loss has the target's unit to this power (class attribute).
        summed_rows: how many sums ``sums`` returns for each noise channel (class attribute).

    Raises:
        TypeError: an unknown argument; in ``forward``, a mask that is not boolean.
        ValueError: an argument out of range; in ``forward``, shapes that do not fit or a negative loss.
        FloatingPointError: in ``forward``, a loss that is not finite. On a GPU nothing is read back while training, so
            ``MultiTaskLikelihood.check`` raises these errors instead.

    >>> import equipoise as eq
    >>> class AbsoluteError(Likelihood):
    ...     def __init__(self):
    ...         super().__init__(linear=(1.0, 1.0, 1.0))
    ...     def sums(self, output, target, mask=None, weights=None, *, where):
    ...         return eq.Sums((output - target).abs().sum()[None], torch.tensor(target.numel()))
    >>> AbsoluteError()(torch.tensor([2.0, 5.0]), torch.tensor([1.0, 2.0]))
    TaskLoss(loss=2, nll=2, weight=1, sigma=1, count=2)
    """

    def forward(
        self, output: Tensor, target: Tensor | None, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> TaskLoss:
        """The task's loss for a batch.

        Args:
            output: the network's output, floating point; half precision is summed in float32.
            target: what was observed. NaN (in regressions) and −100 or ``ignore_index`` (in classes) mean "no label";
                ``None``: the batch has no labels.
            mask: boolean, broadcastable to the target, True = valid.
            weights: how much each element counts, 0 or more: in the target's shape, broadcastable to it with as many
                axes, or ``(N,)``, one per sample. Means become weighted means; a weight of 0 means "no label".
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
        """The s that minimises this rank's nll for these outputs; the present s where they do not determine it.

        Changes no state. Arguments: see ``forward``.
        """
        with self._asking():
            return self._fit(output, target, mask, weights, all_ranks=False)[0]

    def refit(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> None:
        """Set the noise to its best value for held-out data, those of all ranks together; every rank must call it.

        The noise stays as it was, with a warning, where the data do not determine it: no label, a loss of zero, or
        entries that are not finite. Arguments: see ``forward``.
        """
        with self._asking():
            best, known = self._fit(output, target, mask, weights, all_ranks=True)
            name = self.noise.bank.of_entry(self.noise.span.start)[1]
            warn_of_refit(name, best, known, self.noise.settings.bounds)
            self.noise.set_log_variance(best, known)

    # What some likelihoods replace.

    _is_deferred: bool = False
    """Whether a closed form takes effect one batch later, because the sums depend on the present s."""

    def _quick_loss(self, output: Tensor, target: Tensor) -> TaskLoss | None:
        """The loss in a few operations, in the usual case on a CPU; ``None``: take the general path."""
        return None

    def _batch_passed(self, rows: Tensor | None = None) -> None:
        """Called after a training batch; ``rows`` are the statistics of its targets, where they were collected."""

    def _blank(self) -> tuple[Tensor, Tensor] | None:
        """An output and a target without a label; ``None`` where ``sums`` takes part in no reduction over ranks."""
        output = self.noise.bank.low.new_zeros((1, *self.noise.settings.shape))
        return output, torch.full_like(output, torch.nan)

    @property
    def _sums_shape(self) -> tuple[int, ...]:
        """The shape of the values of ``sums``; without its first axis, that of the counts."""
        return self.summed_rows, *self.noise.settings.shape

    @property
    def _waits(self) -> bool:
        """Whether the next training batch may set a start or a unit."""
        return self.noise.waits_for_start and not bool(self.noise.is_started().all())

    def _fit(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, *, all_ranks: bool
    ) -> tuple[Tensor, Tensor]:
        """The best s, and where the data determine it; elsewhere the present s."""
        sums = self.sums(output, target, mask, weights, where=type(self).__name__)
        sums = over_ranks([sums])[0] if all_ranks else sums
        statistic = self.statistic(sums.means)
        known = (sums.count > 0) & torch.isfinite(statistic) & (statistic > 0)
        best = self.optimum(torch.where(known, statistic, 1.0))
        return torch.where(known, best, self.log_variance.to(best.dtype)), known

    # What all likelihoods share.

    _is_asked: bool = False

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

    def _no_sums(self, output: Tensor | None) -> Sums:
        """The sums of a batch without labels.

        With several ranks they take part in the reductions of the other ranks, and have a graph to the output, where
        there is one, because DistributedDataParallel waits for its gradient.
        """
        blank = self._blank() if is_distributed() else None
        if blank is None:
            like = self.noise.bank.low if output is None or not output.is_floating_point() else output
            values = at_least_single(like.new_zeros(self._sums_shape))
            sums = Sums(values, torch.zeros(self._sums_shape[1:], dtype=torch.int64, device=values.device))
        else:
            sums = self.sums(*blank, where=type(self).__name__)
        if output is None or not output.requires_grad or not is_distributed():
            return sums
        # Zero, with a graph to the output whatever its values are.
        zero = torch.where(torch.zeros_like(output, dtype=torch.bool), output, 0.0).sum()
        return dataclasses.replace(sums, values=sums.values + zero.to(sums.values.dtype))

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
        nll = self._nll(means, s)
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
            _noise=s,
        )

    def _standardized_loss(self, sums: Sums) -> Tensor:
        """The mean raw loss in the network's own numbers from sums over all ranks, a scalar."""
        mass = sums.mass
        return mean_over_channels(self._raw_losses(sums.means, 0), mass / mass.sum().clamp_min(1e-30))

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
