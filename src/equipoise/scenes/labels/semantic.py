"""The semantic label: the class index of every pixel, ``uint8``; 255 = no label."""

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
from equipoise.scenes.labels.drawn import READERS, draw_classes
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
from equipoise.scenes.labels.shapes import ImageFile
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.values import Value, code, expect_storable, expect_values, shown, such
from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass, SceneVocabulary
from equipoise.scenes.visual.colors import Picture, class_colors, distinct_colors

UNKNOWN = 256
"""Marks a stored number that is neither a class nor ignored."""


@dataclass(frozen=True, kw_only=True)
class ClassDescription:
    """One class, and the numbers or colours that stand for it in label pictures.

    Attributes:
        name: the name in results, pictures and recipes; different for each class.
        value: the number or numbers that stand for the class (``encoding = "value"``).
        color: the colour in pictures. With ``encoding = "color"`` also the colour that stands for the class in labels;
            a list of colours is possible, of which pictures use the first. Left out: a colour that no other class has.
        countable: whether its objects are instances.
        category: a name that related classes share; see *Categories*. Empty: a category of its own.
    """

    name: str
    value: int | tuple[int, ...] = ()
    color: tuple[int, int, int] | tuple[tuple[int, int, int], ...] | None = None
    countable: bool = False
    category: str = ""

    @property
    def numbers(self) -> tuple[int, ...]:
        """The stored numbers that stand for the class."""
        return (self.value,) if isinstance(self.value, int) else self.value

    @property
    def colors(self) -> tuple[tuple[int, int, int], ...]:
        """All given colours; empty if none is given."""
        if not self.color:
            return ()
        return tuple(c for c in self.color if isinstance(c, tuple)) or (cast(tuple[int, int, int], self.color),)


@dataclass(frozen=True, kw_only=True)
class SemanticDescription:
    """Where class labels are and what they mean.

    Attributes:
        files: the pattern of the label pictures.
        classes: the classes, in the order of their indices.
        encoding: ``value``: one number per pixel; ``color``: RGB; ``coco``, ``labelme``, ``yolo``,
            ``cityscapes_polygons``: outlines of objects, whose labels are names of classes (YOLO: values).
        outside: only for outlines, and required for them: the class of pixels outside all of them; empty: no label.
        ignore: numbers or colours that mean no label.
        others: how to treat a number or colour that is neither a class nor ignored.
        sky: the name of the class whose inverse depth is zero.
        optional: images may lack this label.
    """

    files: str
    classes: tuple[ClassDescription, ...]
    encoding: Literal["value", "color", "coco", "labelme", "yolo", "cityscapes_polygons"] = "value"
    outside: str | None = None
    ignore: tuple[int | tuple[int, int, int], ...] = ()
    others: Literal["error", "ignore"] = "error"
    sky: str = ""
    optional: bool = False

    def stored(self, c: ClassDescription) -> tuple[int | tuple[int, int, int], ...]:
        """Return the numbers or colours that stand for a class."""
        return c.colors if self.encoding == "color" else c.numbers


class DescribedClasses(Reader):
    """Reads class labels as a data description defines them."""

    def __init__(self, described: SemanticDescription) -> None:
        self._described = described
        self._wide = any(number > 255 for c in described.classes for number in c.numbers)

    def stored(self, path: Path) -> Stored:
        """Read grey numbers of 8 or 16 bits, palette indices, or colours."""
        return read_colors(path) if self._described.encoding == "color" else read_labels(path, wide=self._wide)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Convert to class indices. Raises ``DataError`` for a number or colour that is not described."""
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


class DrawnClasses(Reader):
    """Reads class labels from outlines of objects."""

    def __init__(self, described: SemanticDescription) -> None:
        self._described = described

    def stored(self, path: Path) -> Stored:
        """Outlines need the size of their image."""
        raise DataError(f"{path}: expected the image of these outlines, found none")

    def of_image(self, path: Path, image: ImageFile) -> Stored:
        """Draw the outlines of one image."""
        return draw_classes(self._described, path, image)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Return the drawn class indices."""
        return stored.astype(np.uint8)


