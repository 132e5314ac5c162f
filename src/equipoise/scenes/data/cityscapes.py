"""Read data sets in the official Cityscapes layout, at any resolution: Cityscapes itself and generated streets.

``leftImg8bit/{split}/{city}/*_leftImg8bit.png``, ``gtFine/…_gtFine_labelIds.png``, ``…_gtFine_instanceIds.png``,
``disparity/…_disparity.png`` (16 bit), ``camera/…_camera.json``.
"""

from collections.abc import Mapping
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.cameras.camera import camera_fault
from equipoise.scenes.data.left_out import LeftOut, left_out
from equipoise.scenes.data.reading import read_labels
from equipoise.scenes.data.sample import Camera, Sample
from equipoise.scenes.io.files import list_files, path_exists
from equipoise.scenes.io.fingerprint import fingerprint
from equipoise.scenes.io.images import SUFFIXES, read_image
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.names import is_hidden
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import Reader, Source
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.wording import counted

IMAGE = ("leftImg8bit", "leftImg8bit.png")
PLACES = {"image": IMAGE} | {name: (label.cityscapes.folder, label.cityscapes.ending) for name, label in LABELS.items()}
"""Kind of file → its folder, and the end of its file names."""


class CityscapesDataset:
    """One split. Kinds of label that no image has are not part of the data set.

    Args:
        root: the folder that holds ``leftImg8bit``.
        split: ``train``, ``val``, ``test`` …
        sky_is_zero: give the sky zero inverse depth, as the paper does; otherwise it has no depth label.
        optional: images may lack labels that others have.
        strict: raise for missing label files now, not when a sample is read.

    Raises:
        DataError: there is no such split, or an image lacks one of its label files.
    """

    def __init__(
        self, root: Path, split: str, *, sky_is_zero: bool = True, optional: bool = False, strict: bool = True
    ) -> None:
        self.root, self.split, self.optional = root, split, optional
        images = root / "leftImg8bit" / split
        if not images.is_dir():
            raise DataError(f"expected images at {images}, found no such folder: {_hint(root)}")
        self.names = self._named("image")
        if not self.names:
            message = "".join(f": {line}" for line in self.left_out().lines())
            raise DataError(f"expected CITY/*_leftImg8bit.png under {images}, found none{message}")
        self._kinds = tuple(kind for kind in LABELS if self._named(kind))
        places = {kind: LABELS[kind].cityscapes for kind in self._kinds}
        meaning = {key: value for place in places.values() for key, value in place.meaning.items()}
        self.vocabulary = SceneVocabulary(labels=self._kinds, **meaning)
        source = Source(vocabulary=self.vocabulary, sky_is_zero=sky_is_zero)
        self.readers: Mapping[str, Reader] = {kind: place.reader(source) for kind, place in places.items()}
        for name in self.names if strict else ():
            self._label_files(name)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Read one sample at its original size. All mistakes in its labels are reported at once."""
        name = self.names[index]
        image_path = self._path("image", name)
        image = read_image(image_path)
        labels = read_labels(self.readers, self._label_files(name), image, image_path)
        return Sample(name=name, image=image, labels=labels)

    def camera(self, index: int) -> Camera | None:
        """Return the camera of an image; ``None`` if it has no camera file."""
        path = self.root / "camera" / self.split / f"{self.names[index]}_camera.json"
        return read_camera(path) if path.is_file() else None

    def fingerprint(self) -> str:
        """Return a hash that changes when any file of the split does."""
        return fingerprint(self._path(kind, name) for name in self.names for kind in ("image", *self._kinds))

    def files(self, index: int) -> dict[str, Path]:
        """Return the existing files of an image: ``image``, and its labels by name."""
        paths = {kind: self._path(kind, self.names[index]) for kind in ("image", *self._kinds)}
        return {kind: path for kind, path in paths.items() if path_exists(path)}

    def would_hold(self, path: Path) -> bool:
        """Whether the path lies in one of the layout's folders."""
        return any(path.is_relative_to(self.root.resolve() / folder) for folder, _ in PLACES.values())

    def without_image(self) -> list[str]:
        """Return a line for each label of this split without an image."""
        alone = [(kind, name) for kind in self._kinds for name in sorted(set(self._named(kind)) - set(self.names))]
        return [f"{self._path(kind, name)}: expected an image for this label, found none" for kind, name in alone]

    def remarks(self) -> list[str]:
        """Return notices about missing kinds of label, and about pictures whose names do not fit the layout."""
        lines = [
            f"{self.root / folder / self.split}: expected CITY/*_{ending}, found none: no {kind} labels"
            for kind, (folder, ending) in PLACES.items()
            if kind in LABELS and LABELS[kind].cityscapes.official and kind not in self._kinds
        ]
        images = self.root / IMAGE[0] / self.split
        named = {self._path("image", name) for name in self.names}
        named |= {path for path, _ in self.left_out().respelled}
        shown = (path for path in list_files(images) if not is_hidden(path.relative_to(images).as_posix()))
        others = [path for path in shown if path.suffix.lower() in SUFFIXES and path not in named]
        if others:
            such = counted(len(others), "such image")
            lines.append(f"{others[0]}: expected CITY/*_leftImg8bit.png, found another name ({such})")
        return lines

    def left_out(self) -> LeftOut:
        """Find files in the data set's folders that are not read."""
        patterns = {kind: f"{folder}/{self.split}/{{name}}_{ending}" for kind, (folder, ending) in PLACES.items()}
        return left_out(self.root, patterns)

    def _named(self, kind: str) -> tuple[str, ...]:
        """Return the sorted CITY/NAME of every file of a kind that is not hidden."""
        folder, ending = PLACES[kind]
        found = (self.root / folder / self.split).glob(f"*/*_{ending}")
        names = (f"{p.parent.name}/{p.name.removesuffix(f'_{ending}')}" for p in found)
        return tuple(sorted(name for name in names if not is_hidden(name)))

    def _label_files(self, name: str) -> dict[str, Path]:
        """Return the existing label files. Raises ``DataError`` if a required one is missing."""
        paths = {kind: self._path(kind, name) for kind in self._kinds}
        for path in paths.values():
            if not self.optional and not path_exists(path):
                raise DataError(
                    f"expected a label at {path} for the image {name}, found none: add it, or set "
                    "data.optional_labels = true in the recipe"
                )
        return {kind: path for kind, path in paths.items() if path_exists(path)}

    def _path(self, kind: str, name: str) -> Path:
        folder, ending = PLACES[kind]
        return self.root / folder / self.split / f"{name}_{ending}"


def read_camera(path: Path) -> Camera:
    """Read a camera file in the format of Cityscapes."""
    try:
        table = read_json(path)
        intrinsic, extrinsic = table["intrinsic"], table["extrinsic"]
        camera = Camera(
            fx=float(intrinsic["fx"]),
            fy=float(intrinsic["fy"]),
            cx=float(intrinsic["u0"]),
            cy=float(intrinsic["v0"]),
            baseline_m=float(extrinsic["baseline"]),
            height_m=float(extrinsic["z"]) if "z" in extrinsic else None,
            pitch_rad=float(extrinsic["pitch"]) if "pitch" in extrinsic else None,
        )
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise DataError(f"{path}: expected a Cityscapes camera file, found {error!r}") from None
    if (fault := camera_fault(camera)) is not None:
        raise DataError(f"{path}: {fault}")
    return camera


def _hint(root: Path) -> str:
    if not root.is_dir():
        return f"{root} does not exist"
    splits = sorted(p.name for p in (root / "leftImg8bit").glob("*") if p.is_dir())
    return f"existing splits are {', '.join(splits)}" if splits else f"{root} contains no leftImg8bit folder"
