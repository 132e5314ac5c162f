"""Find what is wrong with a data set before training does: every image is read, nothing is written."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from equipoise.errors import DataError
from equipoise.scenes.data.sample import IGNORE, Sample, SceneDataset, SceneVocabulary

KINDS = ("semantic", "instance", "inverse_depth")
FARTHEST_FRACTION = 1.0
"""A disparity larger than the image is wide is none."""
NEAREST_M = 0.01


@dataclass(kw_only=True)
class SplitReport:
    """What one split holds.

    Attributes:
        images: how many were listed; ``readable``: of those, how many could be read with all their labels.
        labels: how many images have each kind of label.
        classes: how many images show each class.
        instances: how many objects there are.
        sizes: how many images of each size, ``WIDTHxHEIGHT``.
        faults: what is wrong, a line each, with the path.
        notes: what may be meant so and should be looked at, a line each.
    """

    images: int
    readable: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    instances: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def as_table(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


def check_split(dataset: SceneDataset, *, on_image: Callable[[], None] = lambda: None) -> SplitReport:
    """Read every image of a split with all its labels, and say what it holds and what is wrong."""
    report = SplitReport(images=len(dataset))
    for index in range(len(dataset)):
        try:
            sample = dataset[index]
        except DataError as error:
            report.faults.append(str(error))
        else:
            _count(report, sample, dataset.vocabulary)
            report.faults += faults(sample, dataset.vocabulary)
        on_image()
    report.notes += _nowhere(report, dataset.vocabulary)
    return report


def _nowhere(report: SplitReport, vocabulary: SceneVocabulary) -> Iterator[str]:
    """Kinds of label that are described and that no readable image has."""
    for kind in vocabulary.labels if report.readable else ():
        if not report.labels[kind]:
            yield f"expected {kind} labels in some image, found none in all {report.readable}: check where they lie"
    if report.labels["instance"] and not report.instances:
        yield (
            f"expected an instance in some image, found none in all {report.labels['instance']} that have such labels: "
            "check the instances' encoding, factor and background"
        )


def _count(report: SplitReport, sample: Sample, vocabulary: SceneVocabulary) -> None:
    report.readable += 1
    height, width = sample.size
    report.sizes[f"{width}x{height}"] += 1
    report.labels.update(kind for kind in KINDS if getattr(sample, kind) is not None)
    if sample.semantic is not None:
        present = np.unique(sample.semantic)
        report.classes.update(vocabulary.classes[k].name for k in present.tolist() if k != IGNORE)
    if sample.instance is not None:
        report.instances += int(np.count_nonzero(np.unique(sample.instance)))


def faults(sample: Sample, vocabulary: SceneVocabulary) -> Iterator[str]:
    """What is wrong with labels that can be read."""
    if sample.semantic is not None and (sample.semantic == IGNORE).all():
        yield f"{sample.name}: expected class labels, found none in the whole image"
    if sample.semantic is not None and sample.instance is not None:
        for identity, name in _uncountable(sample, vocabulary):
            yield f"{sample.name}: expected instance {identity} on a countable class, found it on {name}"
    if sample.inverse_depth is not None:
        known = sample.inverse_depth[~np.isnan(sample.inverse_depth)]
        sky = vocabulary.sky is not None and sample.semantic is not None and sample.semantic == vocabulary.sky
        if not np.any(~np.isnan(sample.inverse_depth) & ~np.asarray(sky)) and not np.all(sky):
            apart = " but its sky" if np.any(sky) else ""
            yield f"{sample.name}: expected depth labels, found none in the whole image{apart}"
        if not known.size:
            return
        low, high = float(known.min()), float(known.max())
        highest = {"px": FARTHEST_FRACTION * sample.size[1], "1/m": 1 / NEAREST_M}.get(
            vocabulary.inverse_depth_unit or "", float("inf")
        )
        if low < 0 or high > highest:
            unit = vocabulary.inverse_depth_unit
            yield (
                f"{sample.name}: expected inverse depth of 0 … {highest:g} {unit}, found {low:.4g} … {high:.4g}: "
                "check the depth's offset, divisor and invalid numbers"
            )


def _uncountable(sample: Sample, vocabulary: SceneVocabulary) -> Iterator[tuple[int, str]]:
    """Instances most of whose labelled pixels lie on a class whose objects are not counted."""
    assert sample.instance is not None
    assert sample.semantic is not None
    where = (sample.instance > 0) & (sample.semantic != IGNORE)
    ids, index = np.unique(sample.instance[where], return_inverse=True)
    count = np.zeros((len(ids), len(vocabulary.classes)), np.int64)
    np.add.at(count, (index, sample.semantic[where].astype(np.int64)), 1)
    for identity, row in zip(ids.tolist(), count, strict=True):
        k = int(row.argmax())
        if not vocabulary.classes[k].countable:
            yield identity, vocabulary.classes[k].name
