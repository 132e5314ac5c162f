"""Guess from stored numbers what label files mean, and draft their tables of a description."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from equipoise.errors import DataError
from equipoise.scenes.io.arrays import Numbers, is_array, read_array
from equipoise.scenes.io.images import read_colors, read_labels, stored_bits
from equipoise.scenes.labels.values import shown

MOST_CLASSES = 60
WORDS = {
    "depth": ("depth", "disp"),
    "normals": ("normal",),
    "instance": ("inst", "object", "panoptic"),
    "semantic": ("class", "sem", "label", "mask", "seg", "gt"),
}
"""Table → parts of folder and file names that suggest it."""


@dataclass(frozen=True, kw_only=True)
class Group:
    """Files with one pattern.

    Attributes:
        pattern: the pattern, with ``{name}``.
        files: the files by name of image.
        numbers: what some files store, by name of image; colours are 65536·R + 256·G + B.
        colors: whether these are colours.
        bits: bits of a number in a picture; 0 for arrays.
        faults: why others could not be read, a line each.
    """

    pattern: str
    files: Mapping[str, Path]
    numbers: Mapping[str, Numbers]
    colors: bool
    bits: int
    faults: tuple[str, ...] = ()

    @property
    def values(self) -> Numbers:
        """The numbers or colours found, ascending."""
        return np.unique(np.concatenate([np.unique(one) for one in self.numbers.values()]))


def read_group(pattern: str, files: Mapping[str, Path], some: Sequence[str]) -> Group:
    """Read what some files of a group store. Raises ``DataError`` if none of them can be read."""
    array, faults = is_array(pattern), []
    colors = not array and any(_is_color(files[name]) for name in some)
    read: Callable[[Path], Numbers] = read_array if array else read_colors if colors else read_labels
    numbers = {}
    for name in some:
        try:
            numbers[name] = read(files[name])
        except DataError as error:
            faults.append(str(error))
    if not numbers:
        raise DataError(faults[0])
    bits = stored_bits(files[next(iter(numbers))])
    group = Group(pattern=pattern, files=files, numbers=numbers, colors=colors, bits=bits, faults=tuple(faults))
    if guessed_table(group) == "depth" or not all(map(_is_whole, numbers.values())):
        return group
    return replace(group, numbers={name: one.astype(np.int64) for name, one in numbers.items()})


def _is_whole(numbers: Numbers) -> bool:
    """Whether numbers may be classes or ids, floats such as OpenEXR's included."""
    return numbers.dtype.kind != "f" or bool(np.isfinite(numbers).all() and (numbers == np.rint(numbers)).all())


def guessed_table(group: Group) -> str:
    """Return the table that a group of label files probably belongs to."""
    for table, words in WORDS.items():
        if any(word in group.pattern.lower() for word in words):
            return table
    return next(iter(WORDS)) if group.bits != 8 else list(WORDS)[-1]


def drafted_tables(groups: Mapping[str, Group]) -> dict[str, tuple[Group, list[str]]]:
    """Return for each table its group, the one with most files, and the drafted lines."""
    chosen: dict[str, Group] = {}
    for group in sorted(groups.values(), key=lambda group: -len(group.files)):
        if group.bits or guessed_table(group) == "depth" or group.values.dtype.kind in "iu":
            chosen.setdefault(guessed_table(group), group)
    classes, objects, depth = (chosen.get(table) for table in ("semantic", "instance", "depth"))
    drafted = {
        "semantic": draft_classes(classes, objects) if classes else [],
        "instance": draft_instances(objects, classes) if objects else [],
        "depth": draft_depth(depth) if depth and not depth.colors else [],
        "normals": ['axes = "camera"   # CHECK: x right, y down, z forward; or "opengl"']
        if "normals" in chosen
        else [],
    }
    return {table: (chosen[table], lines) for table, lines in drafted.items() if lines}


