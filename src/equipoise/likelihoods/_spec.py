"""The noise of one likelihood as its bank sees it: settings, form and floor."""

import math
from dataclasses import dataclass

from equipoise.likelihoods._settings import NoiseSettings


@dataclass(frozen=True, kw_only=True)
class NoiseSpec:
    """The noise of one likelihood.

    Attributes:
        settings: what the user asked for.
        linear: (a, r, p) where nll = a·e^(−r·s)·L + p·s; ``None`` where it is no such form.
        reference: log σ² of the floor's reference; ``None``: it is that of the first batch.
    """

    settings: NoiseSettings
    linear: tuple[float, float, float] | None = None
    reference: float | None = None

    @property
    def size(self) -> int:
        """How many log-variances."""
        return self.settings.channels or 1

    def constants(self) -> list[float]:
        """What the bank knows of each entry.

        log a, −r, p, low, high, σ₀, strength, the depth of the floor below the first batch (or ∞), and 1 where s starts
        at the first batch.
        """
        low, high = self.settings.bounds
        floor = self.settings.floor_below(self.reference is not None)
        depth = -2.0 * math.log(floor) if floor > 0 else math.inf
        if self.reference is not None:
            low, depth = max(low, min(self.reference - depth, high)), math.inf
        sigma0, strength = self.settings.prior or (0.0, 0.0)
        starts = float(self.settings.starts_at_first_batch)
        coefficient, rate, penalty = self.linear or (1.0, 1.0, 0.5)
        return [math.log(coefficient), -rate, penalty, low, high, sigma0, strength, depth, starts]
