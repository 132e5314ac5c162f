"""The temperature of a trained classifier, fitted on held-out data."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from equipoise.functional import increasing_root
from equipoise.reduction import add_over_ranks


class Temperature(nn.Module):
    """log T of logits f/T: 0 until it is fitted. Source: Guo et al., On Calibration (ICML 2017)."""

    log_temperature: Tensor

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()
        self.register_buffer("log_temperature", torch.zeros(() if channels is None else (channels,)))

    def set(self, value: Tensor) -> None:
        """Take a fitted value."""
        self.log_temperature.copy_(value.to(self.log_temperature.dtype))


def best_log_temperature(slope: Callable[[Tensor], Tensor], bounds: tuple[float, float], like: Tensor) -> Tensor:
    """The s where the cross entropy of f·e^(−s) has no slope.

    Args:
        slope: s → −Σ ∂CE/∂(e^(−s)) = Σ (f_y − E[f]), which increases with s: the cross entropy is convex in e^(−s).
        bounds: of s.
        like: a tensor of s's shape and device.
    """
    return increasing_root(lambda s: add_over_ranks(slope(s)), *bounds, like.detach().double())
