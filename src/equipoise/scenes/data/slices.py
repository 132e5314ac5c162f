"""A part of a split by its name: ``train[:80%]`` and ``train[80%:]`` are the first and the last images of ``train``."""

import re
from collections.abc import Mapping
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.data.left_out import LeftOut
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.data.subset import Subset
from equipoise.scenes.labels.label import Reader

SLICE = re.compile(r"(?P<split>.+)\[(?:(?P<start>\d{1,3})%)?:(?:(?P<stop>\d{1,3})%)?\]")


def parse_slice(split: str) -> tuple[str, int, int] | None:
    """Return the split and the percentages from which and to which it is read; ``None`` for a whole split.

    Raises:
        DataError: the percentages are not in order, or above 100.

    >>> parse_slice("train[:80%]"), parse_slice("train[80%:]"), parse_slice("train")
    (('train', 0, 80), ('train', 80, 100), None)
    """
    found = SLICE.fullmatch(split)
    if found is None:
        return None
    start, stop = int(found["start"] or 0), int(found["stop"] or 100)
    if not start < stop <= 100:
        raise DataError(f"expected a part of a split such as train[:80%], found {split!r}")
    return found["split"], start, stop


class SlicedDataset(Subset):
    """The images of ``dataset`` between two percentages of their number, in the order of their names.

    Neighbours stay together, so that two parts of recordings have few nearly equal images in common.

    Raises:
        DataError: no image lies in between.
    """

    def __init__(self, dataset: FileDataset, start: int, stop: int) -> None:
        order = sorted(range(len(dataset)), key=lambda index: dataset.names[index])
        first, last = (round(len(order) * share / 100) for share in (start, stop))
        if first == last:
            raise DataError(
                f"expected images in [{start}%:{stop}%] of a split of {len(order)} images, found none: name more"
            )
        super().__init__(dataset, order[first:last])
        self._dataset = dataset
        self.readers: Mapping[str, Reader] = dataset.readers

    def fingerprint(self) -> str:
        """Return a hash that changes when the files do."""
        return f"{super().fingerprint()} {self._indices[0]} {len(self._indices)}"

    def files(self, index: int) -> dict[str, Path]:
        """Return the existing files of one image."""
        return self._dataset.files(self._indices[index])

    def would_hold(self, path: Path) -> bool:
        """Whether the data set would read a picture at this path."""
        return self._dataset.would_hold(path)

    def without_image(self) -> list[str]:
        """Labels of the whole split that belong to no image."""
        return self._dataset.without_image()

    def remarks(self) -> list[str]:
        """Notices about the whole split."""
        return self._dataset.remarks()

    def left_out(self) -> LeftOut:
        """Files of the whole split that are not read."""
        return self._dataset.left_out()
