"""Which elements have labels, and how much they count: masks (True = valid) and weights."""

from collections.abc import Sequence

import torch
from torch import Tensor

from equipoise._execution import is_readable


def valid_elements(target: Tensor, mask: Tensor | None, where: str) -> Tensor:
    """Which elements have a label: not NaN and not masked."""
    valid = ~torch.isnan(target) if target.is_floating_point() else torch.ones_like(target, dtype=torch.bool)
    return valid if mask is None else valid & as_mask(mask, target.shape, where)


def as_mask(mask: Tensor, shape: Sequence[int], where: str) -> Tensor:
    """The mask at the target's shape; raises if its dtype or shape does not fit."""
    if mask.dtype != torch.bool:
        hint = "use mask.bool()"
        if mask.is_floating_point():
            hint += ", or weights=... if these numbers say how much each element counts"
        raise TypeError(f"{where}: expected a boolean mask (True = valid), found {mask.dtype}: {hint}")
    try:
        return mask.expand(tuple(shape))
    except RuntimeError:
        raise ValueError(
            f"{where}: expected a mask that broadcasts to {tuple(shape)}, found {tuple(mask.shape)}"
        ) from None


def as_row_weights(weights: Tensor, shape: Sequence[int], axis: int, where: str) -> Tensor:
    """The weights of rows of components on ``axis`` of ``shape``: one a row, with or without that axis."""
    rows = (*shape[:axis], *shape[axis + 1 :])
    if weights.dim() == len(shape) > 0:
        if weights.shape[axis] != 1:
            raise ValueError(
                f"{where}: expected one weight a row, of shape {rows}, found weights of shape {tuple(weights.shape)}"
            )
        weights = weights.squeeze(axis)
    return as_weights(weights, rows, where)


def as_weights(weights: Tensor, shape: Sequence[int], where: str) -> Tensor:
    """The weights at the target's shape; given in it, broadcastable with as many axes, or ``(N,)``, one per sample."""
    if weights.dtype == torch.bool:
        raise TypeError(f"{where}: expected weights of numbers, found {weights.dtype}: a boolean mask goes to masks")
    shape = tuple(shape)
    if weights.dim() == 1 and len(shape) > 1 and weights.shape[0] == shape[0]:
        weights = weights.reshape(-1, *[1] * (len(shape) - 1))
    fits = weights.dim() == len(shape) and all(w in (1, n) for w, n in zip(weights.shape, shape, strict=True))
    if not fits and weights.dim() != 0:
        raise ValueError(
            f"{where}: expected weights of the target's shape {shape}, or one per sample "
            f"({shape[0] if shape else ''},), found {tuple(weights.shape)}"
        )
    if is_readable(weights) and weights.numel() and not bool((weights >= 0).all() & torch.isfinite(weights).all()):
        raise ValueError(f"{where}: expected weights of 0 or more, found {float(weights.min()):g}")
    return weights.detach().expand(shape)
