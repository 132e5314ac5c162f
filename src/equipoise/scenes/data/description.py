"""The description of a user's own folder: a short TOML, read into frozen dataclasses. See docs/own-data.md."""

import typing
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from equipoise.errors import RecipeError
from equipoise.scenes.cameras.camera import Camera, camera_fault
from equipoise.scenes.config.toml import from_table, read_toml


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
    def colors(self) -> tuple[tuple[int, int, int], ...]:
        """All its colours; none where none is given."""
        if not self.color:
            return ()
        return tuple(c for c in self.color if isinstance(c, tuple)) or (typing.cast(tuple[int, int, int], self.color),)


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


@dataclass(frozen=True, kw_only=True)
class InstanceDescription:
    """Where instance labels lie and how ids are written.

    Attributes:
        files: the pattern of the label pictures.
        encoding: ``class_factor``: class · factor + index, numbers below ``factor`` are no instance; ``id``: any
            number but those in ``background``; ``color``: any colour but those in ``background``.
        factor: the factor of ``class_factor``, 1 … 65,535; other encodings have none.
        background: numbers or colours that are no instance.
        only_countable: pixels whose class is not countable are no instance (panoptic pictures have ids everywhere).
        across_classes: what an id on several classes means. ``error``: the labels contradict each other; ``split``:
            an object for each class, since each class counts its own ids; ``merge``: one object whose borders are
            not exactly those of its class.
        optional: images may lack their label.
    """

    files: str
    encoding: Literal["class_factor", "id", "color"] = "class_factor"
    factor: int = 1000
    background: tuple[int | tuple[int, int, int], ...] = (0,)
    only_countable: bool = False
    across_classes: Literal["error", "split", "merge"] = "error"
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class DepthDescription:
    """Where depth lies and how it is written: value = (p + offset) / divisor for the stored number p.

    Attributes:
        files: the pattern of the pictures, 8 or 16 bit.
        kind: ``disparity_px``: the value is disparity in px of the picture; ``depth_m``: metres; ``relative``: larger
            is nearer, no unit.
        offset: what is added to the stored number.
        divisor: what the sum is divided by, 10^-6 … 10^9 in size.
        invalid: stored numbers without a label.
        infinite: stored numbers that mean infinitely far.
        optional: images may lack their label.
    """

    files: str
    kind: Literal["disparity_px", "depth_m", "relative"]
    offset: float = 0.0
    divisor: float = 1.0
    invalid: tuple[int, ...] = ()
    infinite: tuple[int, ...] = ()
    optional: bool = False


@dataclass(frozen=True, kw_only=True)
class CameraDescription:
    """The camera of all images; with disparity, depth in metres is fx · baseline_m / disparity.

    Attributes:
        fx: focal length, px.
        fy: vertical focal length, px.
        cx: column of the principal point, px (``u0`` in Cityscapes' files).
        cy: row of the principal point, px (``v0`` in Cityscapes' files).
        baseline_m: distance between the two cameras, m.
        height_m: height above the ground, m.
        pitch_rad: downward tilt, rad.
        size: height and width of the images whose pixels these numbers are given in. Left out: the size of the images
            as they are, which must then be one size.
        u0: another name for ``cx``.
        v0: another name for ``cy``.
        baseline: another name for ``baseline_m``.
    """

    fx: float
    fy: float | None = None
    cx: float | None = None
    cy: float | None = None
    baseline_m: float | None = None
    height_m: float | None = None
    pitch_rad: float | None = None
    size: tuple[int, int] | None = None
    u0: float | None = None
    v0: float | None = None
    baseline: float | None = None

    @property
    def camera(self) -> Camera:
        """The camera, by one name for each number."""
        values = {name: getattr(self, name) for name in (field.name for field in fields(Camera))}
        for other, name in OTHER_NAMES.items():
            values[name] = getattr(self, other) if values[name] is None else values[name]
        return Camera(**values)


OTHER_NAMES = {"u0": "cx", "v0": "cy", "baseline": "baseline_m"}
"""What some call the numbers of a camera."""


LabelDescription = SemanticDescription | InstanceDescription | DepthDescription


