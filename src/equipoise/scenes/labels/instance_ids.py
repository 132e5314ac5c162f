"""Read instance ids: numbers, colours or class · factor + index, as Cityscapes stores them."""

from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.io.arrays import is_array
from equipoise.scenes.io.images import read_labels
from equipoise.scenes.labels.cityscapes_classes import (
    COUNTABLE_IDS,
    HIGHEST_ID,
    INSTANCE_FACTOR,
    LOWEST_COUNTABLE,
    train_ids,
)
from equipoise.scenes.labels.class_description import NAMED, SemanticDescription
from equipoise.scenes.labels.drawn import READERS, draw_objects, object_labels
from equipoise.scenes.labels.label import Array, Files, Labels, Reader, Stored
from equipoise.scenes.labels.numbers import HIGHEST, read_color_codes, read_numbers
from equipoise.scenes.labels.one_class import HIGHEST_STORED, contradiction, split_by_class
from equipoise.scenes.labels.panoptic import PANOPTIC, read_ids, replaced, segments_of, without_pixels
from equipoise.scenes.labels.semantic import SemanticLabel, meanings
from equipoise.scenes.labels.shapes import ImageFile
from equipoise.scenes.labels.values import code, expect_values
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary

ZERO_OBJECT = {"id": 1 << 16, "color": 1 << 24}
"""Encoding → the id given to an object that is stored as 0 or black, since id 0 means none."""
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class InstanceDescription:
    """Where instance labels are and how ids are stored.

    Attributes:
        files: the pattern of the label files: PNG, for numbers and colours also TIFF, OpenEXR, NPY or
            NPZ.
        encoding: ``class_factor``: class · factor + index, where numbers below ``factor`` are no instance; ``id``: any
            number except those in ``background``; ``color``: any colour except those in ``background``; ``coco``,
            ``labelme``, ``yolo``, ``cityscapes_polygons``: outlines of objects; ``coco_panoptic``: PNGs of segment ids.
        segments: only for ``coco_panoptic``: the JSON file about the segments of all images; may contain ``{split}``.
        key: the array in NPZ files, or the channel in OpenEXR files (its layer for colours). Empty: the only one.
        factor: the factor of ``class_factor``, 1 … 65,535; not used by other encodings.
        background: numbers or colours that are no instance.
        only_countable: pixels of classes that are not countable are no instance (panoptic pictures have ids on
            everything).
        across_classes: what an id on several classes means. ``error``: a mistake in the labels; ``split``: one object
            for each class, because each class numbers its objects separately; ``merge``: one object whose borders
            differ slightly from those of its class.
        optional: images may lack this label.
    """

    files: str
    encoding: Literal[
        "class_factor", "id", "color", "coco", "labelme", "yolo", "cityscapes_polygons", "coco_panoptic"
    ] = "class_factor"
    segments: str = ""
    key: str = ""
    factor: int = 1000
    background: tuple[int | tuple[int, int, int], ...] = (0,)
    only_countable: bool = False
    across_classes: Literal["error", "split", "merge"] = "error"
    optional: bool = False


def check_instances(described: InstanceDescription, semantic: SemanticDescription | None, where: str) -> None:
    """Raise ``RecipeError`` for numbers out of range, and if the tables of instances and classes do not fit."""
    if not 1 <= described.factor <= 65535:
        raise RecipeError(f"{where}: instance.factor: expected 1 … 65,535, found {described.factor}")
    if described.encoding in NAMED and described.background != (0,):
        kind = "outlines" if described.encoding in READERS else described.encoding
        raise RecipeError(f"{where}: instance.background: expected none with {kind}, found some: leave it out")
    if described.background != (0,):
        array = is_array(described.files)
        expect_values(described.background, described.encoding, f"{where}: instance.background", array=array)
    _check_with_classes(described, semantic, where)


