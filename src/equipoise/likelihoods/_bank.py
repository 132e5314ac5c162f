"""How log-variances start, move and are guarded: the part of a bank that acts in forward passes and optimizer steps.

Many tasks share one vector, so that a training step costs hardly more with fifty tasks than with two.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import Optimizer

from equipoise._execution import in_functorch, is_readable, is_recomputing, may_wait_for
from equipoise._stepping import Followed, follow, holds
from equipoise.likelihoods._log_variances import LogVariances
from equipoise.likelihoods._sharding import as_stored, is_sharded, local
from equipoise.likelihoods._spec import NoiseSpec
from equipoise.likelihoods._watch import BoundWatch, LagWatch, OwnershipWatch

FARTHEST = 1.0
"""A step may carry s this far beyond the batch's optimum. A step that goes farther ends at the optimum."""
Optimum = Callable[[Tensor], Tensor]


class NoiseBank(LogVariances, Followed):
    """Log-variances, and everything that moves or guards them.

    Attributes:
        labelled: which entries had labels since the last optimizer step.
        best: the latest optimum of each entry.
    """

    labelled: Tensor
    best: Tensor

    def __init__(self, specs: Sequence[NoiseSpec]) -> None:
        super().__init__(specs)
        # These live from a forward pass to the next step.
        self.register_buffer("labelled", torch.empty_like(self.low), persistent=False)
        self.register_buffer("best", torch.empty_like(self.low), persistent=False)
        self._begin_to_watch()
        self.reset_parameters()
        follow(self)

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset to the initial state, as is needed after ``to_empty``."""
        super().reset_parameters()
        self.labelled.zero_()
        self.best.zero_()

    def _begin_to_watch(self) -> None:
        self.ownership, self.bounds, self.lag = OwnershipWatch(), BoundWatch(), LagWatch()
        self.has_run = self._fresh = self._traced = self.all_labelled = False
        self._steps = 0
        self._before: Tensor | None = None
        self._optimum: Callable[[], Tensor] | None = None
        self._starts: Tensor | None = None
        self._rows = self._limits = None

    def __setstate__(self, state: dict[str, Any]) -> None:
        """A copy starts its own watches."""
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self._begin_to_watch()
        follow(self)

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what lives only from a forward pass to the next step."""
        return self.__dict__ | {"_optimum": None, "_before": None, "_starts": None, "_rows": None}

    # The forward pass.

    def for_batch(
        self, span: slice, statistic: Tensor, count: Tensor, optimum: Optimum, *, training: bool, deferred: bool = False
    ) -> Tensor:
        """The log-variances to use for a batch, after a start that is due or an update in closed form.

        Args:
            span: the entries of one likelihood.
            statistic: the mean that ``optimum`` takes, one for each entry.
            count: the number of valid elements of each entry; where it is 0, s keeps its value.
            optimum: maps a statistic to the best s.
            training: whether anything may move.
            deferred: the batch's sums depend on the present s, so the closed form takes effect one batch later: the
                likelihood calls ``catch_up`` before the next batch.
        """
        if not training or in_functorch():
            return self.values()[span]
        if is_recomputing():
            return self.second_pass(span)
        if statistic.numel() == len(self.low) and self.is_at_rest() and is_readable(count) and bool((count > 0).all()):
            self.mark_healthy(lambda: optimum(statistic))
            return self.values()
        with torch.no_grad():
            informed = (count > 0) & torch.isfinite(statistic) & (statistic > 0)
            best = optimum(torch.where(informed, statistic, 1.0)).to(self.low.dtype)
            informed = informed & torch.isfinite(best)
            self._mark(span, count, informed, best)
            if self.pending:
                self._start(span, informed, best)
            if not self.by_gradient:
                return self._track(span, statistic, informed, optimum, deferred)
            high, s = self.rows().high[span], self.values()[span]
            # At its upper bound a task has almost no weight, and no gradient would bring s back: reset it.
            s = torch.where((s >= high) & informed, best, s)
            self.write(span, torch.clamp(s, self.low[span], high))
        return self.second_pass(span)

    def is_at_rest(self) -> bool:
        """Whether every s has started and lies within its bounds, so that a batch only needs the values; CPU only."""
        if not self.by_gradient or not is_readable(self.low) or is_sharded(self.log_variance):
            return False
        self._settle()
        if self.pending:
            return False
        low, high = self.limits()
        values = self.log_variance.tolist()
        if all(lo < v < hi for v, lo, hi in zip(values, low, high, strict=True)):
            return True
        if self.training:
            self.warn_at_bounds(values)
        return all(lo <= v < hi for v, lo, hi in zip(values, low, high, strict=True))

    def _settle(self) -> None:
        """End the starting phase once every entry has seen data with information."""
        if not self.pending or is_recomputing() or not may_wait_for(self.low, self._steps):
            return
        if bool((self.started > 0).all()):
            self.started.clamp_(max=1.0)
            self.pending, self._starts = False, None

    def _mark(self, span: slice, count: Tensor, informed: Tensor, best: Tensor) -> None:
        """Record for the coming step which entries had labels, and where their optimum lies."""
        if torch.compiler.is_compiling():
            self._traced = True
        elif not self.has_run:
            self.all_labelled = False
        self.has_run, self._fresh, self._optimum = True, True, None
        self.labelled[span].copy_(torch.maximum(self.labelled[span], (count > 0).to(self.labelled.dtype)))
        self.best[span].copy_(torch.where(informed, best, self.best[span]))

    def mark_healthy(self, optimum: Callable[[], Tensor]) -> None:
        """Record that all entries have labels and none moves; ``optimum`` is called only if a step needs it."""
        self.has_run = self._fresh = self.all_labelled = True
        self._optimum = optimum

    def _start(self, span: slice, informed: Tensor, best: Tensor) -> None:
        """On the first data with information, start s at its optimum where requested, and set the floor."""
        new = informed & (self.started[span] == 0)
        starting = self._starts_at_first_batch(span)
        floor = torch.minimum(best - self.rows().floor_depth[span], self.rows().high[span])
        # A floor guards against a loss that falls; it must not lift an s that starts below it.
        floor = torch.where(starting, floor, torch.minimum(floor, self.values()[span] - 1.0))
        self.low[span].copy_(torch.where(new, torch.maximum(self.low[span], floor), self.low[span]))
        starts = torch.where(new & starting, best, self.values()[span])
        self.write(span, starts)
        if not torch.compiler.is_compiling():
            self._starts = self.values().clone()
        self.started[span].copy_(torch.where(new, 2.0, self.started[span].clamp(max=1.0)))

    def _starts_at_first_batch(self, span: slice) -> Tensor:
        return self.rows().starts[span] > 0

    def second_pass(self, span: slice) -> Tensor:
        """The values after the moves of a first pass; an s that has just started gets no gradient.

        At the optimum its gradient is a rounding error, which Adam would amplify to a full step.
        """
        s = self.values()[span]
        if not self.by_gradient or not self.pending:
            return s
        return torch.where((self.started[span] == 2.0) & self._starts_at_first_batch(span), s.detach(), s)

    def _track(self, span: slice, mean: Tensor, informed: Tensor, optimum: Optimum, deferred: bool) -> Tensor:
        """Update the running mean with batches that have information, and put s to its optimum."""
        weight, total = self.running[0, span], self.running[1, span]
        keep = torch.where(informed, self.momentum, 1.0).to(weight.dtype)
        total.mul_(keep).add_((1.0 - keep) * torch.where(informed, mean, 0.0).to(weight.dtype))
        weight.mul_(keep).add_(1.0 - keep)
        if not deferred:
            self.catch_up(span, optimum)
        return self.log_variance[span].clone()

    @torch.no_grad()
    def catch_up(self, span: slice, optimum: Optimum) -> None:
        """Put s to its optimum for the running mean."""
        weight, total = self.running[0, span], self.running[1, span]
        known = weight > 0
        best = optimum(torch.where(known, total / torch.where(known, weight, 1.0), 1.0)).to(self.low.dtype)
        best = torch.clamp(best, self.low[span], self.rows().high[span])
        self.log_variance[span].copy_(torch.where(known, best, self.log_variance[span]))

    # Around the optimizer's step.

    @torch.no_grad()
    def before_step(self, optimizer: Optimizer) -> None:
        """Remember the values, if this optimizer may change them."""
        if not self.has_run or not self.by_gradient or not holds(optimizer, self.log_variance):
            return
        if self._starts is not None and is_sharded(self.log_variance):
            # Forward passes of a sharded model set a copy of s that no longer exists: write their starts again.
            self.write(slice(None), self._starts)
        self._before = local(self.log_variance.detach()).clone()

    @torch.no_grad()
    def after_step(self, optimizer: Optimizer) -> None:
        """Enforce the bounds, restore s of tasks without labels, and stop steps that overshoot the optimum."""
        if not self.has_run:
            return
        self._steps += 1
        self._settle()
        if self.by_gradient:
            before, self._before = self._before, None
            if before is None:
                # Without a forward pass since the last step, the gradient is stale or belongs to other training.
                if self._fresh:
                    self.ownership.after_step(optimizer, self.log_variance, self._ownership_message)
                self._fresh = False
                return
            self.ownership.settled = True
            self._guard(before)
        if self._traced and is_readable(self.low):
            self.warn_at_bounds(self.values().detach().tolist())
        self.has_run = self._traced = self.all_labelled = False

    def _guard(self, before: Tensor) -> None:
        now = local(self.log_variance.detach())
        if self.all_labelled and is_readable(now) and not is_sharded(self.log_variance):
            old, new = before.tolist(), now.tolist()
            if all(-FARTHEST < b - a < FARTHEST for a, b in zip(old, new, strict=True)):
                if not all(lo <= b <= hi for b, lo, hi in zip(new, *self.limits(), strict=True)):
                    now.copy_(torch.clamp(now, self.low, self.rows().high))
                return
        best = self.best if self._optimum is None else self._optimum()
        best, low, high, labelled = (
            as_stored(v, self.log_variance) for v in (best, self.low, self.rows().high, self.labelled)
        )
        too_far = (now < torch.minimum(before, best) - FARTHEST) | (now > torch.maximum(before, best) + FARTHEST)
        kept = torch.where(too_far & torch.isfinite(best), best.to(now.dtype), now)
        if not self.all_labelled:
            kept = torch.where(labelled > 0, kept, before)
        now.copy_(torch.clamp(kept, low, high))
        self.labelled.zero_()

    # Warnings.

    def watch(self, training: bool) -> None:
        """Warn about bounds and a lagging σ, where reading costs nothing."""
        if training and is_readable(self.low):
            self.warn_at_bounds(self.values().detach().tolist())
            self.look_for_lag()

    def warn_at_bounds(self, values: Sequence[float]) -> None:
        """Warn once for each log-variance that lies on a bound or beyond."""
        self.bounds.look(values, *self.limits(), self.of_entry)

    def look_for_lag(self) -> None:
        """Warn where s stays far from the batches' optimum (within its bounds) for long."""
        if not self.by_gradient:
            return

        def reachable() -> list[float]:
            best = self.best if self._optimum is None else self._optimum()
            values: list[float] = torch.clamp(best, self.low, self.rows().high).tolist()
            return values

        self.lag.look(lambda: self.values().detach().tolist(), reachable, lambda i: self.of_entry(i)[1])

    def _ownership_message(self) -> str:
        return (
            f"{', '.join(self.names)}: the optimizer steps, but holds no log-variance of this likelihood, so σ never "
            "changes: build it from equipoise.param_groups(model, likelihood, lr=...)"
        )