def draft_classes(group: Group, instance: Group | None) -> list[str]:
    """Draft the lines of ``[semantic]``: a class for each number or colour."""
    values, key = group.values.tolist(), "color" if group.colors else "value"
    special = [0] if group.colors else [-1, 255]
    ignore = [v for v in values if v in special and len(values) > 1]
    classes = [v for v in values if v not in ignore]
    if len(classes) > MOST_CLASSES:
        return []
    countable = set() if instance is None else _classes_of_objects(group, instance)
    lines = [f'encoding = "{key}"', f"ignore = {[_value(v, group) for v in ignore]}"]
    lines += ["# CHECK: the names; which classes have instances (countable); whether one is the sky", "classes = ["]
    for place, value in enumerate(classes):
        also = ", countable = true" if value in countable else ""
        lines.append(f'  {{ name = "class_{place}", {key} = {_value(value, group)}{also} }},')
    return [*lines, "]"]


def draft_instances(group: Group, semantic: Group | None) -> list[str]:
    """Draft the lines of ``[instance]``."""
    values = group.values
    classes = semantic.values if semantic is not None and not semantic.colors else values[:0]
    large = values[values >= 1000]
    if group.colors:
        return ['encoding = "color"   # CHECK: each colour except black is one object of its image']
    if (large.size and not classes.size) or (large.size and np.isin(large // 1000, classes).all()):
        below = values[values < 1000].tolist() if not classes.size else [0]
        return ['encoding = "class_factor"   # CHECK: class * 1000 + index', f"background = {below}"]
    background = sorted({0, *values[values < 0].tolist()})
    return [
        'encoding = "id"   # CHECK: each number outside background is one object of its image',
        f"background = {background}",
    ]


def draft_depth(group: Group) -> list[str]:
    """Draft the lines of ``[depth]``: kind, divisor and special numbers."""
    values = group.values
    stereo, floats = "disp" in group.pattern.lower(), values.dtype.kind == "f"
    if stereo:
        lines = ['kind = "disparity_px"   # CHECK: px of these images', "divisor = " + ("1" if floats else "256")]
        lines[1] += "   # CHECK: Cityscapes stores 256 * d + 1 (offset = -1), KITTI 256 * d"
    elif floats or group.bits == 16:
        lines = ['kind = "depth_m"   # CHECK: metres along the optical axis (or "ray_distance_m", along the ray)']
        lines.append(f"divisor = {1 if floats else 1000}   # CHECK: 1 for metres, 100 for cm, 1000 for mm")
    else:
        lines = ['kind = "relative"   # CHECK: larger is nearer; "depth_m" with a divisor for metres']
    invalid = ["0"] if (values == 0).any() else []
    if floats:
        invalid += ["nan"] if np.isnan(values).any() else []
        invalid += [f"{v:g}" for v in values[values < 0][:1] if np.isfinite(v)]
        lines += ["infinite = [inf]   # CHECK: or invalid"] if np.isinf(values).any() else []
    return [*lines, f"invalid = [{', '.join(invalid)}]   # CHECK: the numbers that mean no label"]


def _classes_of_objects(semantic: Group, instance: Group) -> set[int]:
    """Return the stored numbers of classes that most pixels of some object have."""
    found: set[int] = set()
    for name in sorted(set(semantic.numbers) & set(instance.numbers)):
        classes, ids = semantic.numbers[name], instance.numbers[name]
        if classes.shape == ids.shape:
            least = 1000 if int(instance.values.max()) >= 1000 and not instance.colors else 1
            for identity in np.unique(ids[ids >= least])[:200].tolist():
                values, counts = np.unique(classes[ids == identity], return_counts=True)
                found.add(int(values[counts.argmax()]))
    return found


def _value(value: int, group: Group) -> int | list[int]:
    return list(shown(value)) if group.colors else value


def _is_color(path: Path) -> bool:
    try:
        with Image.open(path) as picture:
            return picture.mode in ("RGB", "RGBA")
    except (OSError, SyntaxError, ValueError):  # Reported with its path when it is read.
        return False
