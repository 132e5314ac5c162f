"""Someone's own folder of pictures, as a description says; only ever read."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.data.description import (
    FolderDescription,
    InstanceDescription,
    LabelDescription,
    SemanticDescription,
    read_description,
)
from equipoise.scenes.data.encodings import (
    instance_ids,
    inverse_depths,
    meanings,
    read_label,
    semantic_indices,
)
from equipoise.scenes.data.left_out import LeftOut, left_out
from equipoise.scenes.data.lists import ImageList
from equipoise.scenes.data.one_class import HIGHEST_STORED, contradiction, split_by_class
from equipoise.scenes.data.sample import IGNORE, Camera, InverseDepthUnit, Sample, SceneClass, SceneVocabulary
from equipoise.scenes.data.splits import fill, image_names, matching, split_images, why_none
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.fingerprint import fingerprint
from equipoise.scenes.io.images import expect_size, read_image
from equipoise.scenes.io.names import lookalike_hint
from equipoise.scenes.io.paths import matches_pattern, path_below
from equipoise.scenes.visual.colors import distinct_colors
from equipoise.scenes.wording import counted

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
        self._beside = description.parent.resolve()
        self.names = split_images(self.description, split, self.root, self._beside, strict=strict).names
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
        if instance is not None and self.description.instance is not None:
            instance = self._on_classes(instance, semantic, self.description.instance, name)
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
        return path_below(self.root, fill(pattern, self.description, self.split, name))

    def files(self, index: int) -> dict[str, Path]:
        """The image and the labels that exist."""
        name = self.names[index]
        paths = {"image": self.path(self.description.images, name)}
        paths |= {FIELDS[kind]: self.path(label.files, name) for kind, label in self.description.labels.items()}
        return {kind: path for kind, path in paths.items() if path_exists(path)}

    def would_hold(self, path: Path) -> bool:
        """Whether one of the patterns fits it."""
        patterns = [self.description.images, *(label.files for label in self.description.labels.values())]
        filled = [fill(pattern, self.description, self.split, "{name}") for pattern in patterns]
        return path.is_relative_to(self.root) and any(
            matches_pattern(path.relative_to(self.root).as_posix(), pattern) for pattern in filled
        )

    def class_of(self, instance: int) -> int | None:
        """The class of an id, class · factor + index, where classes are numbers."""
        semantic, described = self.description.semantic, self.description.instance
        if semantic is None or described is None or instance > HIGHEST_STORED:
            return None
        if (semantic.encoding, described.encoding) != ("value", "class_factor"):
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
        """What its list may mean otherwise, and images that no list names."""
        lines = [*self._listed(self.split).remarks]
        splits = self.description.split
        if not all(split.list for split in splits.values()):
            return lines
        try:
            listed = {name for split in splits for name in self._listed(split).names}
        except DataError:  # Reported where that split is opened.
            return lines
        alone = [name for name in image_names(self.description, self.split, self.root) if name not in listed]
        if alone:
            path = self.path(self.description.images, alone[0])
            lines.append(
                f"{path}: expected it in one of the lists, found it in none ({counted(len(alone), 'such image')})"
            )
        return lines

    def left_out(self) -> LeftOut:
        """What lies among its files and is not read."""
        patterns = {"image": self.description.images}
        patterns |= {kind: label.files for kind, label in self.description.labels.items()}
        filled = {kind: fill(pattern, self.description, self.split, "{name}") for kind, pattern in patterns.items()}
        return left_out(self.root, filled)

    def unlabelled_depth(self) -> tuple[int, ...]:
        """The stored numbers of depth that stand for no distance."""
        depth = self.description.depth
        return () if depth is None else (*depth.invalid, *depth.infinite)

    def _listed(self, split: str) -> ImageList:
        return split_images(self.description, split, self.root, self._beside, strict=False)

    def _understood(
        self, labels: npt.NDArray[np.int32], described: LabelDescription, path: Path
    ) -> npt.NDArray[np.uint8] | npt.NDArray[np.int32] | npt.NDArray[np.float32]:
        """Stored numbers as the field of ``Sample`` has them."""
        if isinstance(described, SemanticDescription):
            return semantic_indices(labels, described, path)
        if isinstance(described, InstanceDescription):
            semantic = self.description.semantic
            numbered = semantic is not None and semantic.encoding == "value"
            return instance_ids(labels, described, path, numbered=numbered)
        return inverse_depths(labels, described, path)

    def _on_classes(
        self,
        instance: npt.NDArray[np.int32],
        semantic: npt.NDArray[np.uint8] | None,
        described: InstanceDescription,
        name: str,
    ) -> npt.NDArray[np.int32]:
        """Instances as the class labels divide them; raises for an id on several classes where that is an error."""
        path = self.path(described.files, name)
        if semantic is None:
            if described.only_countable or described.across_classes == "split":
                key = "only_countable" if described.only_countable else "across_classes"
                raise DataError(
                    f"{path}: expected class labels for this image too, found none: instance.{key} needs them"
                )
            return instance
        if described.only_countable:
            instance = np.where(np.isin(semantic, self.vocabulary.countable), instance, 0).astype(np.int32)
        if described.across_classes == "split":
            return split_by_class(instance, semantic)
        if described.across_classes == "error" and (wrong := contradiction(instance, semantic, self.vocabulary)):
            raise DataError(
                f"{path}: expected each instance on one class, found {wrong}: set instance.across_classes to "
                '"split" if each class counts its own ids, or to "merge" if it is one object with ragged borders'
            )
        return instance

    def _label_files(self, name: str) -> dict[str, Path]:
        """The label files that exist; raises for one that is missing and not optional."""
        files = {}
        for kind, label in self.description.labels.items():
            path = self.path(label.files, name)
            if path_exists(path):
                files[kind] = path
            elif not (self.optional or label.optional):
                raise DataError(
                    f"expected {ARTICLES[kind]} {kind} label at {path} for the image {name}, found none"
                    f"{lookalike_hint(path)}: add it, or set {kind}.optional = true"
                )
        return files


def vocabulary(description: FolderDescription) -> SceneVocabulary:
    """What the described labels mean."""
    classes: tuple[SceneClass, ...] = ()
    sky = None
    if description.semantic is not None:
        described = description.semantic.classes
        given = [color for c in described for color in c.colors[:1]]
        chosen = iter(distinct_colors(len(described) - len(given), given))
        classes = tuple(
            SceneClass(
                name=c.name,
                color=c.colors[0] if c.colors else next(chosen),
                countable=c.countable,
                category=c.category,
            )
            for c in described
        )
        names = [c.name for c in described]
        sky = names.index(description.semantic.sky) if description.semantic.sky else None
    unit = None if description.depth is None else UNITS[description.depth.kind]
    return SceneVocabulary(
        classes=classes, sky=sky, inverse_depth_unit=unit, has_instances=description.instance is not None
    )
