"""Weights for ready-made scalar losses, by the same learned noise."""

from collections.abc import Mapping
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from equipoise.functional import SQRT2, at_least_single
from equipoise.likelihoods.checks import bad_losses, complain, complain_of_flags
from equipoise.likelihoods.gibbs import Gibbs
from equipoise.likelihoods.laplace import Laplace
from equipoise.likelihoods.likelihood import Likelihood, terms
from equipoise.ownership import expect_in_an_optimizer
from equipoise.reduction import Sums, is_distributed

Kind = str | tuple[float, float]
KINDS: dict[str, tuple[float, float | Literal["log1p"]]] = {
    "l2": (0.5, 0.5),
    "l1-paper": (0.5, 0.5),
    "classification": (1.0, 0.5),
    "posenet": (1.0, 1.0),
    "liebel": (0.5, "log1p"),
}
"""(coefficient, penalty) of coefficient·e^(−s)·L + penalty·s; ``l1`` is the exact Laplace form instead."""


class UncertaintyWeighting(nn.Module):
    r"""Σ over tasks of coefficient·e^(−s)·L + penalty·s, for losses that are already computed.

    For those who have only scalar losses; with outputs and targets at hand ``MultiTaskLikelihood`` knows more.

    Args:
        kinds: what each task's loss is: ``"l2"`` (mean squared error), ``"l1"`` (mean absolute error, Laplace),
            ``"l1-paper"`` (the same, weighed as Kendall, Gal & Cipolla train), ``"classification"`` (cross entropy),
            ``"posenet"``, ``"liebel"``, or (coefficient, penalty).
        **noise: ``init``, ``update``, ``momentum``, ``bounds``, ``prior`` of every task; see ``Likelihood``.

    >>> weighting = UncertaintyWeighting({"semantic": "classification", "depth": "l2"})
    >>> total = weighting({"semantic": torch.tensor(1.5), "depth": torch.tensor(4.0)})
    >>> total.item(), weighting.weights()
    (3.5, {'semantic': 1.0, 'depth': 0.5})
    """

    flags: Tensor

    def __init__(self, kinds: Mapping[str, Kind], **noise: Any) -> None:
        super().__init__()
        if not kinds:
            raise ValueError("UncertaintyWeighting: expected at least one task, found none")
        self._names = tuple(kinds)
        self.likelihoods = nn.ModuleList(_likelihood(name, kind, noise) for name, kind in kinds.items())
        self.register_buffer("flags", torch.zeros(len(self._names), dtype=torch.int8), persistent=False)
        linear = [_linear(kind) for kind in kinds.values()]
        self._plain = None not in linear and noise.get("update", "gradient") == "gradient" and not noise.get("prior")
        # On the CPU whatever the module moves to: only there is it used.
        self._table = torch.tensor([row or (0.0, 0.0, 0.0) for row in linear], dtype=torch.float64).T.contiguous()

    def forward(
        self, losses: Mapping[str, Tensor | None], counts: Mapping[str, Tensor | float] | None = None
    ) -> Tensor:
        """The joint loss, a scalar.

        Args:
            losses: each task's loss, a scalar; a task that is missing or ``None`` has no labels in this batch.
            counts: how many valid elements each loss is the mean of: means over ranks are then exact. Without them
                every rank counts the same.

        Raises:
            ValueError: an unknown task, a loss that is no scalar or negative; names the task.
            FloatingPointError: a loss that is not finite; names the task. On a GPU see ``check``.
        """
        if (total := self._all_at_once(losses, counts)) is not None:
            return total
        unknown = [name for name in losses if name not in self._names]
        if unknown:
            raise ValueError(f"task {unknown[0]!r}: expected one of {list(self._names)}")
        given = [loss for loss in losses.values() if loss is not None]
        like = given[0] if given else self.flags.new_zeros((), dtype=torch.get_default_dtype())
        labels = [f"task {name!r}" for name in self._names]
        sums = [
            _sums(losses.get(name), (counts or {}).get(name, 1.0), like, label)
            for name, label in zip(self._names, labels, strict=True)
        ]
        if like.device.type != "cpu" or torch.compiler.is_compiling():
            self.flags.copy_(torch.maximum(self.flags, bad_losses(sums)))
        found = terms(cast("list[Likelihood]", list(self.likelihoods)), sums, labels)
        return torch.stack([term.nll for term in found]).sum()

    def _all_at_once(self, losses: Mapping[str, Tensor | None], counts: object) -> Tensor | None:
        """The usual case, in a few operations for all tasks together; ``None`` where it is another.

        Usual: every task has a loss, on the CPU, in one process, and no noise waits for a start or lies at a bound.
        """
        if not self._plain or counts is not None or torch.compiler.is_compiling() or is_distributed():
            return None
        given = [losses.get(name) for name in self._names]
        values = [v for v in given if v is not None and v.dim() == 0 and v.device.type == "cpu"]
        if len(values) != len(self._names) or len(losses) != len(values):
            return None
        members = cast("list[Likelihood]", list(self.likelihoods))
        if any(member.noise.pending for member in members):
            return None
        loss, s = torch.stack(values), torch.stack([member.log_variance for member in members])
        for value, name in zip(loss.tolist(), self._names, strict=True):
            complain([value], f"task {name!r}")
        low, high = members[0].noise.bounds
        if not all(low < value < high for value in s.tolist()):
            return None
        if self.training:
            for member, name in zip(members, self._names, strict=True):
                expect_in_an_optimizer(member.log_variance, f"task {name!r}")
        coefficient, rate, penalty = self._table.to(s.dtype)
        total: Tensor = (coefficient * torch.exp(rate * s) * at_least_single(loss) + penalty * s).sum()
        return total

    def check(self) -> None:
        """Raise what ``forward`` could not say without stalling the device: call it now and then, it synchronises."""
        complain_of_flags(self.flags, self._names)

    def __getitem__(self, name: str) -> Likelihood:
        """The noise model of a task."""
        return cast(Likelihood, self.likelihoods[self._names.index(name)])

    def sigmas(self) -> dict[str, float]:
        """Each task's σ, as plain numbers."""
        return {name: float(self[name].sigma) for name in self._names}

    def weights(self) -> dict[str, float]:
        """Each task's weight ∂total/∂loss, as plain numbers."""
        return {name: float(cast(Tensor, self[name].weight)) for name in self._names}


