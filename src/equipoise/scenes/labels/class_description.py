"""The description of class labels: where they are, how they are stored, and what they mean."""

from dataclasses import dataclass
from typing import Literal, cast

from equipoise.errors import RecipeError
from equipoise.scenes.io.arrays import is_array
from equipoise.scenes.labels.drawn import READERS
from equipoise.scenes.labels.panoptic import PANOPTIC
from equipoise.scenes.labels.values import Value, expect_storable, expect_values


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
        files: the pattern of the label files: PNG, for numbers and colours also TIFF, OpenEXR, NPY or
            NPZ.
        classes: the classes, in the order of their indices.
        encoding: ``value``: one number per pixel; ``color``: RGB; ``coco``, ``labelme``, ``yolo``,
            ``cityscapes_polygons``: outlines of objects, whose labels are names of classes (YOLO: values);
            ``coco_panoptic``: PNGs of segment ids, whose categories in ``segments`` are names of classes.
        segments: only for ``coco_panoptic``: the JSON file about the segments of all images; may contain ``{split}``.
        key: the array in NPZ files, or the channel in OpenEXR files (its layer for colours). Empty: the only one.
        outside: only for outlines, and required for them: the class of pixels outside all of them; empty: no label.
        ignore: numbers or colours that mean no label.
        others: how to treat a number or colour that is neither a class nor ignored.
        sky: the name of the class whose inverse depth is zero.
        optional: images may lack this label.
    """

    files: str
    classes: tuple[ClassDescription, ...]
    encoding: Literal["value", "color", "coco", "labelme", "yolo", "cityscapes_polygons", "coco_panoptic"] = "value"
    segments: str = ""
    key: str = ""
    outside: str | None = None
    ignore: tuple[int | tuple[int, int, int], ...] = ()
    others: Literal["error", "ignore"] = "error"
    sky: str = ""
    optional: bool = False

    def stored(self, c: ClassDescription) -> tuple[int | tuple[int, int, int], ...]:
        """Return the numbers or colours that stand for a class."""
        return c.colors if self.encoding == "color" else c.numbers


NAMED = (*READERS, PANOPTIC)
"""Encodings whose labels are names of classes, or for YOLO numbers."""


def check_classes(described: SemanticDescription, where: str) -> None:
    """Raise ``RecipeError`` for names, numbers or colours that are not unique, and for keys that do not fit."""
    _check_names(described, where)
    _check_outside(described, where)
    meant: dict[Value, str] = {}
    for c in described.classes:
        _check_class(c, described, meant, where)
    if described.ignore and described.encoding in NAMED:
        raise RecipeError(
            f"{where}: semantic.ignore: expected none with {_kind(described)}, found some: leave out the class of "
            'what has no label, and set others = "ignore"'
        )
    expect_values(described.ignore, described.encoding, f"{where}: semantic.ignore", array=is_array(described.files))
    for key in described.ignore:
        _expect_new(key, "no label", meant, f"{where}: semantic.ignore")


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
    named = described.encoding in NAMED and (described.encoding != "yolo" or c.name == described.outside)
    if not described.stored(c) and not named:
        raise RecipeError(f"{where}: expected its {encoding}, found none")
    if encoding == "color" and c.numbers:
        raise RecipeError(
            f'{where}: value: expected none with encoding = "color", found {", ".join(map(str, c.numbers))}: leave it '
            "out, or change the encoding"
        )
    for key in described.stored(c):
        expect_storable(key, where, array=is_array(described.files))
        _expect_new(key, repr(c.name), meant, table)
    if len(c.colors) > 1 and encoding == "value":
        raise RecipeError(f"{where}: color: expected one, found {len(c.colors)}")
    for color in c.colors:
        expect_storable(color, f"{where}: color")


def _kind(described: SemanticDescription) -> str:
    return "outlines" if described.encoding in READERS else described.encoding


def _expect_new(key: Value, meaning: str, meant: dict[Value, str], where: str) -> None:
    """Raise ``RecipeError`` for a number or colour that already has a meaning; otherwise remember its meaning."""
    if key in meant:
        found = f"{meaning} twice" if meant[key] == meaning else f"both {meant[key]} and {meaning}"
        raise RecipeError(f"{where}: expected one meaning for {key}, found {found}: leave one out")
    meant[key] = meaning
