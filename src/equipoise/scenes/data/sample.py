"""What a data set gives: samples with their labels, and the camera.

Everything here is plain NumPy at the edges' side of the house; nothing in this file reads or writes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera as Camera
from equipoise.scenes.data.left_out import LeftOut
from equipoise.scenes.labels.label import Labels, Points, Reader
from equipoise.scenes.labels.vocabulary import SceneVocabulary


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One image and the labels that exist for it.

    Attributes:
        name: a name unique in the data set, without extension; it may hold ``/``.
        image: ``uint8 (H, W, 3)`` RGB.
        labels: the labels by name, in the types and shapes that ``LABELS`` describes; one that is absent is not there.
            Disparity in px refers to the width of *its* array, so resizing multiplies it by the ratio of widths.
        points: by the label's name, points (x, y) in px of this array by id, where they cannot be found in the array
            any more: the centroids of instances, which a crop cuts but does not move.
        weight: how much its labels count in the losses beside those of other images.
    """

    name: str
    image: npt.NDArray[np.uint8]
    labels: Labels = field(default_factory=dict)
    points: Mapping[str, Points] = field(default_factory=dict)
    weight: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]


class SceneDataset(Protocol):
    """What training and evaluation need of a data set: its vocabulary, and samples at their stored size."""

    vocabulary: SceneVocabulary
    names: tuple[str, ...]

    def __len__(self) -> int:
        """The number of images."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Read one sample from disk at its own size. Raises ``DataError`` that names the file at fault."""
        ...

    def camera(self, index: int) -> Camera | None:
        """The camera of one image, if the data set knows it."""
        ...

    def fingerprint(self) -> str:
        """A hash that changes when the data do, so that caches are rebuilt."""
        ...


class FileDataset(SceneDataset, Protocol):
    """A data set on disk."""

    readers: Mapping[str, Reader]
    """How the labels are stored, by name."""

    def files(self, index: int) -> dict[str, Path]:
        """The files of one image that exist: ``image``, and its labels by name."""
        ...

    def would_hold(self, path: Path) -> bool:
        """Whether the data set would read a picture at this path as one of its own."""
        ...

    def without_image(self) -> list[str]:
        """Labels that belong to no image, a line each with the path."""
        ...

    def remarks(self) -> list[str]:
        """Notices about probable mistakes that show before any image is read, a line each."""
        ...

    def left_out(self) -> LeftOut:
        """Files among the data set's that are not read."""
        ...
