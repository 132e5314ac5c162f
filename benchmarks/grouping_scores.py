"""Which score of an instance gives the best AP: class probability, closeness of its votes, or both.

AP needs a score to rank objects by, and the paper gives none. The objects are the same in every row.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from benchmarks.grouping_inputs import Input, make_inputs, quality, read, run_is_missing
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.grouping import Grouping, group

Values = npt.NDArray[np.float64]
Score = Callable[[Values, Values, Values], Values]
SCORES: dict[str, Score] = {
    "class probability × closeness": lambda probability, closeness, pixels: probability * closeness,
    "class probability": lambda probability, closeness, pixels: probability,
    "closeness": lambda probability, closeness, pixels: closeness,
    "class probability × √closeness": lambda probability, closeness, pixels: probability * np.sqrt(closeness),
    "pixels": lambda probability, closeness, pixels: pixels,
    "class probability × closeness × √pixels": lambda probability, closeness, pixels: (
        probability * closeness * np.sqrt(pixels)
    ),
    "none (all equal)": lambda probability, closeness, pixels: np.ones_like(pixels),
}
"""Scores by the mean probability of an object's class, the default's closeness of its votes, and its size."""


def run() -> Iterator[str]:
    """AP of each score."""
    if missing := list(run_is_missing()):
        yield from missing
        return
    samples, vocabulary = read()
    inputs = make_inputs(samples)
    kinds = {
        "predicted": inputs["predicted"],
        "true classes, predicted probabilities": [
            (offsets, classes, probability)
            for (offsets, _, probability), (_, classes, _) in zip(inputs["predicted"], inputs["true"], strict=True)
        ],
        "noisy": inputs["noisy"],
    }
    for title, given in kinds.items():
        for name, score in SCORES.items():
            found = quality(scored(score), given, samples, vocabulary)
            yield f"{title}, {name}: AP {found.ap:.2%}, AP50 {found.ap50:.2%}"


def scored(score: Score) -> Callable[[Input, Sample, tuple[tuple[int, ...], ...]], Grouping]:
    """The default grouping with another score."""

    def grouped(one: Input, sample: Sample, groups: tuple[tuple[int, ...], ...]) -> Grouping:
        offsets, classes, probability = one
        by_closeness, by_both = group(offsets, classes, groups), group(*one[:2], groups, confidence_HW=probability)
        closeness, product = (np.array([i.score for i in g.instances]) for g in (by_closeness, by_both))
        pixels = np.array([i.pixels for i in by_both.instances]) / classes.size
        new = score(product / np.maximum(closeness, 1e-9), closeness, pixels)
        instances = tuple(replace(i, score=float(s)) for i, s in zip(by_both.instances, new, strict=True))
        return replace(by_both, instances=instances)

    return grouped
