"""Count, mean and spread of targets, exact where they are integers or far from zero, and robust to rare outliers."""

import torch
from torch import Tensor

from equipoise.functional import at_least_single

OUTLIER, RARE = 30.0, 64
"""Outliers lie this many median absolute deviations from the median, and are at most one in this many elements."""
SAMPLE = 4096
"""Medians are taken of at most this many elements."""


def difference(target: Tensor, offset: Tensor, dtype: torch.dtype) -> Tensor:
    """Target − offset, exact for integers and for targets far from zero."""
    if target.is_floating_point():
        return at_least_single(target) - offset
    whole = offset.round()
    return (target.long() - whole.long()).to(dtype) - (offset - whole)


def merged(rows_RKC: Tensor) -> Tensor:
    """Count, mean and squared deviations of the union of several parts (Chan, Golub & LeVeque 1979); ``(3, C)``."""
    counts, means, squares = rows_RKC.unbind(1)
    count = counts.sum(0)
    mean = (counts * means).sum(0) / count.clamp_min(1.0)
    between = (counts * (means - mean).square()).sum(0)
    return torch.stack([count, mean, squares.sum(0) + between])


@torch.no_grad()
def target_rows(target_CE: Tensor, valid_CE: Tensor, dtype: torch.dtype) -> Tensor:
    """Count, mean and squared deviations of the valid elements of each channel, without rare outliers; ``(3, C)``."""
    pivot, deviation = _from_pivot(target_CE, valid_CE, dtype)
    valid = valid_CE & torch.isfinite(deviation)
    deviation = torch.where(valid, deviation, 0.0)
    kept = valid & ~_is_outlier(deviation, valid)
    count = kept.sum(1).to(deviation.dtype)
    mean = torch.where(kept, deviation, 0.0).sum(1) / count.clamp_min(1.0)
    squares = torch.where(kept, deviation - mean[:, None], 0.0).square().sum(1)
    return torch.stack([count, pivot + mean, squares])


def _from_pivot(target_CE: Tensor, valid_CE: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A value among the targets, and their differences from it, exact for integers and far from zero."""
    if target_CE.is_floating_point():
        wide = torch.promote_types(target_CE.dtype, dtype)
        target = target_CE.to(wide)
        pivot = torch.nan_to_num(_median(torch.where(valid_CE, target, torch.nan)), 0.0, 0.0, 0.0)
        return pivot, target - pivot[:, None]
    target = target_CE.long()
    pivot = torch.where(valid_CE, target, torch.iinfo(torch.int64).max).amin(1)
    pivot = torch.where(valid_CE.any(1), pivot, 0)
    return pivot.to(dtype), (target - pivot[:, None]).to(dtype)


def _is_outlier(deviation_CE: Tensor, valid_CE: Tensor) -> Tensor:
    centre = _median(torch.where(valid_CE, deviation_CE, torch.nan))
    distance = (deviation_CE - centre[:, None]).abs()
    typical = 1.4826 * _median(torch.where(valid_CE & (distance > 0), distance, torch.nan))
    far = valid_CE & (distance > OUTLIER * typical[:, None])
    rare = far.sum(1) <= torch.clamp(valid_CE.sum(1) // RARE, min=1)
    return far & rare[:, None]


def _median(values_CE: Tensor) -> Tensor:
    """The median without NaN, of a sample of large tensors; NaN where there is no element."""
    step = -(-values_CE.shape[1] // SAMPLE) or 1
    if values_CE.shape[1] == 0:
        return values_CE.new_full((len(values_CE),), torch.nan)
    return values_CE[:, ::step].nanmedian(1).values
