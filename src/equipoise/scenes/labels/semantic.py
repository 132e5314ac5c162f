"""The semantic label: a class for every pixel, ``uint8`` class indices, 255 where there is none."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.io.images import read_colors, read_labels
from equipoise.scenes.labels.cityscapes_classes import CLASSES, HIGHEST_ID, SKY, train_ids
from equipoise.scenes.labels.label import (
    Array,
    CityscapesPlace,
    Label,
    LabelDescription,
    LabelledImage,
    Labels,
    Reader,
    Source,
    Stored,
)
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.values import code, expect_storable, shown, such
from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass, SceneVocabulary
from equipoise.scenes.visual.colors import Picture, class_colors, distinct_colors

UNKNOWN = 256
"""Stands for a stored number that is neither a class nor ignored."""


@dataclass(frozen=True, kw_only=True)
class ClassDescription:
    """One class: which numbers or colours in the label pictures mean it.

    Attributes:
        name: the class's name in figures, pictures and recipes; different for each class.
        value: the number, or the numbers, that mean it (``encoding = "value"``).
        color: in pictures; with ``encoding = "color"`` also what means it, where a list of colours may be given (the
            first one is that of pictures). Left out: one is chosen that no other class has.
        countable: whether its objects are instances.
        category: a name that related classes share; see *Categories*. Empty: the class is on its own.
    """

    name: str
    value: int | tuple[int, ...] = ()
    color: tuple[int, int, int] | tuple[tuple[int, int, int], ...] | None = None
    countable: bool = False
    category: str = ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The stored numbers that mean it."""
        return (self.value,) if isinstance(self.value, int) else self.value

    @property
    def colors(self) -> tuple[tuple[int, int, int], ...]:
        """All its colours; none where none is given."""
        if not self.color:
            return ()
        return tuple(c for c in self.color if isinstance(c, tuple)) or (cast(tuple[int, int, int], self.color),)


@dataclass(frozen=True, kw_only=True)
class SemanticDescription:
    """Where class labels lie and what they mean.

    Attributes:
        files: the pattern of the label pictures.
        classes: the classes, in the order of their indices.
        encoding: ``value``: one number a pixel; ``color``: RGB.
        ignore: numbers, or colours, that are no label.
        others: what a number or colour means that is neither a class nor ignored.
        sky: the name of the class whose inverse depth is zero.
        optional: images may lack their label.
    """

    files: str
    classes: tuple[ClassDescription, ...]
    encoding: Literal["value", "color"] = "value"
    ignore: tuple[int | tuple[int, int, int], ...] = ()
    others: Literal["error", "ignore"] = "error"
    sky: str = ""
    optional: bool = False

    def stored(self, c: ClassDescription) -> tuple[int | tuple[int, int, int], ...]:
        """The numbers or colours that mean a class."""
        return c.colors if self.encoding == "color" else c.numbers