@dataclass(frozen=True, kw_only=True)
class SplitDescription:
    """Which images belong to a split: exactly one of these keys.

    Attributes:
        list: a text file that has a name, or an image's path, on each line; lines that begin with # are comments.
        folder: what ``{split}`` stands for in the patterns.
        fraction: a share of all images, above 0 and at most 1, chosen by ``seed``; the shares of several splits do not
            overlap.
    """

    list: str = ""
    folder: str = ""
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class FolderDescription:
    """A whole data set. In patterns ``{name}`` stands for an image's name, which may hold ``/``.

    Attributes:
        images: the pattern of the images (PNG, JPEG or WebP).
        split: a table for each split; a run trains on ``train`` and evaluates on ``val`` unless its recipe says other.
        semantic: the class labels.
        instance: the instance labels.
        depth: the depth labels.
        camera: the camera of all images.
        seed: chooses the images of splits given by ``fraction``; 0 or more.
    """

    images: str
    split: dict[str, SplitDescription]
    semantic: SemanticDescription | None = None
    instance: InstanceDescription | None = None
    depth: DepthDescription | None = None
    camera: CameraDescription | None = None
    seed: int = field(default=0)

    @property
    def labels(self) -> dict[str, LabelDescription]:
        """The kinds of label that are described, by the names of their tables."""
        known = {"semantic": self.semantic, "instance": self.instance, "depth": self.depth}
        return {kind: label for kind, label in known.items() if label is not None}


def read_description(path: Path) -> FolderDescription:
    """The description in a TOML file; raises ``RecipeError`` in one line."""
    table = read_toml(path)
    description = from_table(FolderDescription, table, str(path))
    check_description(description, str(path))
    instance = description.instance
    if instance is not None and instance.encoding != "class_factor" and "factor" in table["instance"]:
        raise RecipeError(
            f'{path}: instance.factor: expected it with encoding = "class_factor", found "{instance.encoding}", which '
            "has none: leave it out, or change the encoding"
        )
    return description


def check_description(description: FolderDescription, where: str) -> None:
    """What types cannot rule out."""
    patterns = {"images": description.images}
    patterns |= {f"{kind}.files": label.files for kind, label in description.labels.items()}
    for key, pattern in patterns.items():
        if pattern.count("{name}") != 1:
            raise RecipeError(f"{where}: {key}: expected a pattern with {{name}} once, found {pattern!r}")
    if not description.split:
        raise RecipeError(f"{where}: split: expected at least one, such as [split.train], found none")
    for name, split in description.split.items():
        given = [key for key in ("list", "folder", "fraction") if getattr(split, key) not in ("", None)]
        if len(given) != 1:
            raise RecipeError(f"{where}: split.{name}: expected one of list, folder, fraction, found {given or 'none'}")
        if split.folder and "{split}" not in description.images:
            raise RecipeError(
                f"{where}: split.{name}.folder: expected {{split}} in images, found {description.images!r}"
            )
        if split.fraction is not None and not 0 < split.fraction <= 1:
            raise RecipeError(f"{where}: split.{name}.fraction: expected a share of 0 … 1, found {split.fraction}")
    if description.seed < 0:
        raise RecipeError(f"{where}: seed: expected 0 or more, found {description.seed}")
    if sum(split.fraction or 0.0 for split in description.split.values()) > 1 + 1e-9:
        raise RecipeError(f"{where}: split: expected fractions that add up to at most 1, found more")
    if description.depth is not None:
        _check_depth(description.depth, where)
    if description.camera is not None:
        _check_camera(description.camera, where)
    only = description.instance is not None and description.instance.only_countable
    if only and not (description.semantic and any(c.countable for c in description.semantic.classes)):
        raise RecipeError(f"{where}: instance.only_countable: expected [semantic] with countable classes, found none")
    if description.instance is not None:
        _check_instance(description.instance, where)
    if description.semantic is not None:
        _check_classes(description.semantic, where)
    if description.instance is not None:
        _check_both(description.instance, description.semantic, where)


def _check_camera(described: CameraDescription, where: str) -> None:
    for other, name in OTHER_NAMES.items():
        if getattr(described, other) is not None and getattr(described, name) is not None:
            raise RecipeError(f"{where}: camera: expected {name} or {other}, found both: leave one out")
    if (fault := camera_fault(described.camera)) is not None:
        raise RecipeError(f"{where}: camera.{fault}")


def _check_instance(instance: InstanceDescription, where: str) -> None:
    if not 1 <= instance.factor <= 65535:
        raise RecipeError(f"{where}: instance.factor: expected 1 … 65,535, found {instance.factor}")
    for key in instance.background:
        if isinstance(key, tuple) != (instance.encoding == "color") and instance.background != (0,):
            wanted = "colours [red, green, blue]" if instance.encoding == "color" else "numbers"
            raise RecipeError(f"{where}: instance.background: expected {wanted}, found {key}")
        _check_stored(key, f"{where}: instance.background")


