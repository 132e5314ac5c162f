"""What the numbers of a label picture tell about how they were stored: wrapped around, for one."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_labels
from equipoise.scenes.labels.split_report import SplitReport

LEAST_JUMPS = 8
SMOOTH_SHARE = 0.8
BINS, LEAST_BINS = 16, 12
CROWDED = 0.05
"""A larger share of pixels at an end of the range is a plateau: sky, say, or no label."""
PLATEAU, OWN_PLATEAU = 0.05, 0.2
"""Larger shares of pixels hold one number for a reason: where it is the largest of its bits, or of the data."""


def stored_numbers(path: Path) -> npt.NDArray[np.int32] | None:
    """The numbers of a label picture ``(H, W)`` as they are stored; ``None`` for colours."""
    try:
        return read_labels(path)
    except DataError:
        return None


def wraps(stored: npt.NDArray[np.int32], labelled: npt.NDArray[np.bool_]) -> bool:
    """Whether numbers seem to have wrapped around, as 300 becomes 44 in 8 bit.

    Smooth surfaces then jump by nearly the whole range, and once such a jump is undone the steps beside it agree with
    it. At the edges of objects they do so only by accident. Pictures that leave most of the range unused are not
    judged.

    Args:
        stored: the numbers ``(H, W)``.
        labelled: which of them are depth ``(H, W)``.
    """
    top = 256 if int(stored.max(initial=0)) < 256 else 65536
    crowded = [end for end in (0, top - 1) if np.mean(stored == end) > CROWDED]
    known = labelled & ~np.isin(stored, crowded)
    if np.count_nonzero(np.bincount(stored[known] * BINS // top, minlength=BINS)) < LEAST_BINS:
        return False
    jumps = smooth = 0
    for numbers, valid in ((stored, known), (stored.T, known.T)):
        step = np.diff(numbers, axis=0)
        undone = (step + top // 2) % top - top // 2
        jump = (np.abs(step[1:]) > top // 2) & valid[2:] & valid[1:-1] & valid[:-2]
        jumps += int(jump.sum())
        smooth += int((np.abs(np.diff(undone, axis=0)) <= top // 32)[jump].sum())
    return jumps >= max(LEAST_JUMPS, stored.size // 2000) and smooth >= SMOOTH_SHARE * jumps


def count_largest(report: SplitReport, name: str, bits: int, stored: npt.NDArray[np.int32]) -> None:
    """How many labelled pixels hold the largest number of all."""
    if stored.size:
        top = int(stored.max())
        report.largest[name, bits, top] = int(np.count_nonzero(stored == top))


def largest_numbers(report: SplitReport, name: str, table: str, key: str, *, own: bool) -> Iterator[str]:
    """Many pixels with the largest stored number: what is too far, or has no label, and is not described as such.

    Args:
        report: that of the split.
        name: the label's.
        table: the label's table in a description.
        key: the key of the table that numbers of another meaning belong to.
        own: look at the largest number stored, too, not only at the largest of so many bits.
    """
    largest = [entry for entry in report.largest if entry[0] == name]
    if not largest:
        return
    _, bits, number = top = max(largest, key=lambda entry: entry[2])
    limit = number == (1 << bits) - 1
    share = report.largest[top] / report.pixels[name]
    if share >= PLATEAU if limit else own and share >= OWN_PLATEAU:
        what = f"the largest number of {bits} bit" if limit else "the largest one stored"
        yield (
            f"expected {table} labels of many values, found {number:,}, {what}, on {share:.0%} of their pixels: if "
            f"it stands for something else, such as no label, add it to {table}.{key}"
        )
