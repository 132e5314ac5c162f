"""What a kind of label is: one object that owns its reading, geometry, checking, description and colours."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.vocabulary import SceneVocabulary

Array = npt.NDArray[Any]
Stored = npt.NDArray[np.int32]
"""``(H, W)``: the numbers of a label picture as they are stored; colours are 65536·R + 256·G + B."""
Labels = Mapping[str, Array]
"""The labels of one image, by their names in ``LABELS``; one that the image lacks is absent."""
Files = Mapping[str, Path]
"""The label files of one image, by the labels' names."""
Points = dict[int, tuple[float, float]]
"""(x, y) in px of an array, by the id of what they belong to."""


class LabelDescription(Protocol):
    """What the tables of all labels in a data description have in common."""

    @property
    def files(self) -> str:
        """The pattern of the label pictures."""
        ...

    @property
    def optional(self) -> bool:
        """Whether images may lack their label."""
        ...


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a reader may need to know of the data set.

    Attributes:
        vocabulary: what the labels mean.
        descriptions: the tables of a described folder, by the labels' names; empty for Cityscapes' layout.
        sky_is_zero: sky has zero inverse depth; else it has no depth label.
    """

    vocabulary: SceneVocabulary
    descriptions: Mapping[str, LabelDescription] = field(default_factory=dict)
    sky_is_zero: bool = True


class Reader(ABC):
    """How one data set stores one kind of label."""

    special: tuple[int, ...] = ()
    """Stored numbers that are no measurement: without a label, for one."""

    @abstractmethod
    def stored(self, path: Path) -> Stored:
        """The numbers or colours of a label picture; raises ``DataError``."""

    @abstractmethod
    def understood(self, stored: Stored, path: Path) -> Array:
        """What the stored numbers mean, as ``Sample.labels`` holds it; raises ``DataError`` for unknown ones."""

    def settled(self, name: str, found: Labels, files: Files) -> Array:
        """The array ``found[name]``, once all labels of the image were read: what others say of it is taken in."""
        return found[name]

    def class_of(self, number: int) -> int | None:
        """The class index that a stored number implies, ``IGNORE`` for no class; ``None`` where it implies none."""
        return None


@dataclass(frozen=True, kw_only=True)
class CityscapesPlace:
    """Where Cityscapes' layout has a kind of label: ``FOLDER/SPLIT/CITY/NAME_ENDING``.

    Attributes:
        folder: the folder of the label pictures.
        ending: how their names end.
        reader: makes the reader.
        meaning: what the vocabulary says of it.
        official: the data set itself has it, so that its absence is worth a remark.
    """

    folder: str
    ending: str
    reader: Callable[[Source], Reader]
    meaning: Mapping[str, Any] = field(default_factory=dict)
    official: bool = True


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One image's labels, their files, and how they were read: what is checked."""

    labels: Labels
    files: Files
    vocabulary: SceneVocabulary
    readers: Mapping[str, Reader]


class Label(ABC):
    """One kind of label. Arrays are ``(H, W, *pixel)`` of ``dtype``; pixels without a label hold ``absent``."""

    name: ClassVar[str]
    """The key in ``Sample.labels``."""
    table: ClassVar[str]
    """The name of its table in a data description."""
    title: ClassVar[str]
    """The heading of its column in tables and on the contact sheet."""
    about: ClassVar[str]
    """What its table describes, for the reference page."""
    dtype: ClassVar[str]
    absent: ClassVar[float]
    pixel: ClassVar[tuple[int, ...]] = ()
    mixed_bits: ClassVar[Literal["fault", "note", ""]] = ""
    """What it means that a data set stores some of these labels in 8 and others in 16 bits; empty: nothing."""
    description: ClassVar[type[Any]]
    """The dataclass of its table, a ``LabelDescription``."""
    cityscapes: ClassVar[CityscapesPlace]

    # Reading

    @abstractmethod
    def reader(self, source: Source) -> Reader:
        """How a described folder stores this label, which is one of ``source.descriptions``."""

    def meaning(self, described: Any) -> dict[str, Any]:
        """What the vocabulary of a described folder says of this label: keywords of ``SceneVocabulary``."""
        return {}

    def check_description(self, described: Any, others: Mapping[str, LabelDescription], where: str) -> None:
        """Raise ``RecipeError`` for what types cannot rule out; ``others``: all tables, by the labels' names."""
        return

    def check_given(self, given: Mapping[str, Any], described: Any, where: str) -> None:
        """Raise ``RecipeError`` for keys of the table as it was written that do not go together."""
        return

    # Geometry

    def resized(self, array: Array, ratio: float, vocabulary: SceneVocabulary) -> Array:
        """An array that was resized, each pixel taken from the nearest one; ``ratio`` is new width / old width."""
        return array

    def flipped(self, array: Array) -> Array:
        """An array that was mirrored left to right."""
        return array

    def points(self, array: Array, known: Points) -> Points:
        """Points that cropping must not move, by id; ``known`` are those kept from an earlier crop."""
        return {}

    # Checking

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """Add what an image that has this label holds of it to the report."""
        return

    def faults(self, image: LabelledImage) -> Iterator[str]:
        """What is wrong with an image's label although it can be read, a line each."""
        yield from ()

    def split_faults(self, report: SplitReport) -> Iterator[str]:
        """What is wrong with the labels of a whole split, a line each."""
        yield from ()

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """What is probably meant otherwise in a split, a line each."""
        yield from ()

    # Pictures

    @abstractmethod
    def colors(self, array: Array, vocabulary: SceneVocabulary) -> npt.NDArray[np.uint8]:
        """The label as a picture, ``uint8 (H, W, 3)``."""

    def facts(self, array: Array, vocabulary: SceneVocabulary, camera: Camera | None) -> list[str]:
        """What the contact sheet says above an image with this label."""
        return []
