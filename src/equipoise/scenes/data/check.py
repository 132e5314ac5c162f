"""Find what is wrong with a data set before training does: every image is read, nothing is written."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.cameras.distances import DISTANCE_NAMES, DISTANCE_UNITS
from equipoise.scenes.data.counts import counts
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.data.split_report import SplitReport
from equipoise.scenes.data.suspicions import suspicions
from equipoise.scenes.io.images import stored_bits
from equipoise.scenes.io.prefetch import prefetch


def check_split(dataset: FileDataset, *, on_image: Callable[[], None] = lambda: None) -> SplitReport:
    """Read every image of a split with all its labels, and say what it holds and what is wrong with it."""
    unit = dataset.vocabulary.inverse_depth_unit
    report = SplitReport(depth_kind=DISTANCE_NAMES[unit], depth_unit=DISTANCE_UNITS[unit])
    for one in prefetch(partial(counts, dataset), range(len(dataset))):
        report.add(one)
        on_image()
    report.faults += [*_mixed(dataset, report, "inverse_depth"), *dataset.without_image()]
    if report.agreement > 0:
        report.faults += report.crossed
    report.notes += [*dataset.left_out().lines(), *dataset.remarks(), *suspicions(report, dataset.vocabulary)]
    report.notes += _mixed(dataset, report, "instance")
    return report


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
