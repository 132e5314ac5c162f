"""Find the mistakes of a data set before training does: reads every image, writes nothing."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.data.counts import counts
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.io.images import stored_bits
from equipoise.scenes.io.prefetch import prefetch
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.values import such
from equipoise.scenes.wording import counted


def check_split(dataset: FileDataset, *, on_image: Callable[[], None] = lambda: None) -> SplitReport:
    """Read every image of a split with all its labels, and report what the split contains and what is wrong with it."""
    report = SplitReport()
    for one in prefetch(partial(counts, dataset), range(len(dataset))):
        report.add(one)
        on_image()
    kinds = dataset.vocabulary.labels
    mixed = {kind: list(_mixed(dataset, report, kind)) for kind in kinds if LABELS[kind].mixed_bits}
    report.faults += [line for kind in kinds if LABELS[kind].mixed_bits == "fault" for line in mixed[kind]]
    report.faults += dataset.without_image()
    report.faults += [line for kind in kinds for line in LABELS[kind].split_faults(report)]
    report.notes += [*dataset.left_out().lines(), *dataset.remarks(), *_nowhere(report, kinds)]
    report.notes += [line for kind in kinds for line in LABELS[kind].suspicions(report)]
    if 0 < (count := len(report.blind)) < report.readable:
        message = "expected a camera, as other images have one, found none, so it has no errors in metres"
        report.notes.append(f"{report.blind[0]}: {message} ({counted(count, 'such image')})")
    report.notes += such(report.unused, "expected pixels for each segment that the JSON lists, found none for some")
    report.notes += [line for kind in kinds if LABELS[kind].mixed_bits == "note" for line in mixed[kind]]
    return report


def _nowhere(report: SplitReport, kinds: Sequence[str]) -> Iterator[str]:
    """Kinds of label that the description names but no readable image has."""
    images = "the only one" if report.readable == 1 else f"all {report.readable}"
    for kind in kinds if report.readable else ():
        if not report.labels[kind]:
            yield f"expected {kind} labels in some image, found none in {images}: check where they lie"


def _mixed(dataset: FileDataset, report: SplitReport, kind: str) -> Iterator[str]:
    """A kind of label that some files store with 8 bits and others with 16."""
    found = {bits: report.bits[f"{kind}, {bits} bit"] for bits in (8, 16) if report.bits[f"{kind}, {bits} bit"]}
    if len(found) > 1:
        rare = min(found, key=lambda bits: found[bits])
        path = next(path for path in paths_of(dataset, kind) if stored_bits(path) == rare)
        message = " and ".join(f"{count} of {bits} bit" for bits, count in found.items())
        yield f"{path}: expected {kind} labels of one number of bits, found {message}: were some saved in too few?"


def paths_of(dataset: FileDataset, kind: str) -> Iterator[Path]:
    """The readable files of a kind of label."""
    for index in range(len(dataset)):
        try:
            path = dataset.files(index).get(kind)
        except DataError:
            continue
        if path is not None:
            yield path
