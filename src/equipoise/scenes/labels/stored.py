"""What the numbers of a label picture tell about how they were stored: wrapped around, for one."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_labels

LEAST_JUMPS = 8
SMOOTH_SHARE = 0.8
BINS, LEAST_BINS = 16, 12
CROWDED = 0.05
"""A larger share of pixels at an end of the range is a plateau: sky, say, or no label."""


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
