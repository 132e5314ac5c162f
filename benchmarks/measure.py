"""Measure two functions side by side: they run in turn, so that noise of the machine affects both."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Median times in seconds, and the median and quartiles of the ratios of neighbouring runs."""

    one: float
    other: float
    ratio: float
    low: float
    high: float

    def __str__(self) -> str:
        spread = f"quartiles {self.low:.3f} … {self.high:.3f}"
        return f"{self.ratio:.3f} × ({spread}; medians {self.one:.4g} s, {self.other:.4g} s)"


def side_by_side(
    one: Callable[[], object],
    other: Callable[[], object],
    *,
    rounds: int,
    warm_up: int = 3,
    clock: Callable[[], float] = time.perf_counter,
) -> Ratio:
    """Measure the time of ``one`` relative to ``other``; ``time.process_time`` as ``clock`` on a busy machine."""
    times: tuple[list[float], list[float]] = ([], [])
    for index in range(-warm_up, rounds):
        # Alternate the order, since the second function runs with warmer caches.
        for which in (0, 1) if index % 2 else (1, 0):
            start = clock()
            (one, other)[which]()
            if index >= 0:
                times[which].append(clock() - start)
    ratios = sorted(a / b for a, b in zip(*times, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4)
    return Ratio(statistics.median(times[0]), statistics.median(times[1]), middle, low, high)
