"""The unit of a regression target: its offset and scale, so that a network may work in dimensionless numbers."""

import warnings
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.reduction import add_over_ranks


class Unit(nn.Module):
    """target = offset + scale · dimensionless; learned once, from the first batch or by ``fit``.

    One offset and scale for the task, or one a channel. A target without spread gets scale 1 and a warning.
    """

    offset: Tensor
    scale: Tensor
    fitted: Tensor

    def __init__(self, channels: int | None) -> None:
        super().__init__()
        shape = () if channels is None else (channels,)
        self.register_buffer("offset", torch.zeros(shape))
        self.register_buffer("scale", torch.ones(shape))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))
        self.pending = True
        """Whether a first batch is still awaited; told without asking the device."""

    @torch.no_grad()
    def fit(self, target_CE: Tensor, valid_CE: Tensor, where: str, *, only_if_new: bool = False) -> None:
        """Take offset and scale from the valid elements E of each channel C (C = 1 for a scalar unit).

        Mean and standard deviation, in float64, over all ranks.
        """
        values = torch.where(valid_CE, target_CE, 0.0).double()
        count = add_over_ranks(valid_CE.sum(1).double()).clamp_min(1.0)
        mean = add_over_ranks(values.sum(1)) / count
        squares = torch.where(valid_CE, values - mean[:, None], 0.0).square().sum(1)
        spread = (add_over_ranks(squares) / count).sqrt()
        flat = spread <= 4 * torch.finfo(target_CE.dtype).eps * mean.abs()
        take = add_over_ranks(valid_CE.any().long()) > 0
        if only_if_new:
            take = take & ~self.fitted
        shape = self.offset.shape
        new_scale = torch.where(flat, 1.0, spread).reshape(shape).to(self.scale.dtype)
        self.offset.copy_(torch.where(take, mean.reshape(shape).to(self.offset.dtype), self.offset))
        self.scale.copy_(torch.where(take, new_scale, self.scale))
        self.fitted.logical_or_(take)
        if torch.compiler.is_compiling():
            return
        self.pending = not bool(self.fitted)
        if not self.pending and bool(flat.any()):
            warnings.warn(f"{where}: the targets have no spread: they keep the scale 1", stacklevel=2)

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        self.pending = not bool(self.fitted)

    def extra_repr(self) -> str:
        """Offset and scale."""
        return f"offset={self.offset.tolist()}, scale={self.scale.tolist()}"
