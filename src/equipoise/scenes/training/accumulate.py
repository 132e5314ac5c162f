"""A step in several parts, whose losses and gradients add up to those of the whole batch.

A mean of the parts' means would be wrong where they have different numbers of labels. So all labels of the step are
counted before the first forward pass, over all processes, and every part divides by these counts.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from equipoise import JointLoss
from equipoise.errors import DataError
from equipoise.likelihoods import Regression
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.distributed import ProcessGroup
from equipoise.scenes.training.moving import Batch


@dataclass(frozen=True, kw_only=True, eq=False)
class TaskTotal:
    """One task's part of a step's loss; see ``equipoise.TaskLoss``."""

    loss: Tensor
    nll: Tensor
    weight: Tensor | None
    sigma: Tensor
    count: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class StepLoss:
    """The joint loss of a step in several parts.

    Attributes:
        parts: their losses, in order.
        divisors: by task name, what each part's mean divides by, over all processes.
    """

    parts: Sequence[JointLoss]
    divisors: Mapping[str, Tensor]

    @cached_property
    def loss(self) -> Tensor:
        """The joint loss of the whole batch, detached."""
        return torch.stack([part.loss.detach() for part in self.parts]).sum()

    @cached_property
    def tasks(self) -> dict[str, TaskTotal]:
        """Each task's loss over the whole batch."""
        return {name: self._total(name) for name in self.parts[0].tasks}

    def _total(self, name: str) -> TaskTotal:
        each = [part.tasks[name] for part in self.parts]
        mass = self.divisors[name].to(each[0].nll.dtype)
        losses = torch.stack([torch.where(m > 0, task.loss * m, 0.0) for task, m in zip(each, mass, strict=True)])
        return TaskTotal(
            loss=losses.sum() / mass.sum(),
            nll=torch.stack([task.nll.detach() for task in each]).sum(),
            weight=each[0].weight,
            sigma=each[0].sigma,
            count=torch.stack([task.count for task in each]).sum(),
        )


def steps(batches: Iterable[Batch], parts: int) -> Iterator[tuple[Batch, ...]]:
    """The parts of each step together."""
    held: list[Batch] = []
    for batch in batches:
        held.append(batch)
        if len(held) == parts:
            yield tuple(held)
            held = []


def divisors(model: SceneModel, parts: Sequence[Batch], group: ProcessGroup) -> dict[str, Tensor]:
    """By task name, what each part's mean divides by, over all processes: ``(parts,)``, on the model's device."""
    found = torch.stack([_divisors(model, part) for part in parts])
    total = group.total(found)
    return dict(zip(model.tasks, total.unbind(1), strict=True))


def _divisors(model: SceneModel, part: Batch) -> Tensor:
    size, blank = part.images.shape[2:], part.images.new_zeros((), dtype=torch.float32)
    outputs = {name: blank.expand(len(part.rows[name]), task.channels, *size) for name, task in model.tasks.items()}
    found = model.likelihood.divisors(outputs, part.targets, weights=part.weights)
    wide = torch.float32 if blank.device.type == "mps" else torch.float64
    return torch.stack([found[name].to(wide) for name in model.tasks])


def settle_units(model: SceneModel, parts: Sequence[Batch], labelled: Iterable[str]) -> None:
    """Take the units that are not known yet from all targets of the step, as a step in one part does.

    Raises:
        DataError: a task's targets are all equal.
    """
    for name in labelled:
        member = model.likelihood[name]
        if not isinstance(member, Regression) or member.has_settled_unit:
            continue
        member.fit(torch.cat([part.targets[name] for part in parts]))
        if not member.has_settled_unit:
            raise DataError(
                f"training.accumulate: expected labels of several values for the task {name!r} in the first step that "
                "has any, found a single value: set it to 1"
            )
