"""Choose the parameters of each method of grouping, on streets that the comparison does not score.

Each method is tuned in the same way: among ``MAKERS``' values, those with the highest mean AP over true vectors, noisy
votes and predicted vectors with true classes. The streets are those in EQUIPOISE_TUNING_STREETS, made by
``equipoise generate FOLDER --train 0 --val 20 --seed 1``; EQUIPOISE_IMAGES limits them.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.grouping_inputs import IMAGES, grouped_by, make_inputs, quality, read, streets_are_missing
from benchmarks.grouping_methods import MAKERS, settings

TUNING = Path(os.environ.get("EQUIPOISE_TUNING_STREETS", "runs/tuning-streets"))
USED = ("true", "noisy", "predicted, true classes")
"""The inputs that count. With predicted classes AP is so low that it would add noise alone."""


def run() -> Iterator[str]:
    """The best settings of each method, and how they compare with the others."""
    if missing := list(streets_are_missing(TUNING, "--train 0 --val 20 --seed 1")):
        yield from missing
        return
    samples, vocabulary = read(TUNING, IMAGES)
    inputs = make_inputs(samples)
    for name in MAKERS:
        tried = []
        for given, method in settings(name):
            aps = [quality(grouped_by(method), inputs[kind], samples, vocabulary).ap for kind in USED]
            tried.append((float(np.mean(aps)), given, aps))
        tried.sort(key=lambda row: -row[0])
        for place, (mean, given, aps) in enumerate(tried[:3], 1):
            each = ", ".join(f"{kind} {ap:.1%}" for kind, ap in zip(USED, aps, strict=True))
            words = ", ".join(f"{key} {value:.4g}" for key, value in given.items())
            yield f"{name}, {place} of {len(tried)}: {words}: mean AP {mean:.1%} ({each})"
