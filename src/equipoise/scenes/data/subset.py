"""Some of the samples of a data set."""

from collections.abc import Sequence

from equipoise.scenes.data.parts import Choose, read_part, whole
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset


class Subset:
    """The samples of ``dataset`` at ``indices``, in their order."""

    def __init__(self, dataset: SceneDataset, indices: Sequence[int]) -> None:
        self._whole, self._indices = dataset, indices
        self.names = tuple(dataset.names[index] for index in indices)
        self.vocabulary = dataset.vocabulary

    def __len__(self) -> int:
        """The number of images."""
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        """Return one sample."""
        return self.part(index, whole)

    def part(self, index: int, choose: Choose) -> Sample:
        """Return the chosen part of one sample."""
        return read_part(self._whole, self._indices[index], choose)

    def camera(self, index: int) -> Camera | None:
        """The camera of one image."""
        return self._whole.camera(self._indices[index])

    def fingerprint(self) -> str:
        """Return a hash that changes when any file of the whole data set does."""
        return self._whole.fingerprint()