class DescribedClasses(Reader):
    """Numbers or colours, as a description says."""

    def __init__(self, described: SemanticDescription) -> None:
        self._described = described
        self._wide = any(number > 255 for c in described.classes for number in c.numbers)

    def stored(self, path: Path) -> Stored:
        """Grey of 8 or 16 bits, a palette's indices, or colours."""
        return read_colors(path) if self._described.encoding == "color" else read_labels(path, wide=self._wide)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Class indices; raises for a number or colour that is not described."""
        found = meanings(self._described)[stored]
        unknown = found == UNKNOWN
        if unknown.any():
            value = int(stored[unknown][0])
            raise DataError(
                f"{path}: expected labels of the described classes, found "
                f"{shown(value) if self._described.encoding == 'color' else value}: describe it, add it to "
                'semantic.ignore, or set semantic.others = "ignore"'
            )
        return found.astype(np.uint8)


class LabelIds(Reader):
    """Cityscapes' label ids. Id −1 (license plate) is stored as 255."""

    def stored(self, path: Path) -> Stored:
        """Grey or palette indices."""
        return read_labels(path)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Train ids; raises for a number that is no label id."""
        unknown = (stored > HIGHEST_ID) & (stored != 255)
        if unknown.any():
            raise DataError(f"{path}: expected label ids 0 … {HIGHEST_ID} or 255, found {int(stored[unknown][0])}")
        return train_ids()[stored]


class SemanticLabel(Label):
    """Class indices of the vocabulary, one a pixel."""

    name = table = "semantic"
    title, about = "classes", "the class labels."
    dtype, absent = "uint8", IGNORE
    description = SemanticDescription
    cityscapes = CityscapesPlace(
        folder="gtFine",
        ending="gtFine_labelIds.png",
        reader=lambda source: LabelIds(),
        meaning={"classes": CLASSES, "sky": SKY},
    )

    def reader(self, source: Source) -> Reader:
        """Numbers or colours."""
        return DescribedClasses(cast(SemanticDescription, source.descriptions[self.name]))

    def meaning(self, described: SemanticDescription) -> dict[str, object]:
        """The classes, each with a colour of its own, and which of them is the sky."""
        given = [color for c in described.classes for color in c.colors[:1]]
        chosen = iter(distinct_colors(len(described.classes) - len(given), given))
        classes = tuple(
            SceneClass(
                name=c.name,
                color=c.colors[0] if c.colors else next(chosen),
                countable=c.countable,
                category=c.category,
            )
            for c in described.classes
        )
        names = [c.name for c in classes]
        return {"classes": classes, "sky": names.index(described.sky) if described.sky else None}

    def check_description(
        self, described: SemanticDescription, others: Mapping[str, LabelDescription], where: str
    ) -> None:
        """Names that are different, and numbers and colours that mean one thing each."""
        _check_names(described, where)
        meant: dict[object, str] = {}
        for c in described.classes:
            _check_class(c, described, meant, where)
        _check_ignored(described, meant, where)

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """Which classes an image shows."""
        present = np.flatnonzero(np.bincount(image.labels[self.name].reshape(-1), minlength=256)).tolist()
        report.void += [str(image.files[self.name])] * (present == [IGNORE])
        report.classes.update(image.vocabulary.classes[k].name for k in present if k != IGNORE)

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """Labels without any class."""
        yield from such(report.void, "expected class labels, found none in the whole image")

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """Each class in its own colour."""
        return class_colors(array, vocabulary.colors)


@lru_cache(maxsize=4)
def meanings(described: SemanticDescription) -> npt.NDArray[np.uint16]:
    """Class index, ``IGNORE`` or ``UNKNOWN`` by stored number or colour."""
    size = 1 << (24 if described.encoding == "color" else 16)
    table = np.full(size, UNKNOWN if described.others == "error" else IGNORE, np.uint16)
    table[[code(value) for value in described.ignore]] = IGNORE
    for index, c in enumerate(described.classes):
        table[[code(value) for value in described.stored(c)]] = index
    return table


def reindexed(labels: Labels, table: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """The labels with other class indices: ``table[index]`` in place of ``index``."""
    return {name: table[array] if name == SemanticLabel.name else array for name, array in labels.items()}


def _check_names(described: SemanticDescription, where: str) -> None:
    names = [c.name for c in described.classes]
    if any(name != name.strip() or not name for name in names):
        raise RecipeError(f"{where}: semantic.classes: expected names without blanks around them, found {names}")
    if not 1 <= len(names) <= 255:
        raise RecipeError(f"{where}: semantic.classes: expected 1 … 255 classes, found {len(names)}")
    if len(set(names)) != len(names):
        raise RecipeError(f"{where}: semantic.classes: expected different names, found one twice: {names}")
    if described.sky and described.sky not in names:
        raise RecipeError(f"{where}: semantic.sky: expected a class, found {described.sky!r}")


def _check_class(c: ClassDescription, described: SemanticDescription, meant: dict[object, str], where: str) -> None:
    """What means a class, which is added to ``meant``."""
    where, encoding = f"{where}: semantic.classes: {c.name!r}", described.encoding
    if not described.stored(c):
        raise RecipeError(f"{where}: expected its {encoding}, found none")
    if encoding == "color" and c.numbers:
        raise RecipeError(
            f'{where}: value: expected none with encoding = "color", found {", ".join(map(str, c.numbers))}: leave it '
            "out, or change the encoding"
        )
    for key in described.stored(c):
        expect_storable(key, where)
        if key in meant:
            found = f"{meant[key]!r} twice" if meant[key] == c.name else f"both {meant[key]!r} and {c.name!r}"
            raise RecipeError(f"{where.rsplit(': ', 1)[0]}: {key} means {found}: leave one out")
        meant[key] = c.name
    if len(c.colors) > 1 and encoding == "value":
        raise RecipeError(f"{where}: color: expected one, found {len(c.colors)}")
    for color in c.colors:
        expect_storable(color, f"{where}: color")


def _check_ignored(described: SemanticDescription, meant: Mapping[object, str], where: str) -> None:
    kind = tuple if described.encoding == "color" else int
    for key in described.ignore:
        if not isinstance(key, kind):
            wanted = "colours [red, green, blue]" if kind is tuple else "numbers"
            raise RecipeError(f"{where}: semantic.ignore: expected {wanted}, found {key}")
        expect_storable(key, f"{where}: semantic.ignore")
        if key in meant:
            raise RecipeError(f"{where}: semantic.ignore: {key} is ignored, and means {meant[key]!r}: leave one out")
