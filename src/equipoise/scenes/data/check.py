"""Find what is wrong with a data set before training does: every image is read, nothing is written."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.data.ahead import ahead
from equipoise.scenes.data.images import broken_png, stored_bits
from equipoise.scenes.data.sample import IGNORE, FileDataset, Sample, SceneVocabulary

NEAREST_M, FARTHEST_M = 0.01, 10_000.0
SHOWN_INSTANCES = 3
MARK = "mark the class countable, or set instance.only_countable = true"


@dataclass(kw_only=True)
class SplitReport:
    """What one split holds.

    Attributes:
        images: how many were listed; ``readable``: of those, how many could be read with all their labels.
        labels: how many readable images have each kind of label; ``missing``: how many of all have no file of it.
        classes: how many images show each class.
        instances: how many objects there are.
        sizes: how many images of each size, ``WIDTHxHEIGHT``.
        bits: how many depth and instance labels are stored in so many bits, ``KIND, BITS bit``.
        uncounted: instance labels without any instance, of images that show a countable class.
        agreement: how many more instances lie on the class that their id tells than on another.
        crossed: labels with instances on another class than their id tells, a line each; ``void``: labels without any
            class.
        faults: what is wrong, a line each, with the path.
        notes: what may be meant so and should be looked at, a line each.
    """

    images: int = 0
    readable: int = 0
    labels: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    instances: int = 0
    sizes: Counter[str] = field(default_factory=Counter)
    bits: Counter[str] = field(default_factory=Counter)
    uncounted: list[str] = field(default_factory=list)
    agreement: int = 0
    crossed: list[str] = field(default_factory=list)
    void: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, other: "SplitReport") -> None:
        """Count what another report counted, too."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)

    def as_table(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {name: dict(value) if isinstance(value, Counter) else value for name, value in vars(self).items()}


def check_split(dataset: FileDataset, *, on_image: Callable[[], None] = lambda: None) -> SplitReport:
    """Read every image of a split with all its labels, and say what it holds and what is wrong."""
    report = SplitReport()
    for one in ahead(partial(_examined, dataset), range(len(dataset))):
        report.add(one)
        on_image()
    report.faults += [*_mixed(dataset, report, "inverse_depth"), *dataset.without_image()]
    if report.agreement > 0:
        report.faults += report.crossed
    elif report.crossed:
        own = "do ids count classes in their own way, or is the factor wrong?"
        report.notes.append(f"{report.crossed[0]} ({len(report.crossed)} such labels): {own}")
    report.notes += [*dataset.remarks(), *_nowhere(report, dataset.vocabulary), *_mixed(dataset, report, "instance")]
    if report.void:
        first, more = report.void[0], len(report.void)
        report.notes.append(f"{first}: expected class labels, found none in the whole image ({more} such labels)")
    if report.uncounted:
        first, more = report.uncounted[0], len(report.uncounted)
        report.notes.append(f"{first}: expected instances on countable classes, found none at all ({more} such labels)")
    return report


def _examined(dataset: FileDataset, index: int) -> SplitReport:
    """What one image with its labels adds to the report."""
    vocabulary, report = dataset.vocabulary, SplitReport(images=1)
    try:
        files = dataset.files(index)
        report.missing.update(set(vocabulary.labels) - files.keys())
        sample = dataset[index]
        dataset.camera(index)
    except DataError as error:
        report.faults.append(str(error))
        return report
    report.readable = 1
    report.sizes[f"{sample.size[1]}x{sample.size[0]}"] = 1
    report.labels.update(kind for kind in vocabulary.labels if getattr(sample, kind) is not None)
    if sample.semantic is not None:
        present = np.flatnonzero(np.bincount(sample.semantic.reshape(-1), minlength=256)).tolist()
        report.void += [str(files["semantic"])] * (present == [IGNORE])
        report.classes.update(vocabulary.classes[k].name for k in present if k != IGNORE)
        if sample.instance is not None and not sample.instance.any() and set(present) & set(vocabulary.countable):
            report.uncounted.append(str(files["instance"]))
    if sample.instance is not None:
        report.instances = len(instance_classes(sample)[0])
        report.agreement, crossed = _by_their_ids(dataset, sample)
        if crossed:
            told = f"expected instances on the class that their ids tell, found {crossed}"
            report.crossed.append(f"{files['instance']}: {told}")
    kinds = [kind for kind in ("instance", "inverse_depth") if getattr(sample, kind) is not None]
    report.bits.update(f"{kind}, {stored_bits(files[kind])} bit" for kind in kinds)
    report.faults += filter(None, [broken_png(files["image"])])
    report.faults += faults(sample, vocabulary, files)
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


def _mixed(dataset: FileDataset, report: SplitReport, kind: str) -> Iterator[str]:
    """A kind of label that is stored in 8 bit here and in 16 there."""
    found = {bits: report.bits[f"{kind}, {bits} bit"] for bits in (8, 16) if report.bits[f"{kind}, {bits} bit"]}
    if len(found) > 1:
        rare = min(found, key=lambda bits: found[bits])
        path = next(path for path in paths_of(dataset, kind) if stored_bits(path) == rare)
        told = " and ".join(f"{count} of {bits} bit" for bits, count in found.items())
        yield f"{path}: expected {kind} labels of one number of bits, found {told}: were some saved in too few?"


def paths_of(dataset: FileDataset, kind: str) -> Iterator[Path]:
    """The files of a kind, but for those that may not be read."""
    for index in range(len(dataset)):
        try:
            path = dataset.files(index).get(kind)
        except DataError:
            continue
        if path is not None:
            yield path


def faults(sample: Sample, vocabulary: SceneVocabulary, files: Mapping[str, Path]) -> Iterator[str]:
    """What is wrong with labels that can be read; ``files``: where each kind lies."""
    if sample.semantic is not None and sample.instance is not None and (wrong := _without_class(sample, vocabulary)):
        yield f"{files['instance']}: expected instances on countable classes, found {wrong}: {MARK}"
    if sample.inverse_depth is not None:
        yield from _depth_faults(sample, vocabulary, files["inverse_depth"])


def _depth_faults(sample: Sample, vocabulary: SceneVocabulary, path: Path) -> Iterator[str]:
    """No depth but the sky's, disparity larger than the image is wide, metres that no street has."""
    assert sample.inverse_depth is not None
    known = sample.inverse_depth[~np.isnan(sample.inverse_depth)]
    sky = vocabulary.sky is not None and sample.semantic is not None and sample.semantic == vocabulary.sky
    if not np.any(~np.isnan(sample.inverse_depth) & ~np.asarray(sky)) and not np.all(sky):
        apart = " but its sky" if np.any(sky) else ""
        yield f"{path}: expected depth labels, found none in the whole image{apart}"
    near = known[known > 0]
    if not near.size or vocabulary.inverse_depth_unit == "relative":
        return
    low, high = float(near.min()), float(near.max())
    if vocabulary.inverse_depth_unit == "px" and high > sample.size[1]:
        told = f"disparity of 0 … {sample.size[1]} px, as the image is wide, found {low:.4g} … {high:.4g} px"
    elif vocabulary.inverse_depth_unit == "1/m" and not 1 / FARTHEST_M <= low <= high <= 1 / NEAREST_M:
        told = f"depth of {NEAREST_M:g} … {FARTHEST_M:,.0f} m, found {1 / high:.4g} … {1 / low:.4g} m"
    else:
        return
    yield f"{path}: expected {told}: check the depth's offset, divisor and invalid numbers"


def _without_class(sample: Sample, vocabulary: SceneVocabulary) -> str:
    """Instances most of whose pixels have no class label, or that of a class whose objects are not counted."""
    ids, counts = instance_classes(sample)
    wrong = []
    for identity, k in zip(ids.tolist(), counts.argmax(1).tolist(), strict=True):
        if k == IGNORE:
            wrong.append(f"{identity} without a class label")
        elif k not in vocabulary.countable:
            wrong.append(f"{identity} on {vocabulary.classes[k].name}")
    return _some(wrong)


def _by_their_ids(dataset: FileDataset, sample: Sample) -> tuple[int, str]:
    """How many more instances lie on the class that their id tells than on another countable one, and the latter."""
    agreement, crossed, vocabulary = 0, [], dataset.vocabulary
    ids, counts = instance_classes(sample)
    for identity, k in zip(ids.tolist(), counts.argmax(1).tolist(), strict=True):
        told = dataset.class_of(identity)
        if told is None or k not in vocabulary.countable:
            continue
        agreement += 1 if told == k else -1
        if told != k:
            name = "no class" if told == IGNORE else vocabulary.classes[told].name
            crossed.append(f"{identity} ({name}) on {vocabulary.classes[k].name}")
    return agreement, _some(crossed)


def _some(found: list[str]) -> str:
    """A few of them, and how many more there are."""
    more = f" and {len(found) - SHOWN_INSTANCES} more" if len(found) > SHOWN_INSTANCES else ""
    return ", ".join(found[:SHOWN_INSTANCES]) + more


def instance_classes(sample: Sample) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The ids of a sample's instances, and how many pixels each has of each class index: ``(K, 256)``."""
    assert sample.instance is not None
    where = np.flatnonzero(sample.instance)
    labels = sample.instance.reshape(-1)[where]
    classes = np.full(len(where), IGNORE, np.uint8) if sample.semantic is None else sample.semantic.reshape(-1)[where]
    ids, index = np.unique(labels, return_inverse=True)
    counts = np.bincount(index * 256 + classes, minlength=256 * len(ids)).reshape(len(ids), 256)
    return ids.astype(np.int64), counts
