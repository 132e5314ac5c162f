"""Warnings about log-variances that no optimizer moves, that reach a bound, or that lag far behind their optimum."""

import math
import warnings
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from equipoise._execution import may_wait_for
from equipoise._stepping import is_in_any_optimizer
from equipoise.likelihoods._sharding import local
from equipoise.likelihoods._spec import NoiseSpec

LAG, LAG_LOOKS, LOOK_EVERY = 3.0, 20, 10
"""σ lags when s is this far from its optimum in this many checks, one every 10 batches, and the gap has not halved."""
HELD_STEPS = 2
"""Steps of one optimizer before a warning: after its first step, one that holds the log-variances may still follow."""


class OwnershipWatch:
    """Warns when optimizers step while a parameter has a gradient, and none of them moves it.

    On an accelerator the parameter is read back at the 1st, 2nd, 4th, 8th … such step only.
    """

    def __init__(self) -> None:
        self.settled = False
        self._steps: dict[int, int] = {}
        self._looks = 0
        self._value_then: Tensor | None = None

    def after_step(self, optimizer: Optimizer, parameter: Tensor, message: Callable[[], str]) -> None:
        """Record the step of an optimizer that does not hold ``parameter``."""
        gradient = parameter.grad
        if self.settled or gradient is None or not parameter.requires_grad:
            return
        value = local(parameter.detach())
        if self._value_then is None:
            self._value_then = value.clone()
        steps = self._steps[id(optimizer)] = self._steps.get(id(optimizer), 0) + 1
        if steps < HELD_STEPS:
            return
        self._looks += 1
        if not may_wait_for(value, self._looks) or not bool(local(gradient).any()):
            return
        self.settled = True
        if torch.equal(value, self._value_then) and not is_in_any_optimizer(parameter):
            warnings.warn(message(), stacklevel=2)


class BoundWatch:
    """Warns when a log-variance lies on a bound or on its floor; again only after it has left."""

    def __init__(self) -> None:
        self._reached: set[int] = set()

    def look(
        self,
        values: Sequence[float],
        low: Sequence[float],
        high: Sequence[float],
        of: Callable[[int], tuple[NoiseSpec, str]],
    ) -> None:
        """Compare the values with their limits."""
        for i, (value, lo, hi) in enumerate(zip(values, low, high, strict=True)):
            if lo < value < hi:
                self._reached.discard(i)
            elif i not in self._reached and not math.isnan(value):
                self._reached.add(i)
                spec, name = of(i)
                warnings.warn(_bound_message(spec, name, value <= lo, lo), stacklevel=2)


def _bound_message(spec: NoiseSpec, name: str, is_low: bool, low: float) -> str:
    bounds = spec.settings.bounds
    if is_low and low > bounds[0]:
        return (
            f"{name}: σ has reached its floor (log σ² = {low:.3g}): the task's loss tends to zero, and without the "
            "floor its weight would grow without end. Is its target constant, or memorised? If it is that exact, lower "
            "floor=, or set prior= to the error of the targets"
        )
    return (
        f"{name}: log σ² has reached its bounds [{bounds[0]:g}, {bounds[1]:g}]: the task's loss is degenerate, or its "
        "unit is far from 1 (standardize=True, or other bounds=)"
    )


class LagWatch:
    """Warns once when a σ stays far from its optimum for many batches."""

    def __init__(self) -> None:
        self._looks = 0
        self._warned = False
        self._lags: dict[int, tuple[int, float]] = {}

    def look(
        self, values: Callable[[], Sequence[float]], best: Callable[[], Sequence[float]], name_of: Callable[[int], str]
    ) -> None:
        """Compare s with its optimum, every few batches."""
        self._looks += 1
        if self._warned or self._looks % LOOK_EVERY:
            return
        for i, (s, b) in enumerate(zip(values(), best(), strict=True)):
            gap = abs(s - b)
            if not math.isfinite(b) or gap <= LAG:
                self._lags.pop(i, None)
                continue
            looks, first = self._lags.get(i, (0, gap))
            self._lags[i] = (looks + 1, first)
            if looks + 1 >= LAG_LOOKS and gap > 0.5 * first:
                self._warned = True
                warnings.warn(
                    f"{name_of(i)}: σ lags far behind: log σ² is {s:.3g} and its optimum about {b:.3g}, and has been "
                    f"far from it for {LAG_LOOKS * LOOK_EVERY} batches: raise log_variance_lr in param_groups, start "
                    "with init='first_batch', or use update='closed_form'",
                    stacklevel=2,
                )
                return


def warn_of_refit(name: str, best: Tensor, known: Tensor, bounds: tuple[float, float]) -> None:
    """Warn where held-out data do not determine the noise, or where its best value lies outside the bounds."""
    if not bool(known.all()):
        warnings.warn(
            f"{name}: refit: these data do not determine the noise (no label, a loss of zero, too few rows, or entries "
            "that are not finite), so it stays as it was",
            stacklevel=3,
        )
    if bool((known & ((best <= bounds[0]) | (best >= bounds[1]))).any()):
        warnings.warn(
            f"{name}: refit: the best value reaches its bounds [{bounds[0]:g}, {bounds[1]:g}], so these data do not "
            "determine it: check whether the outputs are perfect on them, or useless",
            stacklevel=3,
        )
