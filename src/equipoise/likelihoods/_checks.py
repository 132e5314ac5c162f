"""Validates losses: raises at once on the CPU, sets flags where reading would stall a device."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from equipoise._execution import is_readable
from equipoise._reduction import Sums


def check(sums: Sequence[Sums], names: Sequence[str]) -> list[bool | None]:
    """Raise for losses that are negative or not finite; return for each task whether no element is valid.

    CPU only. Elsewhere reading would stall: the answers are ``None``, and ``bad_losses`` gives flags instead.
    """
    if not is_readable(*(s.values for s in sums)):
        return [None] * len(sums)
    for s, name in zip(sums, names, strict=True):
        complain(listed(s.values[0]), name)
    return [not any(listed(s.count)) for s in sums]


def listed(tensor: Tensor) -> list[float]:
    """The numbers of a tensor of any shape, as a flat list."""
    values: list[float] = tensor.detach().reshape(-1).tolist()
    return values


def complain(losses: Sequence[float], where: str) -> None:
    """Raise for a negative or non-finite loss; a sum is −∞ where one of its losses is negative."""
    for value in losses:
        if value < 0:
            found = "one" if math.isinf(value) else f"{value:g}"
            raise ValueError(
                f"{where}: expected losses of 0 or more, found {found} below 0: no likelihood has negative raw losses"
            )
        if not math.isfinite(value):
            raise FloatingPointError(f"{where}: the loss is {value}: the outputs or targets are not finite")


def complain_of_flags(flags: Tensor, tasks: Sequence[str]) -> None:
    """Raise for the first task that ``bad_losses`` flagged, and clear the flags."""
    found = flags.tolist()
    if not any(found):
        return
    flags.zero_()
    for task, flag in zip(tasks, found, strict=True):
        if flag:
            complain([float("nan") if flag == 1 else -math.inf], f"task {task!r}")


def bad_losses(sums: Sequence[Sums]) -> Tensor:
    """One number per task, computed on the device: 0 fine, 1 not finite, 2 negative."""
    flags = []
    for s in sums:
        loss = s.values[0].detach()
        flags.append(torch.where((loss < 0).any(), 2, torch.where(~torch.isfinite(loss).all(), 1, 0)))
    return torch.stack(flags).to(torch.int8)
