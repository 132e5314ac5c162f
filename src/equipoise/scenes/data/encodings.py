"""What the stored numbers and colours of a described label picture mean. See docs/own-data.md."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.data.description import (
    DepthDescription,
    InstanceDescription,
    LabelDescription,
    SemanticDescription,
    class_numbers,
)
from equipoise.scenes.data.sample import IGNORE
from equipoise.scenes.io.images import read_colors, read_labels

UNKNOWN = 256
"""Stands for a stored number that is neither a class nor ignored."""
ZERO_OBJECT = {"id": 1 << 16, "color": 1 << 24}
"""Encoding → the id of an object that is stored as 0 or black, since id 0 means none: above all numbers and colours."""
SHOWN = 5


def read_label(path: Path, label: LabelDescription) -> npt.NDArray[np.int32]:
    """The numbers or colours of a label picture; raises where its mode or bits cannot hold what is described."""
    if not isinstance(label, DepthDescription) and label.encoding == "color":
        return read_colors(path)
    return read_labels(path, wide=_needs_16_bits(label), palette=not isinstance(label, DepthDescription))


def _needs_16_bits(label: LabelDescription) -> bool:
    """Whether 8 bits cannot hold what is described: larger numbers wrap when they are saved so."""
    if isinstance(label, SemanticDescription):
        return any(number > 255 for c in label.classes for number in class_numbers(c))
    if isinstance(label, InstanceDescription):
        special = [number for number in label.background if isinstance(number, int) and number]
        return min(special, default=0) > 255 or (label.encoding == "class_factor" and label.factor > 255)
    special = [number for number in (*label.invalid, *label.infinite) if number]
    return min(special, default=0) > 255 or abs(label.divisor) > 255


def semantic_indices(
    labels: npt.NDArray[np.int32], description: SemanticDescription, path: Path
) -> npt.NDArray[np.uint8]:
    """Stored numbers or colours to class indices; raises ``DataError`` for one that means nothing."""
    found = meanings(description)[labels]
    unknown = found == UNKNOWN
    if unknown.any():
        value = int(labels[unknown][0])
        raise DataError(
            f"{path}: expected labels of the described classes, found "
            f"{_shown(value) if description.encoding == 'color' else value}: describe it, add it to semantic.ignore, "
            'or set semantic.others = "ignore"'
        )
    return found.astype(np.uint8)


@lru_cache(maxsize=4)
def meanings(description: SemanticDescription) -> npt.NDArray[np.uint16]:
    """Class index, ``IGNORE`` or ``UNKNOWN`` by stored number or colour."""
    size = 1 << (24 if description.encoding == "color" else 16)
    table = np.full(size, UNKNOWN if description.others == "error" else IGNORE, np.uint16)
    table[[_code(value) for value in description.ignore]] = IGNORE
    for index, c in enumerate(description.classes):
        stored = c.colors if description.encoding == "color" else class_numbers(c)
        table[[_code(value) for value in stored]] = index
    return table


def instance_ids(
    labels: npt.NDArray[np.int32], description: InstanceDescription, path: Path, *, numbered: bool
) -> npt.NDArray[np.int32]:
    """Stored numbers or colours to ids, 0 = none; ids are the stored numbers, but for ``ZERO_OBJECT``.

    ``numbered``: whether the classes are described by their numbers. If they are not, ``class_factor`` cannot tell an
    object of class 0 from no instance: raises ``DataError`` for such numbers.
    """
    background = np.isin(labels, [_code(value) for value in description.background])
    if description.encoding == "class_factor":
        small = (labels < description.factor) & ~background
        if not numbered and small.any():
            raise DataError(_class_zero(np.unique(labels[small]), description.factor, path))
        background |= small
    named = np.where(labels == 0, ZERO_OBJECT.get(description.encoding, 0), labels)
    return np.where(background, 0, named).astype(np.int32)


def _class_zero(found: npt.NDArray[np.int32], factor: int, path: Path) -> str:
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return (
        f"{path}: expected numbers from {factor} on (class · {factor} + index) or of instance.background, found "
        f"{', '.join(map(str, found[:SHOWN].tolist()))}{more}: objects of class 0, or no instances? Add them to "
        'instance.background, or set instance.encoding = "id"'
    )


def inverse_depths(stored: npt.NDArray[np.int32], description: DepthDescription, path: Path) -> npt.NDArray[np.float32]:
    """Stored numbers to inverse depth, NaN = no label; raises ``DataError`` for values below zero.

    A depth of 0 m has no inverse, so it is no label.
    """
    value = (stored.astype(np.float64) + description.offset) / description.divisor + 0.0  # no negative zero
    invalid, infinite = (np.isin(stored, numbers) for numbers in (description.invalid, description.infinite))
    below_zero = (value < 0) & ~invalid & ~infinite
    if below_zero.any():
        raise DataError(
            f"{path}: expected depth of 0 or more, found {value[below_zero].min():.4g} for the stored number "
            f"{stored[below_zero].min()}: check depth.offset and depth.divisor, or add it to depth.invalid"
        )
    if description.kind == "depth_m":
        value = np.divide(1.0, value, out=np.full(value.shape, np.nan), where=value > 0)
    value[invalid] = np.nan
    value[infinite] = 0.0
    return value.astype(np.float32)


def _code(value: int | tuple[int, ...]) -> int:
    """A number as it is; a colour as ``read_colors`` writes it."""
    return value if isinstance(value, int) else value[0] * 65536 + value[1] * 256 + value[2]


def _shown(code: int) -> tuple[int, int, int]:
    return code // 65536, code // 256 % 256, code % 256
