"""Masks: True where an element is valid."""

from collections.abc import Sequence

import torch
from torch import Tensor


def as_mask(mask: Tensor, shape: Sequence[int], where: str) -> Tensor:
    """The mask at the target's shape; raises where its type or shape does not fit."""
    if mask.dtype != torch.bool:
        raise TypeError(f"{where}: expected a boolean mask (True = valid), found {mask.dtype}: use mask.bool()")
    try:
        return mask.expand(tuple(shape))
    except RuntimeError:
        raise ValueError(
            f"{where}: expected a mask that broadcasts to {tuple(shape)}, found {tuple(mask.shape)}"
        ) from None
