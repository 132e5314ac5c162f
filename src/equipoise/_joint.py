"""The joint loss of a batch, and each task's part of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from equipoise._figures import figure, table
from equipoise.functional import at_least_single
from equipoise.likelihoods._task_loss import FIGURES, TaskLoss
from equipoise.likelihoods.likelihood import Likelihood


@dataclass(frozen=True, kw_only=True, eq=False)
class Stacked:
    """The losses of tasks that share a bank of noises, one entry per log-variance.

    Attributes:
        nll: each entry's part of the joint loss.
        means: raw losses, with their graph.
        mass: the sums of the elements' weights.
        counts: the numbers of valid elements.
        shares: each entry's share of its task's elements; ``None``: one entry per task, all of it labelled.
        log_variance: s of this batch, detached.
        noise: the same with its graph.
        members: by task name, the likelihood and its entries.
    """

    nll: Tensor
    means: Tensor
    mass: Tensor
    counts: Tensor
    shares: Tensor | None
    log_variance: Tensor
    noise: Tensor
    members: Mapping[str, tuple[Likelihood, slice]]

    def task_loss(self, name: str) -> TaskLoss:
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
            _noise=self.noise[span].reshape(shape),
        )

    @property
    def noise_nll(self) -> Tensor:
        """``nll`` with its graph to the noise alone."""
        likelihood, _ = next(iter(self.members.values()))
        nll = likelihood.noise.bank.linear_nll(self.means.detach(), at_least_single(self.noise))
        return nll if self.shares is None else nll * self.shares


class Kept:
    """What was read from a joint loss, and is kept: the same objects at every read.

    A compiled function can return a frozen object only if all that it refers to was made before it. So this is made
    first, and filled later.
    """

    tasks: dict[str, TaskLoss] | None = None


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class JointLoss:
    """The joint loss of a batch, and each task's part of it. Print it for a table.

    Attributes:
        loss: the sum over tasks of the mean negative log-likelihood, a scalar with its graph. It is below zero where σ
            is small, since log σ is then negative: watch ``tasks[name].loss`` instead.
        tasks: each task's ``TaskLoss``, by task name.

    >>> import torch, equipoise as eq
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Laplace(standardize=False)})
    >>> print(likelihood({"depth": torch.tensor([1.0, 3.0])}, {"depth": torch.zeros(2)}))
    joint loss 2.828
    task   loss    nll  weight  sigma  count
    depth     2  2.828   1.414      1      2
    """

    loss: Tensor
    _names: tuple[str, ...]
    _parts: tuple[Stacked, ...]
    _single: Mapping[str, TaskLoss] = field(default_factory=dict)
    _kept: Kept = field(default_factory=Kept)

    @property
    def tasks(self) -> dict[str, TaskLoss]:
        """Each task's ``TaskLoss``, by task name; the same objects whenever it is read."""
        if self._kept.tasks is None:
            self._kept.tasks = self._read()
        return self._kept.tasks

    def _read(self) -> dict[str, TaskLoss]:
        found = dict(self._single)
        # They are kept, so they must have their graph even where they are first read to be logged.
        with torch.enable_grad():
            for part in self._parts:
                found |= {name: part.task_loss(name) for name in part.members}
        return {name: found[name] for name in self._names}

    def __repr__(self) -> str:
        rows = [["task", *FIGURES], *([name, *task.figures()] for name, task in self.tasks.items())]
        return f"joint loss {figure(self.loss)}\n{table(rows)}"

    @property
    def noise_loss(self) -> Tensor:
        """``loss`` with its graph to the noise alone: its gradient is that of every σ, and none of the network.

        Add it to a total of your own, so that σ learns from its likelihood whatever your weights are. Read it before
        the optimizer's step.

        >>> import torch, equipoise as eq
        >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
        >>> output = torch.tensor([2.0], requires_grad=True)
        >>> joint = likelihood({"depth": output}, {"depth": torch.zeros(1)})
        >>> (10 * joint.tasks["depth"].raw_loss + joint.noise_loss).backward()
        >>> output.grad, next(likelihood.parameters()).grad  # 10·2·f, and (1 − f²/σ²)/2
        (tensor([40.]), tensor([-1.5000]))
        """
        parts = [part.noise_nll.sum() for part in self._parts] + [term.noise_nll for term in self._single.values()]
        return torch.stack(parts).sum()

    def with_noise(self, loss: Tensor) -> Tensor:
        """A loss without noise, its value unchanged, whose gradient includes that of ``noise_loss``."""
        noise = self.noise_loss
        return loss + (noise - noise.detach()).to(loss.dtype)


TENSORS = {
    JointLoss: ("loss", "_parts", "_single"),
    Stacked: ("nll", "means", "mass", "counts", "shares", "log_variance", "noise"),
    TaskLoss: ("nll", "count", "_means", "_mass", "_shares", "_log_variance", "_noise"),
}
"""The fields that hold tensors; the others say what these belong to."""


def _register(kind: type) -> None:
    """Show PyTorch the tensors inside: DistributedDataParallel(static_graph=True) looks for them."""
    tensors = TENSORS[kind]

    def flatten(value: Any) -> tuple[list[Any], Any]:
        # What was read belongs to the old tensors.
        others = {f.name: getattr(value, f.name) for f in fields(kind) if f.name not in (*tensors, "_kept")}
        return [getattr(value, name) for name in tensors], tuple(others.items())

    def unflatten(children: Any, others: Any) -> Any:
        return kind(**dict(zip(tensors, children, strict=True)), **dict(others))

    pytree.register_pytree_node(kind, flatten, unflatten, serialized_type_name=f"equipoise.{kind.__name__}")


for _kind in TENSORS:
    _register(_kind)
