"""The official Cityscapes layout, exactly, at any resolution: real ones and generated streets alike.

``leftImg8bit/{split}/{city}/*_leftImg8bit.png``, ``gtFine/…_gtFine_labelIds.png``, ``…_gtFine_instanceIds.png``,
``disparity/…_disparity.png`` (16 bit), ``camera/…_camera.json``.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.cameras.camera import camera_fault
from equipoise.scenes.data.left_out import LeftOut, left_out
from equipoise.scenes.data.one_class import contradiction
from equipoise.scenes.data.sample import IGNORE, Camera, Sample, SceneClass, SceneVocabulary
from equipoise.scenes.io.files import list_files, path_exists
from equipoise.scenes.io.fingerprint import fingerprint
from equipoise.scenes.io.images import SUFFIXES, expect_size, read_image, read_labels
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.names import is_hidden
from equipoise.scenes.wording import counted

_CLASSES: tuple[tuple[int, str, tuple[int, int, int], bool, str], ...] = (
    (7, "road", (128, 64, 128), False, "flat"),
    (8, "sidewalk", (244, 35, 232), False, "flat"),
    (11, "building", (70, 70, 70), False, "construction"),
    (12, "wall", (102, 102, 156), False, "construction"),
    (13, "fence", (190, 153, 153), False, "construction"),
    (17, "pole", (153, 153, 153), False, "object"),
    (19, "traffic light", (250, 170, 30), False, "object"),
    (20, "traffic sign", (220, 220, 0), False, "object"),
    (21, "vegetation", (107, 142, 35), False, "nature"),
    (22, "terrain", (152, 251, 152), False, "nature"),
    (23, "sky", (70, 130, 180), False, "sky"),
    (24, "person", (220, 20, 60), True, "human"),
    (25, "rider", (255, 0, 0), True, "human"),
    (26, "car", (0, 0, 142), True, "vehicle"),
    (27, "truck", (0, 0, 70), True, "vehicle"),
    (28, "bus", (0, 60, 100), True, "vehicle"),
    (31, "train", (0, 80, 100), True, "vehicle"),
    (32, "motorcycle", (0, 0, 230), True, "vehicle"),
    (33, "bicycle", (119, 11, 32), True, "vehicle"),
)
"""(label id, name, colour, countable, category) of the 19 evaluated classes, in the order of their train ids."""

CLASSES = tuple(
    SceneClass(name=name, color=color, countable=countable, category=category)
    for _, name, color, countable, category in _CLASSES
)
SKY = 10
FILES = {
    "image": ("leftImg8bit", "leftImg8bit.png"),
    "semantic": ("gtFine", "gtFine_labelIds.png"),
    "instance": ("gtFine", "gtFine_instanceIds.png"),
    "inverse_depth": ("disparity", "disparity.png"),
}
"""Kind → its folder, and how its files end."""
INSTANCE_FACTOR = 1000
LOWEST_COUNTABLE, HIGHEST_ID = 24, 33


def train_ids() -> npt.NDArray[np.uint8]:
    """Label id → train id, by the byte it is stored in; everything that is not evaluated is ``IGNORE``."""
    table = np.full(256, IGNORE, np.uint8)
    for index, (label, *_) in enumerate(_CLASSES):
        table[label] = index
    return table


class CityscapesDataset:
    """One split. A kind of label that no image has is none of the data set's; samples lack it.

    Args:
        root: the folder that holds ``leftImg8bit``.
        split: ``train``, ``val``, ``test`` …
        sky_is_zero: sky has zero inverse depth (the paper); else it has no depth label.
        optional: images may lack labels that others have.
        strict: miss label files here already, not when a sample is read.

    Raises:
        DataError: there is no such split, or an image lacks one of its label files.
    """

    def __init__(
        self, root: Path, split: str, *, sky_is_zero: bool = True, optional: bool = False, strict: bool = True
    ) -> None:
        self.root, self.split, self.sky_is_zero, self.optional = root, split, sky_is_zero, optional
        images = root / "leftImg8bit" / split
        if not images.is_dir():
            raise DataError(f"expected images at {images}, found no such folder: {_hint(root)}")
        self.names = self._named("image")
        if not self.names:
            told = "".join(f": {line}" for line in self.left_out().lines())
            raise DataError(f"expected CITY/*_leftImg8bit.png under {images}, found none{told}")
        self._kinds = tuple(kind for kind in FILES if kind != "image" and self._named(kind))
        self.vocabulary = SceneVocabulary(
            classes=CLASSES if "semantic" in self._kinds else (),
            sky=SKY if "semantic" in self._kinds else None,
            inverse_depth_unit="px" if "inverse_depth" in self._kinds else None,
            has_instances="instance" in self._kinds,
        )
        for name in self.names if strict else ():
            self._label_files(name)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """One sample at its own size; all that is wrong with its labels is told at once."""
        name = self.names[index]
        image_path = self._path("image", name)
        image = read_image(image_path)
        found: dict[str, Any] = {}
        wrong: list[str] = []
        for kind, path in self._label_files(name).items():
            try:
                labels = read_labels(path, wide=kind != "semantic")
                expect_size(labels, path, image, image_path)
                found[kind] = UNDERSTOOD[kind](labels, path)
            except DataError as error:
                wrong.append(str(error))
        if wrong:
            raise DataError("; ".join(wrong))
        if {"semantic", "instance"} <= found.keys():
            self._expect_one_class_each(found["instance"], found["semantic"], name)
        if "semantic" in found and "inverse_depth" in found:
            found["inverse_depth"][found["semantic"] == SKY] = 0.0 if self.sky_is_zero else np.nan
        return Sample(name=name, image=image, **found)

    def camera(self, index: int) -> Camera | None:
        """The camera file of an image, where there is one."""
        path = self.root / "camera" / self.split / f"{self.names[index]}_camera.json"
        return read_camera(path) if path.is_file() else None

    def fingerprint(self) -> str:
        """Changes when any file of the split does."""
        return fingerprint(self._path(kind, name) for name in self.names for kind in ("image", *self._kinds))

    def files(self, index: int) -> dict[str, Path]:
        """The image and the labels that exist."""
        paths = {kind: self._path(kind, self.names[index]) for kind in ("image", *self._kinds)}
        return {kind: path for kind, path in paths.items() if path_exists(path)}

    def would_hold(self, path: Path) -> bool:
        """Whether it lies in one of the layout's folders."""
        return any(path.is_relative_to(self.root.resolve() / folder) for folder, _ in FILES.values())

    def class_of(self, instance: int) -> int | None:
        """The class of an id, class · 1000 + index."""
        return int(train_ids()[instance // INSTANCE_FACTOR])

    def without_image(self) -> list[str]:
        """Labels of this split without an image, a line each."""
        alone = [(kind, name) for kind in self._kinds for name in sorted(set(self._named(kind)) - set(self.names))]
        return [f"{self._path(kind, name)}: expected an image for this label, found none" for kind, name in alone]

    def remarks(self) -> list[str]:
        """Kinds of label that no image has, and pictures that are not named as the layout wants."""
        lines = [
            f"{self.root / folder / self.split}: expected CITY/*_{ending}, found none: no {kind} labels"
            for kind, (folder, ending) in FILES.items()
            if kind != "image" and kind not in self._kinds
        ]
        images = self.root / FILES["image"][0] / self.split
        named = {self._path("image", name) for name in self.names}
        named |= {path for path, _ in self.left_out().respelled}
        shown = (path for path in list_files(images) if not is_hidden(path.relative_to(images).as_posix()))
        others = [path for path in shown if path.suffix.lower() in SUFFIXES and path not in named]
        if others:
            such = counted(len(others), "such image")
            lines.append(f"{others[0]}: expected CITY/*_leftImg8bit.png, found another name ({such})")
        return lines

    def left_out(self) -> LeftOut:
        """What lies among its files and is not read."""
        patterns = {kind: f"{folder}/{self.split}/{{name}}_{ending}" for kind, (folder, ending) in FILES.items()}
        return left_out(self.root, patterns)

    def unlabelled_depth(self) -> tuple[int, ...]:
        """The stored numbers of disparity that stand for no distance."""
        return (0,)

    def _named(self, kind: str) -> tuple[str, ...]:
        """What has a file of a kind that is not hidden, as CITY/NAME, sorted."""
        folder, ending = FILES[kind]
        found = (self.root / folder / self.split).glob(f"*/*_{ending}")
        names = (f"{p.parent.name}/{p.name.removesuffix(f'_{ending}')}" for p in found)
        return tuple(sorted(name for name in names if not is_hidden(name)))

    def _label_files(self, name: str) -> dict[str, Path]:
        """The label files that exist; raises for one that is missing and may not be."""
        paths = {kind: self._path(kind, name) for kind in self._kinds}
        for path in paths.values():
            if not self.optional and not path_exists(path):
                raise DataError(
                    f"expected a label at {path} for the image {name}, found none: add it, or set "
                    "data.optional_labels = true in the recipe"
                )
        return {kind: path for kind, path in paths.items() if path_exists(path)}

    def _expect_one_class_each(
        self, instance: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8], name: str
    ) -> None:
        """Raise ``DataError`` for an id on several classes: its centroid would lie between them."""
        if wrong := contradiction(instance, semantic, self.vocabulary):
            path, classes = self._path("instance", name), self._path("semantic", name)
            raise DataError(f"{path}: expected each instance on one class, found {wrong}: mend it or {classes}")

    def _path(self, kind: str, name: str) -> Path:
        folder, ending = FILES[kind]
        return self.root / folder / self.split / f"{name}_{ending}"


def semantic_indices(labels: npt.NDArray[np.int32], path: Path) -> npt.NDArray[np.uint8]:
    """Label ids to train ids. Id −1 (license plate) is stored as 255."""
    unknown = (labels > HIGHEST_ID) & (labels != 255)
    if unknown.any():
        raise DataError(f"{path}: expected label ids 0 … {HIGHEST_ID} or 255, found {int(labels[unknown][0])}")
    return train_ids()[labels]


def instance_ids(ids: npt.NDArray[np.int32], path: Path) -> npt.NDArray[np.int32]:
    """Ids of countable classes; smaller values are groups or stuff, which are no single object."""
    label = ids // INSTANCE_FACTOR
    unknown = (label > HIGHEST_ID) | ((label > 0) & (label < LOWEST_COUNTABLE))
    if unknown.any():
        raise DataError(
            f"{path}: expected ids of classes {LOWEST_COUNTABLE} … {HIGHEST_ID} times {INSTANCE_FACTOR} plus an index, "
            f"or label ids, found {int(ids[unknown][0])}"
        )
    countable = np.isin(label, [entry[0] for entry in _CLASSES if entry[3]])
    return np.where(countable, ids, 0).astype(np.int32)


def disparity_px(stored: npt.NDArray[np.int32], path: Path) -> npt.NDArray[np.float32]:
    """Disparity d = (p − 1)/256 px for p > 0, NaN for p = 0."""
    return np.where(stored > 0, (stored - 1) / 256.0, np.nan).astype(np.float32)


UNDERSTOOD: dict[str, Callable[[npt.NDArray[np.int32], Path], npt.NDArray[Any]]] = {
    "semantic": semantic_indices,
    "instance": instance_ids,
    "inverse_depth": disparity_px,
}
"""Kind → stored numbers as the field of ``Sample`` has them."""


def read_camera(path: Path) -> Camera:
    """A camera file in Cityscapes' form."""
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
        raise DataError(f"{path}: expected a Cityscapes camera file, found a mistake: {error!r}") from None
    if (fault := camera_fault(camera)) is not None:
        raise DataError(f"{path}: {fault}")
    return camera


def _hint(root: Path) -> str:
    if not root.is_dir():
        return f"{root} does not exist"
    splits = sorted(p.name for p in (root / "leftImg8bit").glob("*") if p.is_dir())
    return f"there are {', '.join(splits)}" if splits else f"{root} holds no leftImg8bit folder"
