"""Locations at the size of the labels."""

from torch import Tensor
from torch.nn import functional


def upsampled(location: Tensor, size: tuple[int, int]) -> Tensor:
    """Interpolate ``(C, h, w)`` bilinearly to ``(C, *size)``, with pixel centres aligned as when images are resized."""
    if tuple(location.shape[-2:]) == size:
        return location
    return functional.interpolate(location[None], size=size, mode="bilinear", align_corners=False)[0]
