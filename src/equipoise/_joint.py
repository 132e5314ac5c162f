"""The joint loss of a batch, and each task's part of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from torch import Tensor
from torch.utils import _pytree as pytree

from equipoise.likelihoods._task_loss import TaskLoss, as_text
from equipoise.likelihoods.likelihood import Likelihood


@dataclass(frozen=True, kw_only=True, eq=False)
class Stacked:
    """What a batch gave for tasks whose noises lie in one bank, an entry for each noise.

    Attributes:
        nll: each entry's part of the joint loss.
        means: raw losses, with their graph.
        mass: sums of weights; ``counts``: of elements.
        shares: each entry's share of its task's elements; ``None``: one entry a task, all of it labelled.
        log_variance: s of this batch, detached.
        members: by name, each with its part of the entries.
    """

    nll: Tensor
    means: Tensor
    mass: Tensor
    counts: Tensor
    shares: Tensor | None
    log_variance: Tensor
    members: Mapping[str, tuple[Likelihood, slice]]

    def term(self, name: str) -> TaskLoss:
        """One task's part."""
        likelihood, span = self.members[name]
        shape = likelihood.noise.settings.shape
        shares = None if self.shares is None else self.shares[span].reshape(shape)
        return TaskLoss(
            nll=self.nll[span].sum(),
            count=self.counts[span].sum(),
            _likelihood=likelihood,
            _means=self.means[span].reshape(1, *shape),
            _mass=self.mass[span].reshape(shape),
            _shares=shares,
            _log_variance=self.log_variance[span].reshape(shape),
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JointLoss:
    """The joint loss of a batch, and each task's part of it.

    Attributes:
        loss: Σ over tasks of the mean negative log-likelihood, a scalar. It may well be below zero: log σ is, for
            small σ. Watch ``tasks[name].loss`` instead.
    """

    loss: Tensor
    _names: tuple[str, ...]
    _parts: tuple[Stacked, ...]
    _single: Mapping[str, TaskLoss] = field(default_factory=dict)
    _anchor: Tensor | None = None

    @cached_property
    def tasks(self) -> dict[str, TaskLoss]:
        """The terms by task name."""
        found = dict(self._single)
        for part in self._parts:
            found |= {name: part.term(name) for name in part.members}
        return {name: found[name] for name in self._names}

    def __repr__(self) -> str:
        """A table of each task's figures, in the target's unit."""
        rows = [{"task": name} | term.figures() for name, term in self.tasks.items()]
        widths = {title: max(len(title), *(len(row[title]) for row in rows)) for title in (rows[0] if rows else {})}
        lines = [dict(zip(widths, widths, strict=True)), *rows]
        shown = ["  ".join(line[title].ljust(width) for title, width in widths.items()).rstrip() for line in lines]
        return "\n  ".join([f"JointLoss(loss={as_text(self.loss)})", *shown])

    def with_anchor(self, loss: Tensor) -> Tensor:
        """A loss that ignores the noise, with the zero gradient of it that DistributedDataParallel waits for."""
        return loss if self._anchor is None else loss + self._anchor.to(loss.dtype)


TENSORS = {
    JointLoss: ("loss", "_parts", "_single", "_anchor"),
    Stacked: ("nll", "means", "mass", "counts", "shares", "log_variance"),
    TaskLoss: ("nll", "count", "_means", "_mass", "_shares", "_log_variance"),
}
"""The fields that hold tensors; the others tell what they belong to."""


def _register(kind: type) -> None:
    """Let PyTorch see the tensors inside: DistributedDataParallel(static_graph=True) looks for them."""
    tensors = TENSORS[kind]

    def flatten(value: Any) -> tuple[list[Any], Any]:
        others = {name: getattr(value, name) for name in kind.__dataclass_fields__ if name not in tensors}  # type: ignore[attr-defined]
        return [getattr(value, name) for name in tensors], tuple(others.items())

    def unflatten(children: Any, others: Any) -> Any:
        return kind(**dict(zip(tensors, children, strict=True)), **dict(others))

    pytree.register_pytree_node(kind, flatten, unflatten, serialized_type_name=f"equipoise.{kind.__name__}")


for _kind in TENSORS:
    _register(_kind)
