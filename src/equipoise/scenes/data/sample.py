"""What a data set gives: samples with their labels, the vocabulary of classes, the camera.

Everything here is plain NumPy at the edges' side of the house; nothing in this file reads or writes.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera as Camera
from equipoise.scenes.data.left_out import LeftOut

IGNORE = 255
"""The semantic index of a pixel without a class label."""

InverseDepthUnit = Literal["px", "1/m", "relative"]
"""``px``: stereo disparity in pixels of the image it lies on; ``1/m``: inverse metres; ``relative``: no unit."""


@dataclass(frozen=True, kw_only=True)
class SceneClass:
    """One semantic class: its name, its colour in pictures, and whether its objects are counted as instances."""

    name: str
    color: tuple[int, int, int]
    countable: bool = False
    category: str = ""


@dataclass(frozen=True, kw_only=True)
class SceneVocabulary:
    """What the labels of a data set mean: index k of a semantic map is ``classes[k]``.

    Attributes:
        classes: the evaluated classes, in the order of their indices. Empty where there are no class labels.
        sky: the index of the sky class, whose inverse depth is zero (infinitely far); ``None`` where there is none.
        inverse_depth_unit: the unit of ``Sample.inverse_depth``; ``None`` where the data set has no depth.
        has_instances: whether the data set labels instances.
    """

    classes: tuple[SceneClass, ...]
    sky: int | None = None
    inverse_depth_unit: InverseDepthUnit | None = None
    has_instances: bool = False

    @property
    def countable(self) -> tuple[int, ...]:
        """Indices of the classes whose objects are counted."""
        return tuple(k for k, c in enumerate(self.classes) if c.countable)

    @property
    def labels(self) -> tuple[str, ...]:
        """The kinds of label that there are, as ``Sample`` names them."""
        known = {
            "semantic": bool(self.classes),
            "instance": self.has_instances,
            "inverse_depth": self.inverse_depth_unit is not None,
        }
        return tuple(kind for kind, there in known.items() if there)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """One image and the labels that exist for it; a label that is absent is ``None``.

    Attributes:
        name: a name unique in the data set, without extension; it may hold ``/``.
        image: ``uint8 (H, W, 3)`` RGB.
        semantic: ``uint8 (H, W)`` class indices, ``IGNORE`` = no label.
        instance: ``int32 (H, W)``, 0 = no instance, else an id that is unique in the image.
        inverse_depth: ``float32 (H, W)`` in the vocabulary's unit, NaN = no label, 0 = infinitely far. The unit
            ``px`` is that of *this* array's width, so resizing multiplies the values by the ratio of widths.
        centroids: instance id → (x, y) of the centroid, in pixels of this array, where they differ from the mean of
            the visible pixels: a crop cuts an object but does not move its centroid. ``None``: take the mean.
        weight: how much its labels count in the losses beside those of other images.
    """

    name: str
    image: npt.NDArray[np.uint8]
    semantic: npt.NDArray[np.uint8] | None = None
    instance: npt.NDArray[np.int32] | None = None
    inverse_depth: npt.NDArray[np.float32] | None = None
    centroids: dict[int, tuple[float, float]] | None = field(default=None)
    weight: float = 1.0

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image in pixels."""
        return self.image.shape[0], self.image.shape[1]


class SceneDataset(Protocol):
    """What training and evaluation need of a data set: its vocabulary, and samples at the size they are stored."""

    vocabulary: SceneVocabulary
    names: tuple[str, ...]

    def __len__(self) -> int:
        """The number of images."""
        ...

    def __getitem__(self, index: int) -> Sample:
        """Read one sample from disk, at its own size. Raises ``DataError`` naming the file that is at fault."""
        ...

    def camera(self, index: int) -> Camera | None:
        """The camera of one image, where the data set knows it."""
        ...

    def fingerprint(self) -> str:
        """Changes when the data do: what is kept of them is then made again."""
        ...


class FileDataset(SceneDataset, Protocol):
    """A data set as it lies on the disk."""

    def files(self, index: int) -> dict[str, Path]:
        """The files of one image that exist: ``image``, and its labels by kind, as ``Sample`` names them."""
        ...

    def would_hold(self, path: Path) -> bool:
        """Whether a picture at this path would be taken for one of the data set's."""
        ...

    def class_of(self, instance: int) -> int | None:
        """The class index that an instance's id tells, ``IGNORE`` for no class; ``None`` where ids tell none."""
        ...

    def without_image(self) -> list[str]:
        """Labels that belong to no image: folders that do not fit together. A line each, with its path."""
        ...

    def remarks(self) -> list[str]:
        """What may be meant so and should be looked at, before any image is read, a line each."""
        ...

    def left_out(self) -> LeftOut:
        """Files that lie among the data set's and are not read."""
        ...

    def unlabelled_depth(self) -> tuple[int, ...]:
        """The stored numbers of depth that stand for no distance: without a label, or infinitely far."""
        ...
