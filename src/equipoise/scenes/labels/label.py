"""The base classes of a kind of label: how it is read, moved with its image, checked, described and drawn."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.labels.shapes import ImageFile
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.vocabulary import SceneVocabulary

Array = npt.NDArray[Any]
Stored = npt.NDArray[np.int32]
"""``(H, W)``: the numbers of a label picture as stored; colours are 65536·R + 256·G + B. Depth may be floats."""
Labels = Mapping[str, Array]
"""The labels of one image, by their names in ``LABELS``. Labels that the image lacks are absent."""
Files = Mapping[str, Path]
"""The label files of one image, by label name."""
Points = dict[int, tuple[float, float]]
"""Points (x, y) in px of an array, by the id of the object that they belong to."""


class LabelDescription(Protocol):
    """The keys that the tables of all labels in a data description have in common."""

    @property
    def files(self) -> str:
        """The pattern of the label pictures."""
        ...

    @property
    def optional(self) -> bool:
        """Whether images may lack this label."""
        ...


def in_one_file(described: LabelDescription) -> bool:
    """Whether one file holds the labels of all images, so that its path has no ``{name}``."""
    return getattr(described, "encoding", "") in ONE_FILE


ONE_FILE = ("coco",)
"""Encodings with one file for all images."""


def beside(described: LabelDescription) -> str:
    """Return the pattern of the file about all images that a label needs beside its own; empty if it needs none."""
    return str(getattr(described, "segments", ""))


@dataclass(frozen=True, kw_only=True)
class Source:
    """The properties of a data set that a reader may depend on.

    Attributes:
        vocabulary: what the labels mean.
        descriptions: the label tables of a data description, by label name; empty for Cityscapes' layout.
        sky_is_zero: give the sky zero inverse depth; otherwise it has no depth label.
        camera: the described camera; ``None`` if there is none.
        below: returns the path of a file about all images, from its pattern.
    """

    vocabulary: SceneVocabulary
    descriptions: Mapping[str, LabelDescription] = field(default_factory=dict)
    sky_is_zero: bool = True
    camera: Camera | None = None
    below: Callable[[str], Path] = Path


class Reader(ABC):
    """Reads one kind of label of one data set."""

    special: tuple[int | float, ...] = ()
    """Stored numbers that are no measurement, such as those for pixels without a label."""

    @abstractmethod
    def stored(self, path: Path) -> Stored:
        """Read the numbers or colours of a label picture. Raises ``DataError`` if the file is at fault."""

    def of_image(self, path: Path, image: ImageFile) -> Stored:
        """Read the label of one image. Overridden by readers of files that are no pictures of the image's size."""
        return self.stored(path)

    @abstractmethod
    def understood(self, stored: Stored, path: Path) -> Array:
        """Convert stored numbers to the array of ``Sample.labels``. Raises ``DataError`` for unknown numbers."""

    def settled(self, name: str, found: Labels, files: Files) -> Array:
        """Return the final array of the label ``name``, which may depend on the image's other labels in ``found``.

        Called once all labels of the image have been read. Raises ``DataError`` if labels contradict each other.
        """
        return found[name]

    def unused(self, path: Path) -> str:
        """Describe what a label announces but no pixel shows; empty if there is nothing."""
        return ""

    def class_of(self, number: int) -> int | None:
        """Return the class index that a stored number implies: ``IGNORE`` for no class, ``None`` if it implies none."""
        return None


@dataclass(frozen=True, kw_only=True)
class CityscapesPlace:
    """Where Cityscapes' layout keeps a kind of label: ``FOLDER/SPLIT/CITY/NAME_ENDING``.

    Attributes:
        folder: the folder of the label pictures.
        ending: the end of their file names.
        reader: creates the reader.
        meaning: what the label adds to the vocabulary, as keywords of ``SceneVocabulary``.
        official: whether Cityscapes itself has this label, so that its absence is worth a remark.
    """

    folder: str
    ending: str
    reader: Callable[[Source], Reader]
    meaning: Mapping[str, Any] = field(default_factory=dict)
    official: bool = True


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One image's labels to be checked, with their files and their readers, by label name."""

    labels: Labels
    files: Files
    vocabulary: SceneVocabulary
    readers: Mapping[str, Reader]


