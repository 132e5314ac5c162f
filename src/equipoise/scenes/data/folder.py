"""Read a user's own folder of pictures according to its description. Nothing is written there."""

from collections.abc import Mapping
from pathlib import Path

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.data.description import FolderDescription, read_description
from equipoise.scenes.data.left_out import LeftOut, left_out
from equipoise.scenes.data.lists import ImageList
from equipoise.scenes.data.reading import read_labels
from equipoise.scenes.data.sample import Camera, Sample
from equipoise.scenes.data.splits import fill, image_names, matching, split_images, why_none
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.fingerprint import fingerprint
from equipoise.scenes.io.images import read_image
from equipoise.scenes.io.names import lookalike_hint
from equipoise.scenes.io.paths import matches_pattern, path_below
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import Reader, Source, beside, in_one_file
from equipoise.scenes.labels.shape_files import YOLO_NAMES
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.wording import counted


class FolderDataset:
    """One split of a described folder.

    Args:
        description: the TOML file.
        split: one of the description's splits.
        root: the folder that its patterns are relative to; ``None``: the folder of the description.
        sky_is_zero: give the sky zero inverse depth; otherwise it has no depth label.
        optional: images may lack any of their labels, whatever the description says.
        strict: raise for missing label files now, not when a sample is read.

    Raises:
        RecipeError: the description has a mistake, or no such split.
        DataError: an image or a label is missing or wrong; the message names its path.
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
            message = f"the folder of {description}" if root is None else "which data.root or --root names"
            raise DataError(f"expected data at {self.root}, found no such folder, {message}: check the path")
        if split not in self.description.split:
            message = suggestion(split, self.description.split)
            raise RecipeError(
                f"{description}: split: expected {split!r}, which data.train or data.validation of a recipe names (by "
                f"default train and val), found none{message}"
            )
        self.split, self.optional = split, optional
        self._beside = description.parent.resolve()
        self.names = split_images(self.description, split, self.root, self._beside, strict=strict).names
        if not self.names:
            pattern = fill(self.description.images, self.description, split, "{name}")
            why = why_none(self.description, split, self.root)
            raise DataError(f"expected images {pattern!r} under {self.root}, found none for {split!r}{why}")
        described = self.description.labels
        self.vocabulary = vocabulary(self.description)
        camera = self.camera(0)
        source = Source(
            vocabulary=self.vocabulary,
            descriptions=described,
            sky_is_zero=sky_is_zero,
            camera=camera,
            below=lambda pattern: self.path(pattern, ""),
        )
        self.readers: Mapping[str, Reader] = {kind: LABELS[kind].reader(source) for kind in described}
        for name in self.names if strict else ():
            self._label_files(name)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample at its original size. All mistakes in its labels are reported at once."""
        name = self.names[index]
        image_path = self.path(self.description.images, name)
        image = read_image(image_path)
        labels = read_labels(self.readers, self._label_files(name), image, image_path)
        return Sample(name=name, image=image, labels=labels)

    def camera(self, index: int) -> Camera | None:
        """Return the camera of the description, which is the same for all images."""
        return None if self.description.camera is None else self.description.camera.camera

    def fingerprint(self) -> str:
        """Return a hash that changes when any file of the split or the content of the description does."""
        patterns = self._patterns().values()
        files = [self.path(pattern, name) for name in self.names for pattern in patterns]
        files += [self.path(pattern, "") for pattern in map(beside, self.description.labels.values()) if pattern]
        return fingerprint(files) + repr(self.description)

    def path(self, pattern: str, name: str) -> Path:
        """Return the path of a file of the image ``name``, which must be below the root."""
        return path_below(self.root, fill(pattern, self.description, self.split, name))

    def files(self, index: int) -> dict[str, Path]:
        """Return the existing files of an image: ``image``, and its labels by name."""
        name = self.names[index]
        paths = {kind: self.path(pattern, name) for kind, pattern in self._patterns().items()}
        return {kind: path for kind, path in paths.items() if path_exists(path)}

    def would_hold(self, path: Path) -> bool:
        """Whether the path matches one of the patterns."""
        filled = [fill(pattern, self.description, self.split, "{name}") for pattern in self._own_patterns().values()]
        return path.is_relative_to(self.root) and any(
            matches_pattern(path.relative_to(self.root).as_posix(), pattern) for pattern in filled
        )

    def without_image(self) -> list[str]:
        """Return a line for each label without an image, in the folder of this split or in one that splits share."""
        described, lines = self.description, []
        images = set(matching(self.root, fill(described.images, described, self.split, "{name}")))
        for kind, label in described.labels.items():
            if in_one_file(label):
                continue
            pattern = fill(label.files, described, self.split, "{name}")
            for name in sorted(set(matching(self.root, pattern)) - images):
                path = self.root / pattern.replace("{name}", name)
                if path.name in YOLO_NAMES:
                    continue
                lines.append(f"{path}: expected an image for this {LABELS[kind].table} label, found none")
        return lines

    def remarks(self) -> list[str]:
        """Return notices about probable mistakes in the list, and about images that no list names."""
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
        """Find files in the data set's folders that are not read."""
        patterns = self._own_patterns().items()
        filled = {kind: fill(pattern, self.description, self.split, "{name}") for kind, pattern in patterns}
        return left_out(self.root, filled)

    def _patterns(self) -> dict[str, str]:
        """Return the patterns of the images and of each kind of label."""
        return {"image": self.description.images} | {k: d.files for k, d in self.description.labels.items()}

    def _own_patterns(self) -> dict[str, str]:
        """Return the patterns of files that belong to one image each."""
        return {kind: pattern for kind, pattern in self._patterns().items() if "{name}" in pattern}

    def _listed(self, split: str) -> ImageList:
        return split_images(self.description, split, self.root, self._beside, strict=False)

    def _label_files(self, name: str) -> dict[str, Path]:
        """Return the existing label files. Raises ``DataError`` if a required one is missing."""
        files = {}
        for kind, label in self.description.labels.items():
            path = self.path(label.files, name)
            if path_exists(path):
                files[kind] = path
            elif not (self.optional or label.optional):
                table = LABELS[kind].table
                raise DataError(
                    f"expected {'an' if table[0] in 'aeiou' else 'a'} {table} label at {path} for the image {name}, "
                    f"found none{lookalike_hint(path)}: add it, or set {table}.optional = true"
                )
        return files


def vocabulary(description: FolderDescription) -> SceneVocabulary:
    """Return the vocabulary of the described labels."""
    described = description.labels
    meaning = {key: value for kind in described for key, value in LABELS[kind].meaning(described[kind]).items()}
    return SceneVocabulary(labels=tuple(described), **meaning)
