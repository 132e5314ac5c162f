"""A ready-made problem: a table of inputs and targets, and a network with a shared trunk."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor, nn

from equipoise.comparison.figures import accuracy, auc, rmse
from equipoise.comparison.methods import Form
from equipoise.comparison.problem import Split
from equipoise.comparison.records import Metric
from equipoise.likelihoods import Categorical, Gaussian, Laplace, Likelihood
from equipoise.multitask import MultiTaskLikelihood

Kind = Literal["regression", "classification"]


class Rows(NamedTuple):
    """Which rows of the table a seed uses for what, and the inputs scaled by its training rows."""

    train: Tensor
    validation: Tensor
    test: Tensor
    inputs: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table of numbers with several targets, for ``equipoise.compare``.

    Each seed splits the rows anew, draws its own initial weights and its own batches. Inputs are scaled by the mean and
    spread of the training rows. Regressions are judged by the root mean squared error in the target's unit, two classes
    by the area under the ROC curve, more classes by accuracy.

    Attributes:
        name: a title, for tables.
        inputs: ``(N, features)``, floating point.
        targets: by task name: ``(N,)`` or ``(N, columns)`` for a regression, NaN meaning no label; class indices
            ``(N,)``, int64, for a classification.
        kinds: by task name, ``"regression"`` or ``"classification"``.
        hidden: the widths of the trunk's layers, each followed by ReLU.
        batch_size: rows in a batch.
        shares: of the rows, for training and validation; the rest is for the test.
        standardize: whether regressions own their target's unit where a row does not say.

    Raises:
        ValueError: lengths or names that do not fit, an unknown kind, or shares that leave nothing.

    >>> table = Table(
    ...     name="toy",
    ...     inputs=torch.randn(100, 3),
    ...     targets={"price": torch.randn(100), "kind": torch.randint(3, (100,))},
    ...     kinds={"price": "regression", "kind": "classification"},
    ... )
    >>> [metric.key for metric in table.metrics]
    ['price.rmse', 'kind.accuracy']
    """

    name: str
    inputs: Tensor
    targets: Mapping[str, Tensor]
    kinds: Mapping[str, Kind]
    hidden: tuple[int, ...] = (64, 64)
    batch_size: int = 64
    shares: tuple[float, float] = (0.6, 0.2)
    standardize: bool = True

    def __post_init__(self) -> None:
        if self.targets.keys() != self.kinds.keys():
            raise ValueError(f"Table: expected a kind for each of {sorted(self.targets)}, found {sorted(self.kinds)}")
        for task, target in self.targets.items():
            if len(target) != len(self.inputs):
                raise ValueError(f"task {task!r}: expected {len(self.inputs)} targets, found {len(target)}")
            if self.kinds[task] not in ("regression", "classification"):
                raise ValueError(f"task {task!r}: expected regression or classification, found {self.kinds[task]!r}")
        if not (min(self.shares) > 0.0 and sum(self.shares) < 1.0):
            raise ValueError(f"Table: shares: expected two above 0 with a sum below 1, found {self.shares}")

    @property
    def tasks(self) -> tuple[str, ...]:
        """All task names."""
        return tuple(self.targets)

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """One for each task."""
        return tuple(
            Metric(name="rmse", task=task)
            if kind == "regression"
            else Metric(name="auc" if self._width(task) == 2 else "accuracy", task=task, higher_is_better=True)
            for task, kind in self.kinds.items()
        )

    @property
    def steps_per_epoch(self) -> int:
        """How many batches the training rows make."""
        return max(1, int(len(self.inputs) * self.shares[0]) // self.batch_size)

    def model(self, tasks: Sequence[str], seed: int) -> nn.Module:
        """A trunk and one linear layer for each of the ``tasks``, all drawn from the ``seed``."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trunk = _trunk((self.inputs.shape[1], *self.hidden))
            heads = {}
            # Every head is drawn, so that it starts equal whichever others there are.
            for task in self.tasks:
                heads[task] = nn.Linear(self.hidden[-1], self._width(task))
        return Network(trunk, {task: heads[task] for task in tasks})

    def shared_parameters(self, model: nn.Module) -> Iterable[Tensor]:
        """Those of the ``model``'s trunk."""
        return cast(Network, model).trunk.parameters()

    def likelihood(self, task: str, form: Form) -> Likelihood:
        """``Gaussian``, or ``Laplace`` if the ``form`` says so, for a regression ``task``; else ``Categorical``."""
        if self.kinds[task] == "classification":
            return Categorical(**form.noise)
        standardize = self.standardize if form.standardize is None else form.standardize
        kind = Laplace if form.laplace else Gaussian
        return kind(standardize=standardize, **form.noise)

    def batch(self, seed: int, step: int) -> tuple[Tensor, dict[str, Tensor]]:
        """The ``step``-th batch of the training rows, reshuffled every epoch from the ``seed``."""
        rows = self._split(seed)
        size = min(self.batch_size, len(rows.train))
        per_epoch = len(rows.train) // size
        epoch, number = divmod(step, per_epoch)
        order = _order(len(rows.train), seed, epoch)
        chosen = rows.train[order[number * size : (number + 1) * size]]
        return rows.inputs[chosen], {task: self._target(task)[chosen] for task in self.tasks}

    @torch.no_grad()
    def evaluate(self, model: nn.Module, likelihood: MultiTaskLikelihood, split: Split, seed: int) -> dict[str, float]:
        """The metric of each task of the ``likelihood``, of a ``model`` on a ``split`` of the ``seed``."""
        rows = self._split(seed)
        chosen = rows.validation if split == "validation" else rows.test
        found = model(rows.inputs[chosen])
        # Classes are judged by their logits, which do not saturate as probabilities do.
        found |= likelihood.predict({task: out for task, out in found.items() if self.kinds[task] == "regression"})
        return {
            metric.key: _value(metric, found[metric.task], self._target(metric.task)[chosen])
            for metric in self.metrics
            if metric.task in found
        }

    def _target(self, task: str) -> Tensor:
        target = self.targets[task]
        return target.reshape(len(target), -1) if self.kinds[task] == "regression" else target

    def _width(self, task: str) -> int:
        if self.kinds[task] == "classification":
            return int(self.targets[task].max()) + 1
        return self._target(task).shape[1]

    def _split(self, seed: int) -> Rows:
        return _split(self, seed)


class Network(nn.Module):
    """A trunk and a head a task."""

    def __init__(self, trunk: nn.Sequential, heads: Mapping[str, nn.Linear]) -> None:
        super().__init__()
        self.trunk, self.names = trunk, tuple(heads)
        # By number, since a task may have any name.
        self.heads = nn.ModuleList(heads.values())

    def forward(self, inputs: Tensor) -> dict[str, Tensor]:
        """``(N, features)`` → each task's output ``(N, width)``."""
        hidden = self.trunk(inputs)
        return {name: head(hidden) for name, head in zip(self.names, self.heads, strict=True)}


def _trunk(widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


@lru_cache(maxsize=4)
def _split(table: Table, seed: int) -> Rows:
    count = len(table.inputs)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    train, validation = (int(share * count) for share in table.shares)
    known = table.inputs[order[:train]]
    spread = known.std(0)
    inputs = (table.inputs - known.mean(0)) / torch.where(spread > 0, spread, 1.0)
    return Rows(order[:train], order[train : train + validation], order[train + validation :], inputs)


@lru_cache(maxsize=4)
def _order(count: int, seed: int, epoch: int) -> Tensor:
    # A generator of its own for each epoch, and none of those of the splits.
    return torch.randperm(count, generator=torch.Generator().manual_seed(1_000_003 * (seed + 1) + epoch))


def _value(metric: Metric, found: Tensor, target: Tensor) -> float:
    if metric.name == "rmse":
        known = ~target.isnan()
        return rmse(found[known], target[known])
    known = target >= 0
    if metric.name == "auc":
        return auc(found[known, 1] - found[known, 0], target[known] == 1)
    return accuracy(found[known].argmax(1), target[known])