class Label(ABC):
    """One kind of label. To add one, subclass this, implement ``reader`` and ``colors``, and add a line to ``LABELS``.

    The arrays of a label have the shape ``(H, W, *pixel)`` and the dtype ``dtype``. Pixels without a label hold
    ``absent``. The other methods have defaults that suit labels whose values do not change when an image is resized or
    mirrored, and that need no checks of their own.

    Example:
        A label that stores a temperature in °C in 8-bit grey pictures, where 0 means unknown:

        >>> from equipoise.scenes.io.images import read_labels
        >>> @dataclass(frozen=True, kw_only=True)
        ... class TemperatureDescription:
        ...     files: str
        ...     optional: bool = False
        >>> class TemperatureReader(Reader):
        ...     def stored(self, path):
        ...         return read_labels(path)
        ...     def understood(self, stored, path):
        ...         return np.where(stored == 0, np.float32(np.nan), stored.astype(np.float32))
        >>> class TemperatureLabel(Label):
        ...     name = table = title = "temperature"
        ...     about = "the temperatures."
        ...     dtype, absent = "float32", np.nan
        ...     description = TemperatureDescription
        ...     cityscapes = CityscapesPlace(
        ...         folder="temperature",
        ...         ending="temperature.png",
        ...         reader=lambda source: TemperatureReader(),
        ...         official=False,
        ...     )
        ...     def reader(self, source):
        ...         return TemperatureReader()
        ...     def colors(self, array, vocabulary):
        ...         return np.repeat(np.nan_to_num(array)[..., None], 3, 2).astype(np.uint8)
        >>> TemperatureReader().understood(np.array([[0, 21]], np.int32), Path("t.png")).tolist()
        [[nan, 21.0]]
        >>> TemperatureLabel().colors(np.array([[np.nan, 21.0]]), SceneVocabulary()).tolist()
        [[[0, 0, 0], [21, 21, 21]]]
    """

    name: ClassVar[str]
    """The key in ``Sample.labels``."""
    table: ClassVar[str]
    """The name of its table in a data description."""
    title: ClassVar[str]
    """The heading of its column in tables and on the contact sheet."""
    about: ClassVar[str]
    """What its table describes, for the reference page."""
    dtype: ClassVar[str]
    """The dtype of its arrays."""
    absent: ClassVar[float]
    """The value of pixels without a label."""
    pixel: ClassVar[tuple[int, ...]] = ()
    """The shape of the value of one pixel; empty for scalars."""
    mixed_bits: ClassVar[Literal["fault", "note", ""]] = ""
    """How to report a data set that stores some of these labels in 8 bits and others in 16; empty: not at all."""
    description: ClassVar[type[Any]]
    """The dataclass of its table, a ``LabelDescription``."""
    cityscapes: ClassVar[CityscapesPlace]
    """Where Cityscapes' layout keeps it."""

    # Reading

    @abstractmethod
    def reader(self, source: Source) -> Reader:
        """Create the reader for a described folder; this label's table is among ``source.descriptions``."""

    def meaning(self, described: Any) -> dict[str, Any]:
        """Return what this label adds to a described folder's vocabulary, as keywords of ``SceneVocabulary``."""
        return {}

    def check_description(self, described: Any, others: Mapping[str, LabelDescription], where: str) -> None:
        """Raise ``RecipeError`` for mistakes that types cannot rule out.

        Args:
            described: this label's table.
            others: the tables of all labels, by label name.
            where: the file, for messages.
        """
        return

    def check_given(self, given: Mapping[str, Any], described: Any, where: str) -> None:
        """Raise ``RecipeError`` for keys that do not go together in the table ``given`` as the user wrote it."""
        return

    def check_camera(self, described: Any, camera: Camera | None, where: str) -> None:
        """Raise ``RecipeError`` if the described camera lacks what this label's table needs."""
        return

    # Geometry

    def resized(self, array: Array, ratio: float, vocabulary: SceneVocabulary) -> Array:
        """Adjust the values of an array after nearest-neighbour resizing; ``ratio`` is new width / old width."""
        return array

    def flipped(self, array: Array) -> Array:
        """Adjust the values of an array after mirroring it left to right."""
        return array

    def points(self, array: Array) -> Points | None:
        """Return the points of a whole array that a crop must not move, by id; ``None`` if the label has none."""
        return None

    # Checking

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """Add to the report what an image that has this label contains."""
        return

    def faults(self, image: LabelledImage) -> Iterator[str]:
        """Yield a line for each mistake in an image's label that did not prevent reading it."""
        yield from ()

    def split_faults(self, report: SplitReport) -> Iterator[str]:
        """Yield a line for each mistake that shows in the labels of a whole split."""
        yield from ()

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """Yield a line for each probable mistake in the labels of a whole split."""
        yield from ()

    # Pictures

    @abstractmethod
    def colors(self, array: Array, vocabulary: SceneVocabulary) -> npt.NDArray[np.uint8]:
        """Draw the label as a picture, ``uint8 (H, W, 3)`` RGB."""

    def facts(self, array: Array, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
        """Return the captions above an image with this label on the contact sheet."""
        return []
