"""What no likelihood can take, told where that costs nothing and flagged where it would stall a device."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from equipoise.reduction import Sums

if TYPE_CHECKING:
    from equipoise.likelihoods.likelihood import Likelihood


@dataclass(frozen=True)
class Seen:
    """What is known of a task's numbers without stalling a device; ``None``: not known.

    A task without elements gets no gradient to its s, so that an optimizer with momentum leaves it; among several
    ranks the gradient is there and zero, since DistributedDataParallel waits for it.
    """

    empty: bool | None = None
    in_bounds: bool = False


def check(likelihoods: "Sequence[Likelihood]", sums: Sequence[Sums], names: Sequence[str]) -> list[Seen]:
    """Raise for losses that are negative or not finite, and warn at bounds.

    Numbers are looked at on the CPU only, where that costs nothing; else ``bad_losses`` gives flags for the device.
    """
    if torch.compiler.is_compiling() or any(s.values.device.type != "cpu" for s in sums):
        return [Seen()] * len(sums)
    states = []
    for likelihood, s, name in zip(likelihoods, sums, names, strict=True):
        complain(_listed(s.values[0]), name)
        inside = not likelihood.training or not likelihood.noise.warn_at_bound(_listed(likelihood.log_variance), name)
        states.append(Seen(empty=not any(_listed(s.count)), in_bounds=inside))
    return states


def _listed(tensor: Tensor) -> list[float]:
    values = tensor.tolist()
    return values if isinstance(values, list) else [values]


def complain(losses: list[float], where: str) -> None:
    """Raise for a loss, or a sum of losses, that no likelihood can take."""
    for value in losses:
        if not math.isfinite(value):
            raise FloatingPointError(f"{where}: the loss is {value}: the outputs or targets are not finite")
        if value < 0:
            raise ValueError(f"{where}: expected a loss of at least 0, found {value:g}: a likelihood has no such error")


def complain_of_flags(flags: Tensor, tasks: Sequence[str]) -> None:
    """Raise for a task that ``bad_losses`` flagged, and begin anew."""
    found = flags.tolist()
    flags.zero_()
    for task, flag in zip(tasks, found, strict=True):
        if flag:
            complain([float("nan") if flag == 1 else -1.0], f"task {task!r}")


def bad_losses(sums: Sequence[Sums]) -> Tensor:
    """For each task a number without leaving the device: 0 well, 1 not finite, 2 negative."""
    flags = []
    for s in sums:
        loss = s.values[0].detach()
        flags.append(torch.where(~torch.isfinite(loss).all(), 1, torch.where((loss < 0).any(), 2, 0)))
    return torch.stack(flags).to(torch.int8)
