"""Someone's own folder of pictures, as a description says; only ever read."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.configuration import suggestion
from equipoise.scenes.data.description import (
    DepthDescription,
    FolderDescription,
    InstanceDescription,
    SemanticDescription,
    read_description,
)
from equipoise.scenes.data.fingerprint import fingerprint
from equipoise.scenes.data.images import read_colors, read_image, read_labels
from equipoise.scenes.data.sample import IGNORE, Camera, InverseDepthUnit, Sample, SceneClass, SceneVocabulary
from equipoise.scenes.data.splits import below, fill, matching, split_names, why_none
from equipoise.scenes.pictures import hsv

UNITS: dict[str, InverseDepthUnit] = {"disparity_px": "px", "depth_m": "1/m", "relative": "relative"}


class FolderDataset:
    """One split of a described folder.

    Args:
        description: the TOML file.
        split: one of the description's splits.
        root: where its patterns start; ``None``: beside the description.
        sky_is_zero: sky has zero inverse depth; else it has no depth label.
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
        self.split, self.sky_is_zero = split, sky_is_zero
        self.names = tuple(split_names(self.description, split, self.root))
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
        """One sample at its own size."""
        name = self.names[index]
        image = read_image(self.path(self.description.images, name))
        files = self._label_files(name)
        labels: dict[str, npt.NDArray[np.int32]] = {}
        for kind, path in files.items():
            colored = getattr(getattr(self.description, kind), "encoding", "") == "color"
            labels[kind] = read_colors(path) if colored else read_labels(path)
            if labels[kind].shape != image.shape[:2]:
                (h, w), (eh, ew) = labels[kind].shape, image.shape[:2]
                turned = " (of the image turned upright as its EXIF says)" if (w, h) == (eh, ew) else ""
                raise DataError(f"{path}: expected the size of its image, {ew}x{eh}{turned}, found {w}x{h}")
        d, semantic, instance, inverse_depth = self.description, None, None, None
        if "semantic" in labels and d.semantic is not None:
            semantic = semantic_indices(labels["semantic"], d.semantic, files["semantic"])
        if "instance" in labels and d.instance is not None:
            instance = instance_ids(labels["instance"], d.instance)
            if d.instance.only_countable and semantic is not None:
                instance[~np.isin(semantic, self.vocabulary.countable)] = 0
        if "depth" in labels and d.depth is not None:
            inverse_depth = inverse_depths(labels["depth"], d.depth)
            if semantic is not None and self.vocabulary.sky is not None:
                inverse_depth[semantic == self.vocabulary.sky] = 0.0 if self.sky_is_zero else np.nan
        return Sample(name=name, image=image, semantic=semantic, instance=instance, inverse_depth=inverse_depth)

    def camera(self, index: int) -> Camera | None:
        """The described camera, the same for all images."""
        return self.description.camera

    def fingerprint(self) -> str:
        """Changes when any file of the split or the description's meaning does."""
        d = self.description
        patterns = [d.images, *(label.files for label in (d.semantic, d.instance, d.depth) if label is not None)]
        return fingerprint(self.path(pattern, name) for name in self.names for pattern in patterns) + repr(d)

    def path(self, pattern: str, name: str) -> Path:
        """The file of a name, which must lie below the root."""
        return below(self.root, fill(pattern, self.description, self.split, name))

    def _label_files(self, name: str) -> dict[str, Path]:
        """The label files that exist; raises for one that is missing and not optional."""
        files = {}
        for kind in ("semantic", "instance", "depth"):
            label = getattr(self.description, kind)
            if label is None:
                continue
            path = self.path(label.files, name)
            if path.is_file():
                files[kind] = path
            elif not label.optional:
                raise DataError(
                    f"expected a {kind} label at {path} for the image {name}, found none: add it, or set "
                    f"{kind}.optional = true"
                )
        return files


def unused_labels(dataset: FolderDataset) -> list[str]:
    """Label pictures that belong to no image of any split: folders that do not fit together. One line a kind."""
    description, root, lines = dataset.description, dataset.root, []
    for kind in ("semantic", "instance", "depth"):
        label = getattr(description, kind)
        if label is None:
            continue
        labels = set(matching(root, fill(label.files, description, dataset.split, "{name}")))
        images = set(matching(root, fill(description.images, description, dataset.split, "{name}")))
        alone = sorted(labels - images)
        if alone:
            path = root / fill(label.files, description, dataset.split, alone[0])
            lines.append(f"{path}: expected an image for this {kind} label, found none ({len(alone)} such labels)")
    return lines


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


def semantic_indices(
    labels: npt.NDArray[np.int32], description: SemanticDescription, path: Path
) -> npt.NDArray[np.uint8]:
    """Stored numbers or colours to class indices; raises ``DataError`` for one that means nothing."""
    values, inverse = np.unique(labels, return_inverse=True)
    meaning: dict[int, int] = {_code(v): IGNORE for v in description.ignore}
    for index, c in enumerate(description.classes):
        stored = (c.color or (0, 0, 0),) if description.encoding == "color" else c.value
        for value in stored if isinstance(stored, tuple) else (stored,):
            meaning[_code(value)] = index
    unknown = [int(v) for v in values if int(v) not in meaning]
    if unknown and description.others == "error":
        found = _shown(unknown[0]) if description.encoding == "color" else unknown[0]
        raise DataError(
            f"{path}: expected labels of the described classes, found {found}: describe it, add it to "
            'semantic.ignore, or set semantic.others = "ignore"'
        )
    table = np.array([meaning.get(int(v), IGNORE) for v in values], np.uint8)
    return table[inverse.reshape(labels.shape)]


def instance_ids(labels: npt.NDArray[np.int32], description: InstanceDescription) -> npt.NDArray[np.int32]:
    """Stored numbers or colours to ids, 0 = none."""
    background = np.isin(labels, [_code(value) for value in description.background])
    if description.encoding == "class_factor":
        background |= labels < description.factor
    # A colour of 0 (black), or an id of 0, may well be an object where the background is something else.
    shift = 0 if description.encoding == "class_factor" or _code(0) in map(_code, description.background) else 1
    return np.where(background, 0, labels + shift).astype(np.int32)


def inverse_depths(stored: npt.NDArray[np.int32], description: DepthDescription) -> npt.NDArray[np.float32]:
    """Stored numbers to inverse depth, NaN = no label."""
    value = (stored.astype(np.float64) + description.offset) / description.divisor + 0.0  # no negative zero
    if description.kind == "depth_m":
        value = np.divide(1.0, value, out=np.full(value.shape, np.nan), where=value > 0)
    value[np.isin(stored, description.invalid)] = np.nan
    value[np.isin(stored, description.infinite)] = 0.0
    return value.astype(np.float32)


def _code(value: int | tuple[int, ...]) -> int:
    """A number as it is; a colour as ``read_colors`` writes it."""
    return value if isinstance(value, int) else value[0] * 65536 + value[1] * 256 + value[2]


def _shown(code: int) -> tuple[int, int, int]:
    return code // 65536, code // 256 % 256, code % 256
