"""How sure the comparison of methods is: AP on many streets, and its differences with intervals.

The streets are those in EQUIPOISE_HELD_OUT, made by ``equipoise generate FOLDER --train 0 --val 400 --seed 7``; neither
the network nor any method's parameters saw them. Intervals are those of 1000 draws of the images with replacement, the
same draws for every method (a paired bootstrap); slow methods see the first images only.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from benchmarks.grouping_inputs import (
    ImageQuality,
    Input,
    grouped_by,
    image_qualities,
    make_inputs,
    read,
    streets_are_missing,
)
from benchmarks.grouping_methods import COMPARED
from benchmarks.grouping_oracles import with_true_centres
from benchmarks.resampling import Values, draws, resampled_ap
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.vocabulary import SceneVocabulary

HELD_OUT = Path(os.environ.get("EQUIPOISE_HELD_OUT", "runs/held-out-streets"))
DRAWS = 1000
FIRST = {"HDBSCAN": 100, "optics": 30}
"""The images that slow methods see; the others see all."""
Figures = tuple[Values, Values, Values]


def run() -> Iterator[str]:
    """For each kind of input and method: AP, F1 and PQ of things, and the difference of each to the default."""
    if missing := list(streets_are_missing(HELD_OUT, "--train 0 --val 400 --seed 7")):
        yield from missing
        return
    samples, vocabulary = read(HELD_OUT, int(os.environ.get("EQUIPOISE_IMAGES", "400")))
    for title, inputs in make_inputs(samples).items():
        yield from lines(title, inputs, samples, vocabulary)


def lines(title: str, inputs: Sequence[Input], samples: Sequence[Sample], vocabulary: SceneVocabulary) -> Iterator[str]:
    """A line for each method."""
    methods = {name: grouped_by(method) for name, method in COMPARED.items()}
    methods["true centres (an oracle)"] = with_true_centres
    default = image_qualities(methods["votes"], inputs, samples, vocabulary)
    all_figures = figures(default, draws(len(default), DRAWS))
    for name, method in methods.items():
        number = min(FIRST.get(name, len(samples)), len(samples))
        drawn = draws(number, DRAWS)
        other = all_figures if number == len(samples) else figures(default[:number], drawn)
        own = other
        if name != "votes":
            own = figures(image_qualities(method, inputs[:number], samples[:number], vocabulary), drawn)
        yield f"{title}, {name}, {number} images: {compared(own, other)}"


def compared(own: Figures, default: Figures) -> str:
    """Figures, and how far they are above the default's, with the central 95 % of the draws."""
    words = []
    for name, one, other in zip(("AP", "F1", "PQ things"), own, default, strict=True):
        low, high = np.quantile((one - other)[1:], (0.025, 0.975))
        words.append(f"{name} {one[0]:.1%} ({one[0] - other[0]:+.1%}, {low:+.1%} … {high:+.1%})")
    return ", ".join(words).replace("%", " %")


def figures(images: Sequence[ImageQuality], drawn: Values) -> Figures:
    """AP, F1 and PQ of things of each draw."""
    right, found, true = (drawn @ np.stack([each.counts for each in images])).T
    iou, matches, wrong, missed = (
        drawn @ np.stack([getattr(each.panoptic, name)[each.panoptic.things] for each in images])
        for name in ("iou", "matches", "wrong", "missed")
    )
    weight = matches + (wrong + missed) / 2
    pq = np.divide(iou, weight, out=np.full_like(weight, np.nan), where=weight > 0)
    ap = resampled_ap([each.precision for each in images], drawn)
    return ap, 2 * right / np.maximum(found + true, 1), np.nanmean(pq, 1)
