"""Sums over the valid elements of a batch, on this rank and over all ranks.

Sums and counts are added over the ranks and divided once; means are never averaged. Values are then global on every
rank, while gradients flow only to this rank's elements, times the number of ranks, because DistributedDataParallel
divides by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sums:
    """A batch reduced to sums over its valid elements: what ``Likelihood.sums`` returns.

    Attributes:
        values: ``(k, *noise)``, floating point: k sums for each noise channel, that of the raw loss first. ``noise`` is
            ``()`` or ``(channels,)``.
        count: ``noise``, int64: the number of valid elements.
        weight: ``noise``: the sum of their weights, by which means are divided; ``None``: all weights are 1.
        rows: ``(3, channels)``: count, mean and squared deviations of the targets, where a unit needs them;
            ``(ranks, 3, channels)`` after the reduction.

    >>> sums = Sums(torch.tensor([6.0]), torch.tensor(3))
    >>> sums.means
    tensor([2.])
    """

    values: Tensor
    count: Tensor
    weight: Tensor | None = None
    rows: Tensor | None = None

    @property
    def mass(self) -> Tensor:
        """The divisor of the sums: the sum of the weights, or the count."""
        return self.count.to(self.values.dtype) if self.weight is None else self.weight

    @property
    def means(self) -> Tensor:
        """Means over the valid elements; 0 where there are none."""
        mass = self.mass
        return self.values / torch.where(mass > 0, mass, 1.0)


def is_distributed() -> bool:
    """Whether this process is one of several ranks."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def over_ranks(sums: Sequence[Sums]) -> list[Sums]:
    """The sums over all ranks, by one all-reduce of one tensor whose size does not depend on the batch."""
    if not is_distributed() or not sums:
        return list(sums)
    parts = [part for s in sums for part in _parts(s)]
    flat = torch.cat([part.reshape(-1).to(_wide(part.device)) for part in parts])
    dist.all_reduce(flat)
    totals = (
        total.reshape(part.shape)
        for total, part in zip(torch.split(flat, [p.numel() for p in parts]), parts, strict=True)
    )
    ranks = dist.get_world_size()
    reduced = []
    for local in sums:
        values = next(totals).to(local.values.dtype)
        count = next(totals)
        count = count.to(local.count.dtype) if local.count.is_floating_point() else count.round().to(local.count.dtype)
        weight = next(totals).to(local.values.dtype)
        rows = None if local.rows is None else next(totals).to(local.rows.dtype)
        # Only the gradient of this rank's sums. For a bad loss ∞ − ∞ would hide the sign, so it becomes 0.
        straight = torch.nan_to_num(local.values - local.values.detach(), 0.0, 0.0, 0.0)
        reduced.append(Sums(values + ranks * straight, count, weight, rows))
    return reduced


def _parts(sums: Sums) -> list[Tensor]:
    # Always with the weights: another rank may have some where this one has none.
    parts = [sums.values.detach(), sums.count, sums.mass]
    return parts if sums.rows is None else [*parts, _own_row(sums.rows)]


def _own_row(rows: Tensor) -> Tensor:
    """This rank's rows among zeros for the others: a sum over ranks then gathers them."""
    among = rows.new_zeros((dist.get_world_size(), *rows.shape))
    among[dist.get_rank()] = rows
    return among


def gather_rows(rows: Tensor) -> Tensor:
    """``(ranks, *rows)``: the rows of every rank."""
    return add_over_ranks(_own_row(rows)) if is_distributed() else rows[None]


def add_over_ranks(tensor: Tensor) -> Tensor:
    """The tensor summed over all ranks."""
    if is_distributed():
        tensor = tensor.clone()
        dist.all_reduce(tensor)
    return tensor


def any_rank(flag: Tensor) -> Tensor:
    """A Boolean tensor: whether it is true on any rank."""
    return add_over_ranks(flag.to(torch.int64)) > 0 if is_distributed() else flag


def _wide(device: torch.device) -> torch.dtype:
    """The widest dtype for sums: MPS has no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
