"""The base class of classifiers: cross entropy with a temperature as noise, approximate or exact."""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Unpack

import torch
from torch import Tensor, nn

from equipoise._reduction import add_over_ranks
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._watch import warn_of_refit
from equipoise.likelihoods.likelihood import Likelihood

Prepared = tuple[Tensor, Tensor, Tensor]
"""Logits, labels, and the weight of each (0 where there is no label), in one shape that suits the likelihood."""
REACH, SPACING, REFINED = 20.0, 0.5, 32
"""log T is searched within ±REACH on a grid of this SPACING, then on a finer grid of REFINED points."""
AT_ONCE = 2**24
"""At most this many numbers are in memory at once while a grid of temperatures is evaluated."""
COIN = math.log(2.0 * math.log(2.0))
"""The optimal s for a coin flip: the reference of a classifier's floor."""


class Temperature(nn.Module):
    """log T of logits f/T: 0 until it is fitted. Source: Guo et al., On Calibration (ICML 2017)."""

    log_temperature: Tensor

    def __init__(self, channels: int | None = None) -> None:
        super().__init__()
        self.register_buffer("log_temperature", torch.empty(() if channels is None else (channels,)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Reset to no fitted temperature."""
        self.log_temperature.zero_()

    def set(self, value: Tensor, where: Tensor) -> None:
        """Set fitted values where they are known."""
        self.log_temperature.copy_(torch.where(where, value.to(self.log_temperature.dtype), self.log_temperature))


class Tempered(Likelihood):
    r"""A likelihood of logits f, by their cross entropy CE.

    *Approximate*: nll = e^(−s)·CE(f, y) + ½·s; the distribution has ``logits = f``, or f/T once ``refit`` has found a
    temperature T. *Exact*: nll = CE(f·e^(−s), y); its sums are CE(f), CE(f·e^(−s)), the slope of that by s, and e^s.

    Args:
        exact: which form.
        **noise: see ``NoiseSettings``.
    """

    def __init__(self, *, exact: bool, **noise: Unpack[NoiseOptions]) -> None:
        super().__init__(linear=None if exact else (1.0, 1.0, 0.5), reference=None if exact else COIN, **noise)
        if exact and self.noise.settings.update == "closed_form":
            name = type(self).__name__
            raise ValueError(f"{name}: update: the exact form has no closed form: use 'gradient', or refit")
        self.exact = exact
        self.summed_rows = 4 if exact else 1
        self.temperature = Temperature(self.noise.channels)

    @abstractmethod
    def _prepared(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> Prepared:
        """Outputs, targets and weights, checked and reshaped."""

    @abstractmethod
    def _slopes(self, s: Tensor, logits: Tensor, labels: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """Σ (f_y − E[f]) at temperatures e^s ``(G, *noise)``, and its derivative by s. It increases with s."""

    @abstractmethod
    def _masses(self, weight: Tensor) -> Tensor:
        """The sum of the weights for each noise channel."""

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """e^(−s)·CE + ½·s; exact: the CE of the scaled logits, whose gradient by s comes with the sums."""
        if not self.exact:
            return super().nll(means, log_variance)
        return means[1] + means[2].detach() * (log_variance - log_variance.detach())

    def statistic(self, means: Tensor) -> Tensor:
        """CE; in the exact form, e^s at a start."""
        return means[3] if self.exact else means[0]

    def optimum(self, statistic: Tensor) -> Tensor:
        """log(2·CE) without a prior; in the exact form, the logarithm of its statistic."""
        return torch.log(statistic) if self.exact else super().optimum(statistic)

    def _fit(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, *, all_ranks: bool
    ) -> tuple[Tensor, Tensor]:
        """In closed form; for the exact form on a refined grid."""
        if not self.exact:
            return super()._fit(output, target, mask, weights, all_ranks=all_ranks)
        prepared = self._prepared(output, target, mask, weights, type(self).__name__)
        best, known = self._best(*prepared, all_ranks=all_ranks)
        return torch.where(known, best, self.log_variance.to(best.dtype)), known

    def refit(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> None:
        """Fit the temperature on held-out data, those of all ranks together; every rank must call it.

        The temperature is e^s in the exact form, and a buffer of its own in the approximate form. It stays as it was,
        with a warning, where the data do not determine it: no label, or every label predicted perfectly. Arguments: see
        ``forward``.
        """
        if self.exact:
            super().refit(output, target, mask, weights=weights)
            return
        with self._asking():
            prepared = self._prepared(output, target, mask, weights, type(self).__name__)
            best, known = self._best(*prepared, all_ranks=True)
            name = self.noise.bank.of_entry(self.noise.span.start)[1]
            warn_of_refit(name, best, known, (-REACH, REACH))
            self.temperature.set(best, known)

    def _best(
        self, logits: Tensor, labels: Tensor, weight: Tensor, *, all_ranks: bool, rounds: int = 2
    ) -> tuple[Tensor, Tensor]:
        """The s that minimises CE(f·e^(−s), y), plus the exact form's prior, and whether the data determine it."""
        prior = self.noise.prior if self.exact else None
        return best_log_temperature(
            lambda s: self._slopes(s, logits, labels, weight),
            self._masses(weight),
            self.noise.settings.bounds,
            prior,
            all_ranks=all_ranks,
            rounds=rounds,
        )

    def _present(self, logits: Tensor, labels: Tensor, weight: Tensor) -> Tensor:
        """The s that scales the logits of a batch, detached; the optimum where a start is due."""
        s = self.log_variance.detach().to(logits.dtype)
        if not (self._is_moving and self.noise.waits_for_start):
            return s
        best, known = self._best(logits.detach(), labels, weight, all_ranks=True, rounds=1)
        return torch.where(known & ~self.noise.is_started(), best.to(s.dtype), s)

    def _start_statistic(self, s: Tensor, mass: Tensor) -> Tensor:
        """The sum whose mean e^s ``optimum`` turns back into s; 0 where a start found nothing."""
        if not (self._is_moving and self.noise.waits_for_start):
            return mass * s.exp()
        unchanged = (s == self.log_variance.detach().to(s.dtype)) & ~self.noise.is_started()
        return torch.where(unchanged, 0.0, mass * s.exp())

    def log_temperature(self) -> Tensor:
        """Log T of the logits f/T of ``distribution``."""
        return self.log_variance.detach() if self.exact else self.temperature.log_temperature

    def extra_repr(self) -> str:
        """The form, and the present s."""
        return f"exact={self.exact}, {super().extra_repr()}"


@torch.no_grad()
def best_log_temperature(
    slopes: Callable[[Tensor], tuple[Tensor, Tensor]],
    mass: Tensor,
    bounds: tuple[float, float],
    prior: tuple[float, float] | None,
    *,
    all_ranks: bool,
    rounds: int,
) -> tuple[Tensor, Tensor]:
    """The s that minimises the cross entropy of f·e^(−s), and whether there is one within reach.

    A grid of s is evaluated at once, so that one reduction over the ranks is enough. Between its points the slope is
    interpolated by a cubic, from its values and derivatives, with an error of about 10⁻⁴ in s; a second round on a
    finer grid brings that to 10⁻⁸.

    Args:
        slopes: maps s ``(G, *noise)`` to Σ (f_y − E[f]), which increases with s since CE is convex in e^(−s), and to
            its derivative by s.
        mass: Σ of the weights.
        bounds: of s.
        prior: (σ₀, strength).
        all_ranks: whether the sums are those of all ranks.
        rounds: 1 or 2.
    """
    low, high = max(bounds[0], -REACH), min(bounds[1], REACH)
    points = max(2, math.ceil((high - low) / SPACING) + 1)
    steps = torch.linspace(0.0, 1.0, points, dtype=mass.dtype, device=mass.device).reshape(-1, *[1] * mass.dim())
    grid = (low + (high - low) * steps).expand(-1, *mass.shape)
    known = None
    for _ in range(rounds):
        slope, derivative, total = _reduced(*slopes(grid), mass, all_ranks)
        slope, derivative = slope / total, derivative / total
        if prior is not None:
            sigma0, strength = prior
            slope = slope + 0.5 * strength * (grid.exp() - sigma0**2)
            derivative = derivative + 0.5 * strength * grid.exp()
        right = (slope > 0).long().argmax(0, keepdim=True).clamp_min(1)
        # Where everything is predicted perfectly, the slope is nowhere below zero: the best T would be 0.
        known = (slope.amin(0) < 0) & (slope[-1] > 0) if known is None else known
        ends = [(t.gather(0, right - 1)[0], t.gather(0, right)[0]) for t in (grid, slope, derivative)]
        best = _cubic_root(*ends)
        (left, right_end), steps = ends[0], torch.linspace(0.0, 1.0, REFINED + 1, dtype=mass.dtype, device=mass.device)
        grid = left + (right_end - left) * steps.reshape(-1, *[1] * mass.dim())
    assert known is not None
    return best, known


def _reduced(slope: Tensor, derivative: Tensor, mass: Tensor, all_ranks: bool) -> tuple[Tensor, Tensor, Tensor]:
    both = torch.cat([slope, derivative, mass[None]])
    both = add_over_ranks(both) if all_ranks else both
    n = len(slope)
    return both[:n], both[n : 2 * n], torch.where(both[-1] > 0, both[-1], 1.0)


def _cubic_root(s: tuple[Tensor, Tensor], value: tuple[Tensor, Tensor], derivative: tuple[Tensor, Tensor]) -> Tensor:
    """Where the cubic through two points with these derivatives is zero between them, by bisection."""
    width = s[1] - s[0]
    low, high = torch.zeros_like(width), torch.ones_like(width)
    for _ in range(40):
        t = 0.5 * (low + high)
        cubic = (
            (1 + 2 * t) * (1 - t) ** 2 * value[0]
            + t * (1 - t) ** 2 * width * derivative[0]
            + t**2 * (3 - 2 * t) * value[1]
            + t**2 * (t - 1) * width * derivative[1]
        )
        low, high = torch.where(cubic > 0, low, t), torch.where(cubic > 0, t, high)
    return s[0] + width * 0.5 * (low + high)
