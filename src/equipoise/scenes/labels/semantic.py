"""The semantic label: the class index of every pixel, ``uint8``; 255 = no label."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_labels
from equipoise.scenes.labels.cityscapes_classes import CLASSES, HIGHEST_ID, SKY, train_ids
from equipoise.scenes.labels.class_description import SemanticDescription, check_classes
from equipoise.scenes.labels.drawn import READERS, class_indices, draw_classes, expect_described
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
from equipoise.scenes.labels.numbers import read_color_codes, read_numbers
from equipoise.scenes.labels.panoptic import PANOPTIC, read_ids, replaced, segments_of, without_pixels
from equipoise.scenes.labels.shapes import ImageFile
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.labels.values import code, shown, such
from equipoise.scenes.labels.vocabulary import IGNORE, SceneClass, SceneVocabulary
from equipoise.scenes.visual.colors import Picture, class_colors, distinct_colors

UNKNOWN = 256
"""Marks a stored number that is neither a class nor ignored."""


class DescribedClasses(Reader):
    """Reads class labels as a data description defines them."""

    def __init__(self, described: SemanticDescription) -> None:
        self._described = described
        self._wide = any(number > 255 for c in described.classes for number in c.numbers)

    def stored(self, path: Path) -> Stored:
        """Read grey numbers of 8 or 16 bits, palette indices, colours, or arrays of these."""
        if self._described.encoding == "color":
            return read_color_codes(path, key=self._described.key)
        return read_numbers(path, wide=self._wide, key=self._described.key)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Convert to class indices. Raises ``DataError`` for a number or colour that is not described."""
        found = meant_by(self._described, stored)
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


class PanopticClasses(Reader):
    """Reads class labels from COCO's panoptic segments; void has no class, and a crowd has that of its category."""

    def __init__(self, described: SemanticDescription, segments: Path) -> None:
        self._described, self._segments = described, segments

    def stored(self, path: Path) -> Stored:
        """Read segment ids."""
        return read_ids(path)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.uint8]:
        """Convert to class indices. Raises ``DataError`` for a category that is not described."""
        known, segments = class_indices(self._described), segments_of(path, self._segments)
        expect_described(self._described, (each.label for each in segments.values()), path)
        classes = {own: known.get(each.label, IGNORE) for own, each in segments.items()}
        return replaced(stored, classes, IGNORE, path, self._segments).astype(np.uint8)

    def unused(self, path: Path) -> str:
        """Describe the segments that no pixel shows."""
        return without_pixels(path, self._segments)


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
        if described.encoding == PANOPTIC:
            return PanopticClasses(described, source.below(described.segments))
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
        check_classes(described, where)

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
    table = np.full(size, _unlisted(described), np.uint16)
    for number, index in _listed(described).items():
        if 0 <= number < size:
            table[number] = index
    return table


def meant_by(described: SemanticDescription, stored: Stored) -> npt.NDArray[np.uint16]:
    """Return ``meanings`` of stored numbers; those of arrays may be negative or need more than 16 bits."""
    table = meanings(described)
    if not stored.size or (stored.min() >= 0 and stored.max() < len(table)):
        return table[stored]
    listed, unlisted = _listed(described), _unlisted(described)
    values, index = np.unique(stored, return_inverse=True)
    found = np.array([listed.get(value, unlisted) for value in values.tolist()], np.uint16)
    return found[index].reshape(stored.shape)


def _listed(described: SemanticDescription) -> dict[int, int]:
    """Return the class index, or ``IGNORE``, of every number and colour that a description lists."""
    classes = {code(value): index for index, c in enumerate(described.classes) for value in described.stored(c)}
    return {code(value): IGNORE for value in described.ignore} | classes


def _unlisted(described: SemanticDescription) -> int:
    return UNKNOWN if described.others == "error" else IGNORE


def reindexed(labels: Labels, table: npt.NDArray[np.uint8]) -> dict[str, Array]:
    """Replace each class index by ``table[index]``."""
    return {name: table.take(array) if name == SemanticLabel.name else array for name, array in labels.items()}
