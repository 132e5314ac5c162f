"""Leave unreadable images out of a data set, for recipes with ``skip_broken``."""

from dataclasses import dataclass

from equipoise.errors import DataError
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.subset import Subset


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


class ReadableDataset(Subset):
    """The readable samples of ``dataset``, in their order.

    Raises:
        DataError: no sample is readable.
    """

    def __init__(self, dataset: SceneDataset, reading: Reading) -> None:
        if not reading.readable:
            raise DataError(f"expected an image that can be read, found none among {len(dataset)}: {reading.faults[0]}")
        super().__init__(dataset, reading.readable)
        self.faults = reading.faults
