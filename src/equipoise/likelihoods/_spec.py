"""The noise of one likelihood as its bank sees it: settings, form of the nll, floor."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from equipoise.likelihoods._settings import NoiseSettings


class Constants(NamedTuple):
    """The settings of each log-variance of a bank, with one vector for each quantity.

    nll = a·e^(−r·s)·L + p·s, with s within [``low``, ``high``] and the prior (σ₀, strength). ``floor_depth`` is how far
    the floor lies below the first batch's optimum, or ∞ where the floor is off or part of ``low``. ``starts`` is 1
    where s starts at the optimum of the first batch.
    """

    log_coefficient: Tensor
    negative_rate: Tensor
    penalty: Tensor
    low: Tensor
    high: Tensor
    sigma0: Tensor
    strength: Tensor
    floor_depth: Tensor
    starts: Tensor


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """The noise of one likelihood.

    Attributes:
        settings: what the user asked for.
        linear: (a, r, p) where nll = a·e^(−r·s)·L + p·s; ``None`` for any other form.
        reference: log σ² of the σ that the floor refers to; ``None``: that of the first batch.
    """

    settings: NoiseSettings
    linear: tuple[float, float, float] | None = None
    reference: float | None = None

    @property
    def size(self) -> int:
        """The number of log-variances."""
        return self.settings.channels or 1

    def constants(self) -> list[float]:
        """This likelihood's entry in each vector of ``Constants``, in their order."""
        low, high = self.settings.bounds
        floor = self.settings.floor_below(self.reference is not None)
        depth = -2.0 * math.log(floor) if floor > 0 else math.inf
        if self.reference is not None:
            low, depth = max(low, min(self.reference - depth, high)), math.inf
        sigma0, strength = self.settings.prior or (0.0, 0.0)
        starts = float(self.settings.starts_at_first_batch)
        coefficient, rate, penalty = self.linear or (1.0, 1.0, 0.5)
        return [math.log(coefficient), -rate, penalty, low, high, sigma0, strength, depth, starts]
