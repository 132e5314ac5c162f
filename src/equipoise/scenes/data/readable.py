"""Leave unreadable images out of a data set, for recipes with ``skip_broken``."""

from dataclasses import dataclass

from equipoise.errors import DataError
from equipoise.scenes.data.parts import Choose, read_part, whole
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The indices of the readable samples, and a line for each of the others."""

    readable: tuple[int, ...]
    faults: tuple[str, ...]


def read_through(dataset: SceneDataset) -> Reading:
    """Read every sample once."""
    readable, faults = [], []
    for index in range(len(dataset)):
        try:
            _ = dataset[index]
            readable.append(index)
        except DataError as error:
            faults.append(str(error))
    return Reading(readable=tuple(readable), faults=tuple(faults))


class ReadableDataset:
    """The readable samples of ``dataset``, in their order.

    Raises:
        DataError: no sample is readable.
    """

    def __init__(self, dataset: SceneDataset, reading: Reading) -> None:
        if not reading.readable:
            raise DataError(f"expected an image that can be read, found none among {len(dataset)}: {reading.faults[0]}")
        self.vocabulary, self.faults = dataset.vocabulary, reading.faults
        self.names = tuple(dataset.names[index] for index in reading.readable)
        self._dataset, self._indices = dataset, reading.readable

    def __len__(self) -> int:
        """The number of readable images."""
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
        return self.part(index, whole)

    def part(self, index: int, choose: Choose) -> Sample:
        """Return the chosen part of one sample."""
        return read_part(self._dataset, self._indices[index], choose)

    def camera(self, index: int) -> Camera | None:
        """The camera of one image."""
        return self._dataset.camera(self._indices[index])

    def fingerprint(self) -> str:
        """Return a hash that changes when any file does, including unreadable ones."""
        return self._dataset.fingerprint()
