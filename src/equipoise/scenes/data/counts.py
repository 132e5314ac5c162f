"""What one image with its labels adds to the report of its split."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.cameras.distances import distances, round_to_3_digits
from equipoise.scenes.data.faults import by_their_ids, faults, instance_classes
from equipoise.scenes.data.sample import IGNORE, FileDataset, Sample
from equipoise.scenes.data.split_report import SplitReport
from equipoise.scenes.data.stored import stored_numbers, wraps
from equipoise.scenes.io.images import broken_png, stored_bits

SAMPLED = 4096
"""The median of depth is that of about so many pixels of each image."""
FEW = 0.01
"""A smaller share of pixels proves nothing."""

Files = Mapping[str, Path]


def counts(dataset: FileDataset, index: int) -> SplitReport:
    """Read an image with all its labels; what is wrong with it is in the report."""
    report = SplitReport(images=1)
    try:
        files = dataset.files(index)
        report.missing.update(set(dataset.vocabulary.labels) - files.keys())
        sample = dataset[index]
        dataset.camera(index)
    except DataError as error:
        report.faults.append(str(error))
        return report
    report.readable = 1
    report.sizes[f"{sample.size[1]}x{sample.size[0]}"] = 1
    report.labels.update(kind for kind in dataset.vocabulary.labels if getattr(sample, kind) is not None)
    _count_classes(report, dataset, sample, files)
    _count_instances(report, dataset, sample, files)
    _count_depth(report, dataset, sample, files)
    report.faults += filter(None, [broken_png(files["image"])])
    report.faults += faults(sample, dataset.vocabulary, files)
    return report


def _count_classes(report: SplitReport, dataset: FileDataset, sample: Sample, files: Files) -> None:
    """Which classes an image shows, and whether its countable ones have instances."""
    if sample.semantic is None:
        return
    vocabulary = dataset.vocabulary
    present = np.flatnonzero(np.bincount(sample.semantic.reshape(-1), minlength=256)).tolist()
    report.void += [str(files["semantic"])] * (present == [IGNORE])
    report.classes.update(vocabulary.classes[k].name for k in present if k != IGNORE)
    if sample.instance is None or not set(present) & set(vocabulary.countable):
        return
    path, with_id = str(files["instance"]), sample.instance > 0
    report.countable = 1
    if not with_id.any():
        report.uncounted.append(path)
    elif dataset.class_of(1) is None:  # Where ids tell classes, smaller numbers mean groups.
        counted = np.isin(sample.semantic, vocabulary.countable)
        report.without_id += [path] * bool(np.mean(with_id[counted]) < 1 - FEW)


def _count_instances(report: SplitReport, dataset: FileDataset, sample: Sample, files: Files) -> None:
    """How many instances an image has, and whether they lie on the class that their ids tell."""
    if sample.instance is None:
        return
    path = files["instance"]
    report.instances = len(instance_classes(sample)[0])
    report.agreement, crossed = by_their_ids(dataset, sample)
    if crossed:
        report.crossed.append(f"{path}: expected instances on the class that their ids tell, found {crossed}")
    bits = stored_bits(path)
    report.bits[f"instance, {bits} bit"] = 1
    stored = stored_numbers(path)
    if stored is None:
        return
    report.pixels["instance"] = stored.size
    _count_largest(report, "instance", bits, stored[sample.instance > 0])
    report.full += [str(path)] * (bits == 8 and report.instances >= 255)


def _count_depth(report: SplitReport, dataset: FileDataset, sample: Sample, files: Files) -> None:
    """How far away things are, and how the numbers of depth were stored."""
    if sample.inverse_depth is None:
        return
    far = distances(sample.inverse_depth, dataset.vocabulary.inverse_depth_unit)
    if far.size:
        some = np.concatenate([far[:: -(-far.size // SAMPLED)], [far.min(), far.max()]])
        values, pixels = np.unique(round_to_3_digits(some), return_counts=True)
        report.depth.update(dict(zip(values.tolist(), pixels.tolist(), strict=True)))
    path = files["inverse_depth"]
    bits = stored_bits(path)
    report.bits[f"inverse_depth, {bits} bit"] = 1
    stored = stored_numbers(path)
    if stored is None:
        return
    report.pixels["inverse_depth"] = far.size
    if dataset.vocabulary.inverse_depth_unit == "px" and 0 not in dataset.unlabelled_depth():
        sky = np.zeros(stored.shape, bool) if sample.semantic is None else sample.semantic == dataset.vocabulary.sky
        report.zeros += [str(path)] * bool(np.mean((stored == 0) & ~sky) > FEW)
    _count_largest(report, "inverse_depth", bits, stored[sample.inverse_depth > 0])
    report.wrapped += [str(path)] * wraps(stored, ~np.isin(stored, dataset.unlabelled_depth()))


def _count_largest(report: SplitReport, kind: str, bits: int, stored: npt.NDArray[np.int32]) -> None:
    """How many labelled pixels hold the largest number of all."""
    if stored.size:
        top = int(stored.max())
        report.largest[kind, bits, top] = int(np.count_nonzero(stored == top))
