"""Sums over the valid elements of a batch, on this rank and over all ranks.

Means are of sums: sums and counts are added over the ranks and divided once, never means averaged. Values are then
global on every rank, while gradients flow to this rank's elements only, scaled by the number of ranks, because
DistributedDataParallel divides by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Sums:
    """What a likelihood needs to know of a batch.

    Attributes:
        values: ``(k, *noise)``: k sums over valid elements for each noise channel; ``values[0]`` is the raw loss.
        count: ``noise``, int64: how many elements are valid.
        weight: ``noise``: the sum of their weights, which the means are divided by; ``None``: every element weighs 1.
        rows: ``(3, channels)``: count, mean and squared deviations of the targets, where a unit gathers them;
            over ranks ``(ranks, 3, channels)``.
    """

    values: Tensor
    count: Tensor
    weight: Tensor | None = None
    rows: Tensor | None = None

    @property
    def mass(self) -> Tensor:
        """What the sums are divided by for a mean: the weights, or the count."""
        return self.count.to(self.values.dtype) if self.weight is None else self.weight

    @property
    def means(self) -> Tensor:
        """Means over the valid elements; 0 where there is none."""
        mass = self.mass
        return self.values / torch.where(mass > 0, mass, 1.0)


def is_distributed() -> bool:
    """Whether this process trains together with others."""
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
        # The gradient of this rank's sums, and no more: ∞ − ∞, where a loss is bad, would hide which way it is.
        straight = torch.nan_to_num(local.values - local.values.detach(), 0.0, 0.0, 0.0)
        reduced.append(Sums(values + ranks * straight, count, weight, rows))
    return reduced


def _parts(sums: Sums) -> list[Tensor]:
    # The weights always: another rank may have some where this one has none.
    parts = [sums.values.detach(), sums.count, sums.mass]
    return parts if sums.rows is None else [*parts, _own_row(sums.rows)]


def _own_row(rows: Tensor) -> Tensor:
    """This rank's rows among zeros for the others: a sum over ranks then gathers them."""
    among = rows.new_zeros((dist.get_world_size(), *rows.shape))
    among[dist.get_rank()] = rows
    return among


def gather_rows(rows: Tensor) -> Tensor:
    """``(ranks, *rows)``: what every rank has; ``(1, *rows)`` where there is one."""
    return add_over_ranks(_own_row(rows)) if is_distributed() else rows[None]


def add_over_ranks(tensor: Tensor) -> Tensor:
    """The tensor summed over all ranks; itself where there is one."""
    if is_distributed():
        tensor = tensor.clone()
        dist.all_reduce(tensor)
    return tensor


def any_rank(flag: Tensor) -> Tensor:
    """A Boolean tensor: whether it is true on any rank."""
    return add_over_ranks(flag.to(torch.int64)) > 0 if is_distributed() else flag


def _wide(device: torch.device) -> torch.dtype:
    """The widest type for sums: some devices have no float64."""
    return torch.float32 if device.type == "mps" else torch.float64
