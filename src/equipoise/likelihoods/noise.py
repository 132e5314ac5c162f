"""The noise of one task: its log-variance s = log σ², how it starts, how it moves, and what keeps it in bounds."""

import warnings
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

Init = float | Literal["first_batch"]
Update = Literal["gradient", "closed_form"]


class Noise(nn.Module):
    r"""A log-variance s = log σ², one number or one a channel.

    Args:
        channels: one s for each of so many channels; ``None``: one for the task.
        init: the first s, or ``"first_batch"``: the optimum for the first batch that has a valid element.
        update: ``"gradient"``: s is a parameter (the paper). ``"closed_form"``: s is a buffer that follows the optimum
            for a bias-corrected running mean of the raw loss, this batch included, in training mode.
        momentum: m of the running mean r ← m·r + (1 − m)·L.
        bounds: s is kept within them; reaching one warns.
        prior: (σ₀, strength), see ``equipoise.functional.prior_nll``.
    """

    log_variance: Tensor
    initialized: Tensor
    running_mean: Tensor
    running_weight: Tensor

    def __init__(
        self,
        *,
        channels: int | None = None,
        init: Init = 0.0,
        update: Update = "gradient",
        momentum: float = 0.99,
        bounds: tuple[float, float] = (-40.0, 40.0),
        prior: tuple[float, float] | None = None,
    ) -> None:
        super().__init__()
        _check(channels, init, update, momentum, bounds, prior)
        self.channels, self.init, self.update, self.momentum = channels, init, update, momentum
        self.bounds, self.prior = bounds, prior
        shape = () if channels is None else (channels,)
        start = torch.full(shape, 0.0 if init == "first_batch" else float(init))
        if update == "gradient":
            self.log_variance = nn.Parameter(start)
        else:
            self.register_buffer("log_variance", start)
            self.register_buffer("running_mean", torch.zeros(shape))
            self.register_buffer("running_weight", torch.zeros(shape))
        self.pending = update == "closed_form" or init == "first_batch"
        """Whether a first batch is still awaited; told without asking the device."""
        if update == "gradient" and init == "first_batch":
            self.register_buffer("initialized", torch.zeros((), dtype=torch.bool))
        self._at_bound = False

    def for_batch(
        self, statistic: Tensor, count: Tensor, optimum: Callable[[Tensor], Tensor], *, in_bounds: bool = False
    ) -> Tensor:
        """The log-variance to use on a batch, moved first where a start or a running mean asks for it.

        Args:
            statistic: the mean that ``optimum`` takes, one for each noise channel.
            count: valid elements of each noise channel; where there are none, s stays put.
            optimum: the best s for a statistic.
            in_bounds: s is known to be within its bounds.
        """
        s = self.log_variance
        if not self.training:
            return s
        if in_bounds and self.update == "gradient" and not self.pending:
            return s
        with torch.no_grad():
            if self.update == "closed_form":
                self._track(statistic, count, optimum)
                return s
            started = self._start(statistic, count, optimum) if self.pending else None
            s.clamp_(*self.bounds)
        # At the optimum the gradient is a rounding error, which Adam would blow up to a whole step.
        return s if started is None else torch.where(started, s.detach(), s)

    def _track(self, statistic: Tensor, count: Tensor, optimum: Callable[[Tensor], Tensor]) -> None:
        # A running mean must not take what is not finite: the step is about to be refused.
        seen = (count > 0) & torch.isfinite(statistic)
        keep = torch.where(seen, self.momentum, 1.0)
        value = torch.where(seen, statistic, 0.0).to(self.running_mean.dtype)
        self.running_mean.mul_(keep).add_((1.0 - keep) * value)
        self.running_weight.mul_(keep).add_(1.0 - keep)
        best = optimum(self.running_mean / self.running_weight.clamp_min(1e-12)).clamp(*self.bounds)
        self.log_variance.copy_(torch.where(self.running_weight > 0, best, self.log_variance))
        if self.pending and not torch.compiler.is_compiling():
            self.pending = not bool((self.running_weight > 0).all())

    def _start(self, statistic: Tensor, count: Tensor, optimum: Callable[[Tensor], Tensor]) -> Tensor:
        usable = (count > 0) & torch.isfinite(statistic) & ~self.initialized
        best = optimum(torch.where(usable, statistic, 1.0)).clamp(*self.bounds)
        self.log_variance.copy_(torch.where(usable, best.to(self.log_variance.dtype), self.log_variance))
        self.initialized.logical_or_(usable.any())
        if not torch.compiler.is_compiling():
            self.pending = not bool(self.initialized)
        return usable

    def warn_at_bound(self, values: list[float], where: str) -> bool:
        """Warn once when a log-variance lies on a bound or beyond; whether one does."""
        low, high = self.bounds
        reached = any(v <= low or v >= high for v in values)
        if reached and not self._at_bound:
            warnings.warn(
                f"{where}: log σ² has reached its bounds [{low:g}, {high:g}]: the task's loss is degenerate, or its "
                "unit is far from 1 (standardize=True, or other bounds=)",
                stacklevel=2,
            )
        self._at_bound = reached
        return reached

    def set_log_variance(self, value: Tensor) -> None:
        """Put s to a value, as a fit on held-out data does; a pending start is off."""
        with torch.no_grad():
            self.log_variance.copy_(value.to(self.log_variance.dtype).clamp(*self.bounds))
            if "initialized" in self._buffers:
                self.initialized.fill_(True)
                self.pending = False

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)
        if "initialized" in self._buffers:
            self.pending = not bool(self.initialized)
        elif self.update == "closed_form":
            self.pending = not bool((self.running_weight > 0).all())

    def extra_repr(self) -> str:
        """The settings that differ from the plain ones, and s."""
        said = [f"init={self.init!r}", f"update={self.update!r}"]
        said += [f"channels={self.channels}"] if self.channels is not None else []
        said += [f"prior={self.prior}"] if self.prior is not None else []
        return ", ".join(said)


def _check(
    channels: int | None,
    init: Init,
    update: str,
    momentum: float,
    bounds: tuple[float, float],
    prior: tuple[float, float] | None,
) -> None:
    low, high = bounds
    if not low < high:
        raise ValueError(f"bounds: expected (low, high) with low < high, found {bounds!r}")
    if channels is not None and (isinstance(channels, bool) or not isinstance(channels, int) or channels < 1):
        raise ValueError(f"channels: expected a whole number of at least 1 or None, found {channels!r}")
    if update not in ("gradient", "closed_form"):
        raise ValueError(f"update: expected 'gradient' or 'closed_form', found {update!r}")
    if init != "first_batch" and (isinstance(init, str | bool) or not low <= float(init) <= high):
        raise ValueError(f"init: expected a number within {bounds} or 'first_batch', found {init!r}")
    if not 0.0 <= momentum < 1.0:
        raise ValueError(f"momentum: expected at least 0 and below 1, found {momentum!r}")
    if prior is not None and not (prior[0] > 0 and prior[1] > 0):
        raise ValueError(f"prior: expected (sigma0, strength), both above 0, found {prior!r}")
