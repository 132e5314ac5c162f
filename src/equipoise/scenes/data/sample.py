"""Samples of a data set, and the interfaces of data sets. Nothing in this file reads or writes."""

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
        name: a name that is unique in the data set, without extension; it may contain ``/``.
        image: ``uint8 (H, W, 3)`` RGB.
        labels: the existing labels by name, with the dtypes and shapes that ``LABELS`` defines. Disparity in px refers
            to the width of its own array, so resizing multiplies it by the ratio of widths.
        points: by label name, points (x, y) in px of this array by id, if they cannot be computed from the array: the
            centroids of instances, which stay where they are when a crop cuts the object.
        weight: the weight of its labels in the losses, relative to other images.
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
    """A data set as training and evaluation use it: a vocabulary, and samples at their stored size."""

    vocabulary: SceneVocabulary
    names: tuple[str, ...]

    def __len__(self) -> int:
        """The number of images."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Return one sample at its original size. Raises ``DataError`` that names the file at fault."""
        ...

    def camera(self, index: int) -> Camera | None:
        """Return the camera of one image; ``None`` if it is unknown."""
        ...

    def fingerprint(self) -> str:
        """Return a hash that changes when the data do, so that caches are rebuilt."""
        ...


class FileDataset(SceneDataset, Protocol):
    """A data set on disk."""

    readers: Mapping[str, Reader]
    """The readers of the labels, by name."""

    def files(self, index: int) -> dict[str, Path]:
        """Return the existing files of one image: ``image``, and its labels by name."""
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
