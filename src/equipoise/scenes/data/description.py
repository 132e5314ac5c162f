"""Read the TOML description of a user's own folder into frozen dataclasses. See docs/own-data.md."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

from equipoise.errors import RecipeError
from equipoise.scenes.cameras.camera import Camera, camera_fault
from equipoise.scenes.config.toml import from_table, read_toml
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import LabelDescription, beside, in_one_file
from equipoise.scenes.labels.panoptic import PANOPTIC

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class CameraDescription(Camera):
    """The camera of all images. With a baseline, depth in metres is fx · baseline_m / disparity.

    Attributes:
        cx: column of the principal point, px (``u0`` in Cityscapes' files).
        cy: row of the principal point, px (``v0`` in Cityscapes' files).
        size: height and width of the images that the values in px refer to. Left out: the size of the data set's
            images, which must then all have the same size.
        u0: another name for ``cx``.
        v0: another name for ``cy``.
        baseline: another name for ``baseline_m``.
    """

    u0: float | None = None
    v0: float | None = None
    baseline: float | None = None

    @property
    def camera(self) -> Camera:
        """The camera, with each value under its main name."""
        values = {field.name: getattr(self, field.name) for field in fields(Camera)}
        for other, name in OTHER_NAMES.items():
            values[name] = getattr(self, other) if values[name] is None else values[name]
        return Camera(**values)


OTHER_NAMES = {"u0": "cx", "v0": "cy", "baseline": "baseline_m"}
"""Alternative key → main key."""


@dataclass(frozen=True, kw_only=True)
class SplitDescription:
    """Which images belong to a split: exactly one of these keys.

    Attributes:
        list: a text file with the name or the path of an image on each line; lines that begin with # are comments. Or
            COCO's JSON, of which the images are taken.
        folder: the value of ``{split}`` in the patterns.
        fraction: a share of all images, above 0 and at most 1, chosen at random from ``seed``; the shares
            of different splits do not overlap.
    """

    list: str = ""
    folder: str = ""
    fraction: float | None = None


def _with_label_tables(kind: type[T]) -> type[T]:
    """Add an optional field for the table of each kind of label to a class that becomes a dataclass."""
    kind.__annotations__ = kind.__annotations__ | {label.table: label.description | None for label in LABELS.values()}
    for label in LABELS.values():
        setattr(kind, label.table, None)
    lines = [f"        {label.table}: {label.about}" for label in LABELS.values()]
    kind.__doc__ = "\n".join([(kind.__doc__ or "").rstrip(), *lines])
    return kind


@dataclass(frozen=True, kw_only=True)
@_with_label_tables
class FolderDescription:
    """A whole data set. In patterns, ``{name}`` stands for the name of an image, which may contain ``/``.

    Attributes:
        images: the pattern of the images (PNG, JPEG or WebP).
        split: a table for each split. Runs train on ``train`` and evaluate on ``val`` unless the recipe says otherwise.
        camera: the camera of all images.
        seed: chooses the images of splits given by ``fraction``; 0 or more.
    """

    images: str
    split: dict[str, SplitDescription]
    camera: CameraDescription | None = None
    seed: int = field(default=0)

    @property
    def labels(self) -> dict[str, LabelDescription]:
        """The tables of the described labels, by label name."""
        tables = {name: getattr(self, label.table) for name, label in LABELS.items()}
        return {name: table for name, table in tables.items() if table is not None}


def read_description(path: Path) -> FolderDescription:
    """Read and check the description in a TOML file. Raises ``RecipeError`` with a message of one line."""
    table = read_toml(path)
    description = from_table(FolderDescription, table, str(path))
    check_description(description, str(path))
    for name, described in description.labels.items():
        LABELS[name].check_given(table[LABELS[name].table], described, str(path))
    return description


def check_description(description: FolderDescription, where: str) -> None:
    """Raise ``RecipeError`` for mistakes that types cannot rule out; ``where`` is the file."""
    patterns = {"images": description.images}
    patterns |= {f"{LABELS[kind].table}.files": label.files for kind, label in description.labels.items()}
    single = {f"{LABELS[kind].table}.files" for kind, label in description.labels.items() if in_one_file(label)}
    for key, pattern in patterns.items():
        if key in single:
            _expect_one_file(pattern, f"{where}: {key}")
        elif pattern.count("{name}") != 1:
            raise RecipeError(f"{where}: {key}: expected a pattern with {{name}} once, found {pattern!r}")
    for kind, label in description.labels.items():
        _check_beside(label, f"{where}: {LABELS[kind].table}")
        _check_key(label, f"{where}: {LABELS[kind].table}.key")
    _check_splits(description, where)
    if description.seed < 0:
        raise RecipeError(f"{where}: seed: expected 0 or more, found {description.seed}")
    if description.camera is not None:
        _check_camera(description.camera, where)
    for kind, label in description.labels.items():
        LABELS[kind].check_description(label, description.labels, where)
        LABELS[kind].check_camera(label, None if description.camera is None else description.camera.camera, where)


def _expect_one_file(path: str, where: str) -> None:
    if "{name}" in path:
        raise RecipeError(f"{where}: expected the path of one file for all images, found {path!r}: leave out {{name}}")


def _check_beside(label: LabelDescription, where: str) -> None:
    """Check the file that panoptic labels have beside their pictures."""
    panoptic, pattern = getattr(label, "encoding", "") == PANOPTIC, beside(label)
    if panoptic and not pattern:
        raise RecipeError(f'{where}.segments: expected the JSON file of encoding = "{PANOPTIC}", found none')
    if pattern and not panoptic:
        raise RecipeError(f'{where}.segments: expected it with encoding = "{PANOPTIC}", found another encoding')
    if pattern:
        _expect_one_file(pattern, f"{where}.segments")


def _check_key(label: LabelDescription, where: str) -> None:
    if getattr(label, "key", "") and not label.files.lower().endswith((".npz", ".exr")):
        raise RecipeError(f"{where}: expected it for NPZ or OpenEXR, found files = {label.files!r}")


def _check_splits(description: FolderDescription, where: str) -> None:
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
    if sum(split.fraction or 0.0 for split in description.split.values()) > 1 + 1e-9:
        raise RecipeError(f"{where}: split: expected fractions that add up to at most 1, found more")


def _check_camera(described: CameraDescription, where: str) -> None:
    for other, name in OTHER_NAMES.items():
        if getattr(described, other) is not None and getattr(described, name) is not None:
            raise RecipeError(f"{where}: camera: expected {name} or {other}, found both: leave one out")
    if (fault := camera_fault(described.camera)) is not None:
        raise RecipeError(f"{where}: camera.{fault}")