def _linear(kind: Kind) -> tuple[float, float, float] | None:
    """(a, r, p) of a·e^(r·s)·L + p·s; ``None`` where the penalty is another."""
    if kind == "l1":
        return SQRT2, -0.5, 0.5
    coefficient, penalty = KINDS.get(kind, (0.0, "log1p")) if isinstance(kind, str) else kind
    return None if isinstance(penalty, str) else (float(coefficient), -1.0, float(penalty))


def _likelihood(name: str, kind: Kind, noise: dict[str, Any]) -> Likelihood:
    if kind == "l1":
        return Laplace(**noise)
    if isinstance(kind, tuple) and len(kind) == 2:
        coefficient, penalty = kind
        return Gibbs(_given, coefficient, penalty, **noise)
    if kind not in KINDS:
        raise ValueError(f"task {name!r}: expected one of {', '.join(('l1', *KINDS))} or two numbers, found {kind!r}")
    return Gibbs(_given, *KINDS[kind], **noise)


def _given(output: Tensor, target: Tensor) -> Tensor:
    raise TypeError("UncertaintyWeighting: expected losses, found outputs and targets")


def _sums(loss: Tensor | None, count: Tensor | float, like: Tensor, where: str) -> Sums:
    """The loss as a sum of ``count`` elements; no element where there is no loss."""
    if loss is None:
        return Sums(like.new_zeros(1), torch.zeros((), dtype=torch.int64, device=like.device))
    if loss.dim() != 0:
        raise ValueError(f"{where}: expected a scalar loss, found one of shape {tuple(loss.shape)}: take its mean")
    loss = loss if loss.dtype in (torch.float32, torch.float64) else loss.float()
    elements = torch.as_tensor(count, device=loss.device)
    # A mean over no element may be NaN: it is no loss.
    value = torch.where(elements > 0, loss, 0.0) * elements
    return Sums(value[None], elements.long() if not elements.is_floating_point() else elements)
