"""Someone's own folder of pictures, as a description says; only ever read."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.configuration import suggestion
from equipoise.scenes.data.description import (
    DepthDescription,
    FolderDescription,
    InstanceDescription,
    LabelDescription,
    SemanticDescription,
    read_description,
)
from equipoise.scenes.data.files import there
from equipoise.scenes.data.fingerprint import fingerprint
from equipoise.scenes.data.images import expect_size, read_colors, read_image, read_labels
from equipoise.scenes.data.sample import IGNORE, Camera, InverseDepthUnit, Sample, SceneClass, SceneVocabulary
from equipoise.scenes.data.splits import below, fill, fits, image_names, matching, split_names, why_none
from equipoise.scenes.pictures import hsv

FIELDS = {"semantic": "semantic", "instance": "instance", "depth": "inverse_depth"}
"""A label's table in the description → the field of ``Sample``."""
ARTICLES = {"semantic": "a", "instance": "an", "depth": "a"}
UNITS: dict[str, InverseDepthUnit] = {"disparity_px": "px", "depth_m": "1/m", "relative": "relative"}


class FolderDataset:
    """One split of a described folder.

    Args:
        description: the TOML file.
        split: one of the description's splits.
        root: where its patterns start; ``None``: beside the description.
        sky_is_zero: sky has zero inverse depth; else it has no depth label.
        optional: images may lack any of their labels, whatever the description says.
        strict: miss label files here already, not when a sample is read.

    Raises:
        RecipeError: the description has a mistake, or no such split.
        DataError: an image or a label is missing or wrong; names its path.
    """

    def __init__(
        self,
        description: Path,
        split: str,
        *,
        root: Path | None = None,
        sky_is_zero: bool = True,
        optional: bool = False,
        strict: bool = True,
    ) -> None:
        self.description = read_description(description)
        self.root = (root if root is not None else description.parent).resolve()
        if not self.root.is_dir():
            told = f"where {description} lies" if root is None else "as data.root or --root says"
            raise DataError(f"expected data at {self.root}, found no such folder, {told}: check the path")
        if split not in self.description.split:
            told = suggestion(split, self.description.split)
            raise RecipeError(
                f"{description}: split: expected {split!r}, as data.train or data.validation of a recipe names it (by "
                f"default train and val), found none{told}"
            )
        self.split, self.sky_is_zero, self.optional = split, sky_is_zero, optional
        self.names = tuple(split_names(self.description, split, self.root, strict=strict))
        if not self.names:
            pattern = fill(self.description.images, self.description, split, "{name}")
            why = why_none(self.description, split, self.root)
            raise DataError(f"expected images {pattern!r} under {self.root}, found none for {split!r}{why}")
        self.vocabulary = vocabulary(self.description)
        for name in self.names if strict else ():
            self._label_files(name)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """One sample at its own size; all that is wrong with its labels is told at once."""
        name = self.names[index]
        image_path = self.path(self.description.images, name)
        image = read_image(image_path)
        found: dict[str, Any] = {}
        wrong: list[str] = []
        for kind, path in self._label_files(name).items():
            try:
                labels = read_label(path, self.description.labels[kind])
                expect_size(labels, path, image, image_path)
                found[kind] = self._understood(labels, self.description.labels[kind], path)
            except DataError as error:
                wrong.append(str(error))
        if wrong:
            raise DataError("; ".join(wrong))
        semantic, instance, inverse_depth = (found.get(kind) for kind in FIELDS)
        only_countable = self.description.instance is not None and self.description.instance.only_countable
        if only_countable and instance is not None and semantic is not None:
            instance[~np.isin(semantic, self.vocabulary.countable)] = 0
        if inverse_depth is not None and semantic is not None and self.vocabulary.sky is not None:
            inverse_depth[semantic == self.vocabulary.sky] = 0.0 if self.sky_is_zero else np.nan
        return Sample(name=name, image=image, semantic=semantic, instance=instance, inverse_depth=inverse_depth)

    def camera(self, index: int) -> Camera | None:
        """The described camera, the same for all images."""
        return None if self.description.camera is None else self.description.camera.camera

    def fingerprint(self) -> str:
        """Changes when any file of the split or the description's meaning does."""
        patterns = [self.description.images, *(label.files for label in self.description.labels.values())]
        files = (self.path(pattern, name) for name in self.names for pattern in patterns)
        return fingerprint(files) + repr(self.description)

    def path(self, pattern: str, name: str) -> Path:
        """The file of a name, which must lie below the root."""
        return below(self.root, fill(pattern, self.description, self.split, name))

    def files(self, index: int) -> dict[str, Path]:
        """The image and the labels that exist."""
        name = self.names[index]
        paths = {"image": self.path(self.description.images, name)}
        paths |= {FIELDS[kind]: self.path(label.files, name) for kind, label in self.description.labels.items()}
        return {kind: path for kind, path in paths.items() if there(path)}

    def would_hold(self, path: Path) -> bool:
        """Whether one of the patterns fits it."""
        patterns = [self.description.images, *(label.files for label in self.description.labels.values())]
        filled = [fill(pattern, self.description, self.split, "{name}") for pattern in patterns]
        return path.is_relative_to(self.root) and any(
            fits(path.relative_to(self.root).as_posix(), pattern) for pattern in filled
        )

    def class_of(self, instance: int) -> int | None:
        """The class of an id, class · factor + index, where classes are numbers."""
        semantic, described = self.description.semantic, self.description.instance
        if (
            semantic is None
            or described is None
            or (semantic.encoding, described.encoding) != ("value", "class_factor")
        ):
            return None
        return min(int(meanings(semantic)[instance // described.factor]), IGNORE)

    def without_image(self) -> list[str]:
        """Label pictures without an image, in this split's folder (or in all, where splits share one), a line each."""
        described, lines = self.description, []
        images = set(matching(self.root, fill(described.images, described, self.split, "{name}")))
        for kind, label in described.labels.items():
            pattern = fill(label.files, described, self.split, "{name}")
            for name in sorted(set(matching(self.root, pattern)) - images):
                path = self.root / pattern.replace("{name}", name)
                lines.append(f"{path}: expected an image for this {kind} label, found none")
        return lines

    def remarks(self) -> list[str]:
        """Images that no list names."""
        splits = self.description.split
        if not all(split.list for split in splits.values()):
            return []
        listed = {name for split in splits for name in split_names(self.description, split, self.root, strict=False)}
        alone = [name for name in image_names(self.description, self.split, self.root) if name not in listed]
        if not alone:
            return []
        path = self.path(self.description.images, alone[0])
        return [f"{path}: expected it in one of the lists, found it in none ({len(alone)} such images)"]

    def _understood(
        self, labels: npt.NDArray[np.int32], described: LabelDescription, path: Path
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.int32] | npt.NDArray[np.float32]:
        """Stored numbers as the field of ``Sample`` has them."""
        if isinstance(described, SemanticDescription):
            return semantic_indices(labels, described, path)
        if isinstance(described, InstanceDescription):
            return instance_ids(labels, described)
        return inverse_depths(labels, described, path)

    def _label_files(self, name: str) -> dict[str, Path]:
        """The label files that exist; raises for one that is missing and not optional."""
        files = {}
        for kind, label in self.description.labels.items():
            path = self.path(label.files, name)
            if there(path):
                files[kind] = path
            elif not (self.optional or label.optional):
                raise DataError(
                    f"expected {ARTICLES[kind]} {kind} label at {path} for the image {name}, found none: add it, or "
                    f"set {kind}.optional = true"
                )
        return files


def vocabulary(description: FolderDescription) -> SceneVocabulary:
    """What the described labels mean."""
    classes: tuple[SceneClass, ...] = ()
    sky = None
    if description.semantic is not None:
        described = description.semantic.classes
        hues = np.arange(len(described)) * 0.618034 % 1.0
        chosen = hsv(hues, np.full(len(hues), 0.7), np.full(len(hues), 0.9))
        classes = tuple(
            SceneClass(
                name=c.name,
                color=c.color or (int(rgb[0]), int(rgb[1]), int(rgb[2])),
                countable=c.countable,
                category=c.category,
            )
            for c, rgb in zip(described, chosen, strict=True)
        )
        names = [c.name for c in described]
        sky = names.index(description.semantic.sky) if description.semantic.sky else None
    unit = None if description.depth is None else UNITS[description.depth.kind]
    return SceneVocabulary(
        classes=classes, sky=sky, inverse_depth_unit=unit, has_instances=description.instance is not None
    )


def read_label(path: Path, label: LabelDescription) -> npt.NDArray[np.int32]:
    """The numbers or colours of a label picture; raises where it has too few bits for what is described."""
    if not isinstance(label, DepthDescription) and label.encoding == "color":
        return read_colors(path)
    if isinstance(label, InstanceDescription):
        return read_labels(path, wide=label.encoding == "class_factor" and label.factor > 255)
    return read_labels(path, wide=isinstance(label, DepthDescription) and abs(label.divisor) > 255)


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


UNKNOWN = 256


@lru_cache(maxsize=4)
def meanings(description: SemanticDescription) -> npt.NDArray[np.uint16]:
    """Class index, ``IGNORE`` or ``UNKNOWN`` by stored number or colour."""
    size = 1 << (24 if description.encoding == "color" else 16)
    table = np.full(size, UNKNOWN if description.others == "error" else IGNORE, np.uint16)
    table[[_code(value) for value in description.ignore]] = IGNORE
    for index, c in enumerate(description.classes):
        stored = (c.color or (0, 0, 0),) if description.encoding == "color" else c.value
        for value in stored if isinstance(stored, tuple) else (stored,):
            table[_code(value)] = index
    return table


def instance_ids(labels: npt.NDArray[np.int32], description: InstanceDescription) -> npt.NDArray[np.int32]:
    """Stored numbers or colours to ids, 0 = none."""
    background = np.isin(labels, [_code(value) for value in description.background])
    if description.encoding == "class_factor":
        background |= labels < description.factor
    # A colour of 0 (black), or an id of 0, may well be an object where the background is something else.
    shift = 0 if description.encoding == "class_factor" or _code(0) in map(_code, description.background) else 1
    return np.where(background, 0, labels + shift).astype(np.int32)


def inverse_depths(stored: npt.NDArray[np.int32], description: DepthDescription, path: Path) -> npt.NDArray[np.float32]:
    """Stored numbers to inverse depth, NaN = no label; raises ``DataError`` for values below zero."""
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