def _check_both(instance: InstanceDescription, semantic: SemanticDescription | None, where: str) -> None:
    """What instances and classes say of each other."""
    if instance.across_classes != "error" and semantic is None:
        raise RecipeError(f"{where}: instance.across_classes: expected [semantic] to tell the classes, found none")
    if semantic is None or (instance.encoding, semantic.encoding) != ("class_factor", "value"):
        return
    for c in semantic.classes:
        for number in class_numbers(c) if c.countable else ():
            if not 0 < number * instance.factor <= 65535:
                told = "which means no instance" if number == 0 else "which 16 bit cannot hold"
                raise RecipeError(
                    f"{where}: instance.encoding: expected class · {instance.factor} + index of {instance.factor} … "
                    f"65,535, found {number * instance.factor} for {c.name!r}, {told}: renumber the class or change "
                    'the factor, or write plain ids and encoding = "id"'
                )


def _check_depth(depth: DepthDescription, where: str) -> None:
    if not abs(depth.offset) <= 1e9:
        raise RecipeError(f"{where}: depth.offset: expected a finite number of at most 10^9, found {depth.offset}")
    if not 1e-6 <= abs(depth.divisor) <= 1e9:
        raise RecipeError(f"{where}: depth.divisor: expected 10^-6 … 10^9 in size, found {depth.divisor}")
    for key in ("invalid", "infinite"):
        for value in getattr(depth, key):
            _check_stored(value, f"{where}: depth.{key}")
    if both := set(depth.invalid) & set(depth.infinite):
        raise RecipeError(f"{where}: depth: expected {min(both)} in invalid or in infinite, found it in both")


def _check_classes(semantic: SemanticDescription, where: str) -> None:
    names = [c.name for c in semantic.classes]
    if any(name != name.strip() or not name for name in names):
        raise RecipeError(f"{where}: semantic.classes: expected names without blanks around them, found {names}")
    if not 1 <= len(names) <= 255:
        raise RecipeError(f"{where}: semantic.classes: expected 1 … 255 classes, found {len(names)}")
    if len(set(names)) != len(names):
        raise RecipeError(f"{where}: semantic.classes: expected different names, found one twice: {names}")
    if semantic.sky and semantic.sky not in names:
        raise RecipeError(f"{where}: semantic.sky: expected a class, found {semantic.sky!r}")
    meant: dict[object, str] = {}
    for c in semantic.classes:
        keys: tuple[object, ...] = c.colors if semantic.encoding == "color" else class_numbers(c)
        if not keys:
            wanted = "color" if semantic.encoding == "color" else "value"
            raise RecipeError(f"{where}: semantic.classes: {c.name!r}: expected its {wanted}, found none")
        if semantic.encoding == "color" and class_numbers(c):
            raise RecipeError(
                f'{where}: semantic.classes: {c.name!r}: value: expected none with encoding = "color", found '
                f"{', '.join(map(str, class_numbers(c)))}: leave it out, or change the encoding"
            )
        for key in keys:
            _check_stored(key, f"{where}: semantic.classes: {c.name!r}")
            if key in meant:
                told = f"{meant[key]!r} twice" if meant[key] == c.name else f"both {meant[key]!r} and {c.name!r}"
                raise RecipeError(f"{where}: semantic.classes: {key} means {told}: leave one out")
            meant[key] = c.name
        if len(c.colors) > 1 and semantic.encoding == "value":
            raise RecipeError(f"{where}: semantic.classes: {c.name!r}: color: expected one, found {len(c.colors)}")
        for color in c.colors:
            _check_stored(color, f"{where}: semantic.classes: {c.name!r}: color")
    kind = tuple if semantic.encoding == "color" else int
    for key in semantic.ignore:
        if not isinstance(key, kind):
            wanted = "colours [red, green, blue]" if kind is tuple else "numbers"
            raise RecipeError(f"{where}: semantic.ignore: expected {wanted}, found {key}")
        _check_stored(key, f"{where}: semantic.ignore")
        if key in meant:
            raise RecipeError(f"{where}: semantic.ignore: {key} is ignored, and means {meant[key]!r}: leave one out")


def _check_stored(key: object, where: str) -> None:
    """A number or a colour that a PNG can hold."""
    values, highest = (key, 255) if isinstance(key, tuple) else ((key,), 65535)
    if not all(isinstance(value, int) and 0 <= value <= highest for value in values):
        raise RecipeError(f"{where}: expected 0 … {highest:,}, found {list(key) if isinstance(key, tuple) else key}")


def class_numbers(c: ClassDescription) -> tuple[int, ...]:
    """The stored numbers that mean a class."""
    return (c.value,) if isinstance(c.value, int) else c.value