class LabelIds(Reader):
    """Reads Cityscapes' label ids. Id −1 (license plate) is stored as 255."""

    def stored(self, path: Path) -> Stored:
        """Read grey numbers or palette indices."""
        return read_labels(path)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Convert to train ids. Raises ``DataError`` for a number that is not a label id."""
        unknown = (stored > HIGHEST_ID) & (stored != 255)
        if unknown.any():
            raise DataError(f"{path}: expected label ids 0 … {HIGHEST_ID} or 255, found {int(stored[unknown][0])}")
        return train_ids()[stored]


class SemanticLabel(Label):
    """The class index of every pixel, ``uint8 (H, W)``."""

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
        """Create the reader of described class labels."""
        described = cast(SemanticDescription, source.descriptions[self.name])
        return DrawnClasses(described) if described.encoding in READERS else DescribedClasses(described)

    def meaning(self, described: SemanticDescription) -> dict[str, object]:
        """Return the classes, each with its own colour, and the index of the sky."""
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
        """Check that class names are unique and that each number or colour has one meaning."""
        _check_names(described, where)
        _check_outside(described, where)
        meant: dict[Value, str] = {}
        for c in described.classes:
            _check_class(c, described, meant, where)
        if described.ignore and described.encoding in READERS:
            raise RecipeError(
                f"{where}: semantic.ignore: expected none with outlines, found some: leave out the class of "
                'what has no label, and set others = "ignore"'
            )
        expect_values(described.ignore, described.encoding, f"{where}: semantic.ignore")
        for key in described.ignore:
            _expect_new(key, "no label", meant, f"{where}: semantic.ignore")

    def count(self, report: SplitReport, image: LabelledImage) -> None:
        """Count the classes that an image shows."""
        present = np.flatnonzero(np.bincount(image.labels[self.name].reshape(-1), minlength=256)).tolist()
        report.void += [str(image.files[self.name])] * (present == [IGNORE])
        report.classes.update(image.vocabulary.classes[k].name for k in present if k != IGNORE)

    def suspicions(self, report: SplitReport) -> Iterator[str]:
        """Report labels without any class."""
        yield from such(report.void, "expected class labels, found none in the whole image")

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """Draw each class in its own colour."""
        return class_colors(array, vocabulary.colors)


@lru_cache(maxsize=4)
def meanings(described: SemanticDescription) -> npt.NDArray[np.uint16]:
    """Return the class index, ``IGNORE`` or ``UNKNOWN`` for every stored number or colour."""
    size = 1 << (24 if described.encoding == "color" else 16)
    table = np.full(size, UNKNOWN if described.others == "error" else IGNORE, np.uint16)
    table[[code(value) for value in described.ignore]] = IGNORE
    for index, c in enumerate(described.classes):
        table[[code(value) for value in described.stored(c)]] = index
    return table


def reindexed(labels: Labels, table: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """Replace each class index by ``table[index]``."""
    return {name: table.take(array) if name == SemanticLabel.name else array for name, array in labels.items()}


def _check_names(described: SemanticDescription, where: str) -> None:
    names = [c.name for c in described.classes]
    if any(name != name.strip() or not name for name in names):
        raise RecipeError(f"{where}: semantic.classes: expected names without surrounding spaces, found {names}")
    if not 1 <= len(names) <= 255:
        raise RecipeError(f"{where}: semantic.classes: expected 1 … 255 classes, found {len(names)}")
    if twice := [name for name in names if names.count(name) > 1]:
        raise RecipeError(f"{where}: semantic.classes: expected unique names, found {twice[0]!r} twice")
    if described.sky and described.sky not in names:
        raise RecipeError(f"{where}: semantic.sky: expected a class, found {described.sky!r}")


def _check_outside(described: SemanticDescription, where: str) -> None:
    """Outlines leave pixels between them, whose meaning only the user knows."""
    where, names = f"{where}: semantic.outside", [c.name for c in described.classes]
    if described.encoding not in READERS:
        if described.outside is not None:
            raise RecipeError(f"{where}: expected it with {', '.join(READERS)}, found encoding {described.encoding!r}")
    elif described.outside is None:
        raise RecipeError(f'{where}: expected the class of pixels outside all outlines, or "" if they have no label')
    elif described.outside and described.outside not in names:
        raise RecipeError(f"{where}: expected a class, found {described.outside!r}")


def _check_class(c: ClassDescription, described: SemanticDescription, meant: dict[Value, str], where: str) -> None:
    """Check the numbers and colours of a class, and add them to ``meant``."""
    table, encoding = f"{where}: semantic.classes", described.encoding
    where = f"{table}: {c.name!r}"
    named = described.encoding in READERS and (described.encoding != "yolo" or c.name == described.outside)
    if not described.stored(c) and not named:
        raise RecipeError(f"{where}: expected its {encoding}, found none")
    if encoding == "color" and c.numbers:
        raise RecipeError(
            f'{where}: value: expected none with encoding = "color", found {", ".join(map(str, c.numbers))}: leave it '
            "out, or change the encoding"
        )
    for key in described.stored(c):
        expect_storable(key, where)
        _expect_new(key, repr(c.name), meant, table)
    if len(c.colors) > 1 and encoding == "value":
        raise RecipeError(f"{where}: color: expected one, found {len(c.colors)}")
    for color in c.colors:
        expect_storable(color, f"{where}: color")


def _expect_new(key: Value, meaning: str, meant: dict[Value, str], where: str) -> None:
    """Raise ``RecipeError`` for a number or colour that already has a meaning; otherwise remember its meaning."""
    if key in meant:
        found = f"{meaning} twice" if meant[key] == meaning else f"both {meant[key]} and {meaning}"
        raise RecipeError(f"{where}: expected one meaning for {key}, found {found}: leave one out")
    meant[key] = meaning
