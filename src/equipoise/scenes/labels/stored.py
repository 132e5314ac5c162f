"""Find signs of mistakes in the stored numbers of label pictures, such as numbers that wrapped around."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_labels, stored_bits
from equipoise.scenes.labels.label import LabelledImage
from equipoise.scenes.labels.split_report import SplitReport

LEAST_JUMPS = 8
SMOOTH_SHARE = 0.8
BINS, LEAST_BINS = 16, 12
CROWDED = 0.05
"""If a larger share of pixels is at an end of the range, that end is a special value such as sky or no label."""
PLATEAU, OWN_PLATEAU = 0.05, 0.2
"""If a larger share of pixels holds the largest number of its bit depth (or of the data), it has a special meaning."""


def stored_numbers(path: Path) -> npt.NDArray[np.int32] | None:
    """Return the numbers of a label picture ``(H, W)`` as stored; ``None`` if it stores colours."""
    try:
        return read_labels(path)
    except DataError:
        return None


def count_stored(
    report: SplitReport, image: LabelledImage, name: str, pixels: int | None = None
) -> npt.NDArray[np.int32] | None:
    """Count how the label ``name`` of an image is stored: its bit depth, and the pixels with the largest number.

    Args:
        report: the report to add to.
        image: an image that has the label.
        name: the label.
        pixels: the number of labelled pixels; ``None``: all pixels.

    Returns:
        The stored numbers ``(H, W)``; ``None`` if the label stores colours.
    """
    path = image.files[name]
    bits, stored = stored_bits(path), stored_numbers(path)
    report.bits[f"{name}, {bits} bit"] = 1
    if stored is None:
        return None
    report.pixels[name] = stored.size if pixels is None else pixels
    labelled = stored[image.labels[name] > 0]
    if labelled.size:
        top = int(labelled.max())
        report.largest[name, bits, top] = int(np.count_nonzero(labelled == top))
    return stored


def wraps(stored: npt.NDArray[np.int32], labelled: npt.NDArray[np.bool_]) -> bool:
    """Whether numbers seem to have wrapped around, as 300 becomes 44 in 8 bits.

    On smooth surfaces such numbers jump by nearly the whole range, and if the jump is undone, the steps beside it match
    it. At the edges of objects that happens only by accident. Pictures that leave most of the range unused are not
    judged.

    Args:
        stored: the numbers ``(H, W)``.
        labelled: which pixels have a depth label ``(H, W)``.
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


def largest_numbers(report: SplitReport, name: str, table: str, key: str, *, own: bool) -> Iterator[str]:
    """Yield a line if many pixels hold the largest stored number: it may mean "too far" or "no label".

    Args:
        report: the report of the split.
        name: the label.
        table: the label's table in a data description.
        key: the key of the table that lists special numbers.
        own: also judge the largest number of the data, not only the largest number of the bit depth.
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
