"""Weights, by the same learned noise, for losses that are scalars already."""

from collections.abc import Mapping
from typing import Any, Literal, Unpack

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from equipoise._damping import check_damping, damped_total, damping_factors
from equipoise._execution import is_readable
from equipoise._joint import JointLoss
from equipoise._reduction import Sums
from equipoise._tasks import Counts, Tasks
from equipoise.functional import at_least_single
from equipoise.likelihoods._settings import NoiseOptions, NoiseSettings
from equipoise.likelihoods.gibbs import Gibbs
from equipoise.likelihoods.laplace import Laplace
from equipoise.likelihoods.likelihood import Likelihood

Kind = str | tuple[float, float]
KINDS: dict[str, tuple[float, float | Literal["log1p"]]] = {
    "l2": (0.5, 0.5),
    "l1-paper": (0.5, 0.5),
    "classification": (1.0, 0.5),
    "posenet": (1.0, 1.0),
    "liebel": (0.5, "log1p"),
}
"""(coefficient, penalty) of coefficient·e^(−s)·L + penalty·s; ``l1`` is the exact Laplace form instead."""


class UncertaintyWeighting(Tasks):
    r"""Weights for losses that are scalars already: the sum over tasks of coefficient·e^(−s)·L + penalty·s.

    ``MultiTaskLikelihood`` does more where outputs and targets are at hand: units, masks and missing labels. A scalar
    has no unit that could be owned, so σ starts at 1 in the unit of the loss; use ``init="first_batch"`` where losses
    are far from 1.

    With a ``damping``, a task that is learned almost perfectly does not starve the others. The total is then
    Σ c_k·nll_k, where nll_k is a task's term above and c_k = (σ_k²/σ̄²)^damping has no gradient. σ̄² is the geometric
    mean over all tasks, whether or not they have a loss in the batch. As with ``weighting.Damped``, every σ keeps its
    optimum. But here the ratios of σ depend on the units of the losses: divide each loss by what a constant guess
    costs.

    A total with damping is no negative log-likelihood, and as the c_k change, totals of different steps do not compare:
    watch the losses themselves. ``weights()`` is what multiplies each loss, c_k included;
    ``weighting["depth"].weight`` is without c_k, and σ means what it does without damping.

    Args:
        kinds: by task name, what the loss is: ``"l2"`` (mean squared error), ``"l1"`` (mean absolute error, as
            ``Laplace`` weighs it), ``"l1-paper"`` (mean absolute error, as Kendall, Gal & Cipolla weigh it),
            ``"classification"`` (cross entropy), ``"posenet"``, ``"liebel"``, or a pair (coefficient, penalty).
        damping: 0 (learned weights as they are) to 1 (their common scale alone); 0.5 is that of ``weighting.Damped``.
        **noise: the settings of every task's noise, see ``NoiseSettings``; ``channels`` is refused.

    Shapes:
        losses: by task name, scalars, floating point, with their graph.

    Raises:
        ValueError: no tasks, an unknown kind, a damping outside 0 to 1, or a setting out of range.

    Source: Kendall, Gal & Cipolla (CVPR 2018), eq. 10; Kendall & Cipolla (CVPR 2017) for ``"posenet"``; Liebel & Körner
    (arXiv 1805.06334) for ``"liebel"``.

    >>> weighting = UncertaintyWeighting({"semantic": "classification", "depth": "l2"})
    >>> total = weighting({"semantic": torch.tensor(1.5), "depth": torch.tensor(4.0)})
    >>> total.item(), weighting.weights()
    (3.5, {'semantic': 1.0, 'depth': 0.5})
    """

    def __init__(self, kinds: Mapping[str, Kind], *, damping: float = 0.0, **noise: Unpack[NoiseOptions]) -> None:
        NoiseSettings.read("UncertaintyWeighting", noise)
        if not isinstance(kinds, Mapping) or not kinds:
            raise ValueError(
                f"UncertaintyWeighting: expected a kind for each task, and at least one task, found {kinds!r}"
            )
        if noise.get("channels") is not None:
            raise ValueError("UncertaintyWeighting: channels: expected None, since losses are scalars")
        super().__init__({name: _likelihood(name, kind, noise) for name, kind in kinds.items()})
        self.damping = check_damping(damping, "UncertaintyWeighting")
        self._passes = 0

    def forward(
        self, losses: Mapping[str, Tensor | None], counts: Counts | None = None, *, totals: Counts | None = None
    ) -> Tensor:
        """The joint loss, with ``damping`` Σ c_k·nll_k: a scalar with its graph.

        Args:
            losses: each task's loss. A task without labels in this batch has ``None``, or is left out.
            counts: the number of valid elements that each loss is the mean of, for exact means over ranks; without it
                every rank counts the same.
            totals: for gradient accumulation: each task's number of valid elements in all micro-batches of the step, on
                all ranks. The micro-batches' losses then add up to that of the whole batch.

        Raises:
            TypeError: a loss that is not a tensor.
            ValueError: an unknown task, or a loss that is not a scalar or is negative; names the task. Also two passes
                with ``counts`` but without ``totals`` before an optimizer's step, whose sum would be that of no batch.
            FloatingPointError: a loss that is not finite; names the task. On a GPU see ``check``.
        """
        if counts is None and self._may_be_quick() and (quick := self._quickly(losses)) is not None:
            return self._damped(quick) if self.damping else quick.loss
        self._check_known(losses=losses, counts=counts or {}, totals=totals or {})
        self._check_accumulation(counts, totals)
        sums = [self._sums(name, losses, counts or {}) for name in self._names]
        joint = self._joint_loss(sums, totals or {})
        return self._damped(joint) if self.damping else joint.loss

    def weights(self) -> dict[str, float | list[float] | None]:
        """Each task's weight ∂total/∂loss, as Python numbers."""
        if not self.damping:
            return super().weights()
        members = [likelihood for _, likelihood in self.items()]
        factors = damping_factors([m.log_variance for m in members], self.damping)
        weights = [None if m.weight is None else (m.weight * c).item() for m, c in zip(members, factors, strict=True)]
        return dict(zip(self._names, weights, strict=True))

    def _damped(self, joint: JointLoss) -> Tensor:
        s = [term._log_variance for term in joint.tasks.values()]
        return self._with_graph(damped_total(joint, damping_factors(s, self.damping)))

    def _quickly(self, losses: Mapping[str, Tensor | None]) -> JointLoss | None:
        """The fast path on a CPU: every task has a loss, and nothing is pending."""
        given = [losses.get(name) for name in self._groups[0]]
        values = [v for v in given if isinstance(v, Tensor) and v.dim() == 0]
        if len(values) != len(given) or len(losses) != len(given) or not is_readable(*values):
            return None
        return self._of_whole_batch(at_least_single(torch.stack(values)))

    def _sums(self, name: str, losses: Mapping[str, Tensor | None], counts: Counts) -> Sums:
        """The loss as a sum of ``count`` elements; of none where there is no loss."""
        loss, where = losses.get(name), f"task {name!r}"
        if loss is None:
            given: list[Any] = [v for v in losses.values() if isinstance(v, Tensor)]
            return self[name]._no_sums(given[0].detach() if given else None)
        if not isinstance(loss, Tensor):
            raise TypeError(
                f"{where}: expected a scalar tensor, found the {type(loss).__name__} {loss!r}: a number has no "
                "gradient; for a task without labels in this batch pass None"
            )
        if loss.dim() != 0:
            raise ValueError(f"{where}: expected a scalar loss, found one of shape {tuple(loss.shape)}: take its mean")
        loss = at_least_single(loss) if loss.is_floating_point() else loss.to(torch.get_default_dtype())
        # Without counts nothing is copied to the device.
        one = torch.ones((), dtype=torch.int64, device=loss.device)
        elements = torch.as_tensor(counts[name], device=loss.device) if name in counts else one
        # The mean over no element may be NaN, and is ignored.
        value = torch.where(elements > 0, loss, 0.0) * elements
        # A negative loss must remain visible beside larger ones of other ranks.
        value = value + torch.where((loss.detach() < 0) & (elements > 0), -torch.inf, 0.0)
        return Sums(value[None], elements)

    def _check_accumulation(self, counts: Counts | None, totals: Counts | None) -> None:
        if torch.compiler.is_compiling() or not self.training or counts is None:
            return
        self._passes += 1
        if totals is not None:
            self._refuse_partial_starts(totals, "totals=")
        elif self._passes > 1:
            raise ValueError(
                "UncertaintyWeighting: found a second pass with counts= before an optimizer's step: to accumulate "
                "gradients, also pass totals=, the number of elements in all micro-batches of the step"
            )

    def after_step(self, optimizer: Optimizer) -> None:
        """The next pass is the first of its step."""
        self._passes = 0


def _likelihood(name: str, kind: Kind, noise: NoiseOptions) -> Likelihood:
    if kind == "l1":
        return Laplace(standardize=False, **noise)
    if isinstance(kind, str) and kind in KINDS:
        return Gibbs(_given, *KINDS[kind], **noise)
    if isinstance(kind, tuple | list) and len(kind) == 2 and all(isinstance(v, int | float) and v > 0 for v in kind):
        coefficient, penalty = kind
        return Gibbs(_given, float(coefficient), float(penalty), **noise)
    raise ValueError(
        f"task {name!r}: expected one of {', '.join(('l1', *KINDS))} or two numbers above 0 (coefficient, penalty), "
        f"found {kind!r}"
    )


def _given(output: Tensor, target: Tensor) -> Tensor:
    raise TypeError("UncertaintyWeighting: expected losses, found outputs and targets")
