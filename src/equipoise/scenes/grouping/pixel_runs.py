"""Runs of pixels of one object in a row. Objects have far fewer runs than pixels, so runs describe them fast."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Runs:
    """Neighbouring pixels of a row with one owner and one class.

    Attributes:
        start: the place of each run's first pixel in the list of pixels.
        length: the number of its pixels.
        own: their owner.
        row: their row.
        left: the column of the first one.
        semantic: their class; 0 if there are no classes.
    """

    start: Indices
    length: Indices
    own: Indices
    row: Indices
    left: Indices
    semantic: npt.NDArray[np.uint8]

    def counts(self, owners: int) -> Indices:
        """Return the number of pixels of the owners 0 … owners − 1; those of −1 are left out."""
        return np.bincount(self.own + 1, weights=self.length, minlength=owners + 1)[1:].astype(np.intp)

    def sums(self, values: npt.NDArray[np.float32], owners: int) -> npt.NDArray[np.float64]:
        """Add the values of each owner's pixels."""
        if not len(self.start):
            return np.zeros(owners)
        of_runs = np.add.reduceat(values, self.start)
        return np.bincount(self.own + 1, weights=of_runs, minlength=owners + 1)[1:].astype(np.float64)

    def renumbered(self, number: Indices) -> "Runs":
        """Replace each owner k by ``number[k]``, and leave out the runs whose number is −1."""
        own = np.append(number, -1)[self.own]  # −1 is the last one.
        kept = own >= 0
        return Runs(**{name: values[kept] for name, values in (vars(self) | {"own": own}).items()})


def row_starts(pixels: Indices, size: tuple[int, int]) -> Indices:
    """Return where each row starts in a list of pixels in increasing order; the number of pixels is the last one."""
    return np.searchsorted(pixels, np.arange(size[0] + 1) * size[1])


def runs_of(own: Indices, pixels: Indices, semantic_HW: npt.NDArray[np.uint8] | None, size: tuple[int, int]) -> Runs:
    """Split pixels, in increasing order, into runs.

    >>> runs = runs_of(np.array([0, 0, 1, 1]), np.array([3, 4, 5, 6]), None, (2, 6))
    >>> runs.own.tolist(), runs.row.tolist(), runs.left.tolist(), runs.length.tolist()
    ([0, 1, 1], [0, 0, 1], [3, 5, 0], [2, 1, 1])
    """
    classes = None if semantic_HW is None else semantic_HW.reshape(-1)[pixels]
    changed = np.ones(len(pixels), bool)
    np.not_equal(pixels[1:] - pixels[:-1], 1, out=changed[1:])
    for values in (own, classes):
        if values is not None:
            changed[1:] |= _differ(values)
    rows = row_starts(pixels, size)
    changed[rows[rows < len(pixels)]] = True
    start = np.flatnonzero(changed)
    row, left = np.divmod(pixels[start], size[1])
    return Runs(
        start=start,
        length=np.diff(start, append=len(pixels)),
        own=own[start],
        row=row,
        left=left,
        semantic=np.zeros(len(start), np.uint8) if classes is None else classes[start],
    )


def _differ(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    result: npt.NDArray[np.bool_] = values[1:] != values[:-1]
    return result