def _check_with_classes(described: InstanceDescription, semantic: SemanticDescription | None, where: str) -> None:
    if described.only_countable and not (semantic and any(c.countable for c in semantic.classes)):
        raise RecipeError(f"{where}: instance.only_countable: expected [semantic] with countable classes, found none")
    if described.across_classes != "error" and semantic is None:
        raise RecipeError(f"{where}: instance.across_classes: expected a [semantic] table with the classes, found none")
    if semantic is None or (described.encoding, semantic.encoding) != ("class_factor", "value"):
        return
    highest = HIGHEST if is_array(described.files) else HIGHEST_STORED
    bits = 16 if highest == HIGHEST_STORED else 32
    for c in semantic.classes:
        for number in c.numbers if c.countable else ():
            if not 0 < (found := number * described.factor) <= highest:
                why = "which means no instance" if number <= 0 else f"which {bits} bit cannot hold"
                raise RecipeError(
                    f"{where}: instance.encoding: expected class · {described.factor} + index of {described.factor} … "
                    f"{highest:,}, found {found} for {c.name!r}, {why}: renumber the class or change the factor, or "
                    'write plain ids and encoding = "id"'
                )


class DescribedIds(Reader):
    """Reads instance ids as a data description defines them."""

    def __init__(
        self, described: InstanceDescription, semantic: SemanticDescription | None, vocabulary: SceneVocabulary
    ) -> None:
        self._described, self._semantic, self._vocabulary = described, semantic, vocabulary
        special = [number for number in described.background if isinstance(number, int) and number]
        factor = described.factor if described.encoding == "class_factor" else 0
        self._wide = min(special, default=0) > 255 or factor > 255

    def stored(self, path: Path) -> Stored:
        """Read grey numbers of 8 or 16 bits, palette indices, colours, or arrays of these."""
        if self._described.encoding == "color":
            return read_color_codes(path, key=self._described.key)
        return read_numbers(path, wide=self._wide, key=self._described.key)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.int32]:
        """Convert to ids, which are the stored numbers except for ``ZERO_OBJECT``.

        If classes are not described by numbers, ``class_factor`` cannot distinguish an object of class 0 from no
        instance. Such numbers raise ``DataError``.
        """
        described = self._described
        background = np.isin(stored, [code(value) for value in described.background])
        if described.encoding == "class_factor":
            small = (stored < described.factor) & ~background
            numbered = self._semantic is not None and self._semantic.encoding == "value"
            if not numbered and small.any():
                raise DataError(_class_zero(np.unique(stored[small]), described.factor, path))
            background |= small
        elif (negative := stored[(stored < 0) & ~background]).size:
            raise DataError(
                f"{path}: expected ids of 0 or more, found {negative[0]}: add it to instance.background if it means no "
                "instance"
            )
        named = np.where(stored == 0, _zero_object(stored, described.encoding), stored)
        return np.where(background, 0, named).astype(np.int32)

    def settled(self, name: str, found: Labels, files: Files) -> Array:
        """Apply the class labels to the instances. Raises ``DataError`` for a forbidden id on several classes."""
        described, semantic, instance = self._described, found.get(SemanticLabel.name), found[name]
        if semantic is None:
            if described.only_countable or described.across_classes == "split":
                key = "only_countable" if described.only_countable else "across_classes"
                raise DataError(
                    f"{files[name]}: expected class labels for this image too, found none: instance.{key} needs them"
                )
            return instance
        if described.only_countable:
            instance = np.where(np.isin(semantic, self._vocabulary.countable), instance, 0).astype(np.int32)
        if described.across_classes == "split":
            return split_by_class(instance, semantic)
        if described.across_classes == "error" and (wrong := contradiction(instance, semantic, self._vocabulary)):
            raise DataError(
                f"{files[name]}: expected each instance on one class, found {wrong}: set instance.across_classes to "
                '"split" if each class numbers its objects separately, or to "merge" if it is one object with inexact '
                "borders"
            )
        return instance

    def class_of(self, number: int) -> int | None:
        """Return the class of class · factor + index, if classes are described by numbers."""
        semantic, described = self._semantic, self._described
        if semantic is None or number > HIGHEST_STORED:
            return None
        if (semantic.encoding, described.encoding) != ("value", "class_factor"):
            return None
        return min(int(meanings(semantic)[number // described.factor]), IGNORE)


class DrawnIds(DescribedIds):
    """Reads instance ids from outlines. If classes come from them too, only those of countable classes are objects."""

    def of_image(self, path: Path, image: ImageFile) -> Stored:
        """Draw the outlines of one image."""
        semantic = self._semantic
        drawn = semantic is not None and semantic.encoding == self._described.encoding
        known = object_labels(semantic) if semantic is not None and drawn else None
        return draw_objects(self._described.encoding, known, path, image)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.int32]:
        """Return the drawn ids."""
        return stored.astype(np.int32)


class PanopticIds(DescribedIds):
    """Reads instance ids from COCO's panoptic segments, without void and crowds.

    If classes come from segments too, objects are those of countable classes, otherwise those of categories of things.
    """

    def __init__(
        self,
        described: InstanceDescription,
        semantic: SemanticDescription | None,
        vocabulary: SceneVocabulary,
        segments: Path,
    ) -> None:
        super().__init__(described, semantic, vocabulary)
        self._segments = segments

    def stored(self, path: Path) -> Stored:
        """Read segment ids."""
        return read_ids(path)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.int32]:
        """Keep the ids of objects."""
        semantic = self._semantic
        same = semantic is not None and semantic.encoding == PANOPTIC and bool(self._vocabulary.countable)
        known = object_labels(semantic) if semantic is not None and same else None
        objects = {
            own: own if not each.crowd and (each.thing if known is None else each.label in known) else 0
            for own, each in segments_of(path, self._segments).items()
        }
        return replaced(stored, objects, 0, path, self._segments)

    def unused(self, path: Path) -> str:
        """Describe the segments that no pixel shows."""
        return without_pixels(path, self._segments)


class InstanceIds(Reader):
    """Reads Cityscapes' instance ids: class · 1000 + index. Smaller numbers are groups or stuff, not objects."""

    def __init__(self, vocabulary: SceneVocabulary) -> None:
        self._vocabulary = vocabulary

    def stored(self, path: Path) -> Stored:
        """Read grey numbers of 16 bits."""
        return read_labels(path, wide=True)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.int32]:
        """Keep the ids of countable classes. Raises ``DataError`` for a number that is not an id."""
        label = stored // INSTANCE_FACTOR
        unknown = (label > HIGHEST_ID) | ((label > 0) & (label < LOWEST_COUNTABLE))
        if unknown.any():
            raise DataError(
                f"{path}: expected ids of classes {LOWEST_COUNTABLE} … {HIGHEST_ID} times {INSTANCE_FACTOR} plus an "
                f"index, or label ids, found {int(stored[unknown][0])}"
            )
        return np.where(np.isin(label, COUNTABLE_IDS), stored, 0).astype(np.int32)

    def settled(self, name: str, found: Labels, files: Files) -> Array:
        """Return the ids. Raises ``DataError`` for an id on several classes, as its centroid would be meaningless."""
        semantic = found.get(SemanticLabel.name)
        if semantic is not None and (wrong := contradiction(found[name], semantic, self._vocabulary)):
            raise DataError(
                f"{files[name]}: expected each instance on one class, found {wrong}: correct it, or correct "
                f"{files[SemanticLabel.name]}"
            )
        return found[name]

    def class_of(self, number: int) -> int | None:
        """Return the class of class · 1000 + index."""
        return int(train_ids()[number // INSTANCE_FACTOR])


def _zero_object(stored: Stored, encoding: str) -> int:
    """The id of an object that is stored as 0: ``ZERO_OBJECT``, or with arrays the next one that is not stored."""
    first = ZERO_OBJECT.get(encoding, 0)
    used = set(np.unique(stored[stored >= first]).tolist()) if first else ()
    return next(number for number in count(first) if number not in used)


def _class_zero(found: npt.NDArray[np.int32], factor: int, path: Path) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (
        f"{path}: expected numbers from {factor} on (class · {factor} + index) or of instance.background, found "
        f"{', '.join(map(str, found[:SHOWN].tolist()))}{more}: are they objects of class 0, or no instances? Add "
        'them to instance.background, or set instance.encoding = "id"'
    )
