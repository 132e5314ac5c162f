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
    """

    values: Tensor
    count: Tensor


def is_distributed() -> bool:
    """Whether this process trains together with others."""
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1


def over_ranks(sums: Sequence[Sums]) -> list[Sums]:
    """The sums over all ranks, by one all-reduce of one tensor whose size never changes."""
    if not is_distributed() or not sums:
        return list(sums)
    parts = [part for s in sums for part in (s.values.detach(), s.count)]
    flat = torch.cat([part.reshape(-1).double() for part in parts])
    dist.all_reduce(flat)
    totals = iter(torch.split(flat, [part.numel() for part in parts]))
    ranks = dist.get_world_size()
    reduced = []
    for local in sums:
        values = next(totals).reshape(local.values.shape).to(local.values.dtype)
        count = next(totals).reshape(local.count.shape).round().to(local.count.dtype)
        reduced.append(Sums(values + ranks * (local.values - local.values.detach()), count))
    return reduced


def add_over_ranks(tensor: Tensor) -> Tensor:
    """The tensor summed over all ranks; itself where there is one."""
    if is_distributed():
        tensor = tensor.clone()
        dist.all_reduce(tensor)
    return tensor
