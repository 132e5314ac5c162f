"""The official Cityscapes layout, exactly, at any resolution: real ones and generated streets alike.

``leftImg8bit/{split}/{city}/*_leftImg8bit.png``, ``gtFine/…_gtFine_labelIds.png``, ``…_gtFine_instanceIds.png``,
``disparity/…_disparity.png`` (16 bit), ``camera/…_camera.json``.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.configuration import parse_json
from equipoise.scenes.data.fingerprint import fingerprint
from equipoise.scenes.data.images import read_image, read_labels
from equipoise.scenes.data.sample import IGNORE, Camera, Sample, SceneClass, SceneVocabulary

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
HIGHEST_ID = 33


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
            raise DataError(f"expected CITY/*_leftImg8bit.png under {images}, found none")
        self._train_ids = train_ids()
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
        """One sample at its own size."""
        name = self.names[index]
        image = read_image(self._path("image", name))
        semantic = instance = inverse_depth = None
        files = self._label_files(name)
        if path := files.get("semantic"):
            semantic = self._semantic(_checked(read_labels(path), image, path), path)
        if path := files.get("instance"):
            instance = self._instance(_checked(read_labels(path, wide=True), image, path))
        if path := files.get("inverse_depth"):
            stored = _checked(read_labels(path, wide=True), image, path)
            inverse_depth = disparity_px(stored, semantic, sky_is_zero=self.sky_is_zero)
        return Sample(name=name, image=image, semantic=semantic, instance=instance, inverse_depth=inverse_depth)

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
        return {kind: path for kind, path in paths.items() if path.is_file()}

    def without_image(self) -> list[str]:
        """Labels of this split without an image, a line a kind."""
        lines = []
        for kind in self._kinds:
            alone = sorted(set(self._named(kind)) - set(self.names))
            if alone:
                path = self._path(kind, alone[0])
                lines.append(f"{path}: expected an image for this label, found none ({len(alone)} such labels)")
        return lines

    def _named(self, kind: str) -> tuple[str, ...]:
        """What has a file of a kind, as CITY/NAME, sorted."""
        folder, ending = FILES[kind]
        found = (self.root / folder / self.split).glob(f"*/*_{ending}")
        return tuple(sorted(f"{p.parent.name}/{p.name.removesuffix(f'_{ending}')}" for p in found))

    def _label_files(self, name: str) -> dict[str, Path]:
        """The label files that exist; raises for one that is missing and may not be."""
        paths = {kind: self._path(kind, name) for kind in self._kinds}
        for path in paths.values():
            if not self.optional and not path.is_file():
                raise DataError(
                    f"expected a label at {path} for the image {name}, found none: add it, or set "
                    "data.optional_labels = true in the recipe"
                )
        return {kind: path for kind, path in paths.items() if path.is_file()}

    def _path(self, kind: str, name: str) -> Path:
        folder, ending = FILES[kind]
        return self.root / folder / self.split / f"{name}_{ending}"

    def _semantic(self, labels: npt.NDArray[np.int32], path: Path) -> npt.NDArray[np.uint8]:
        # Id −1 (license plate) is stored as 255.
        unknown = (labels > HIGHEST_ID) & (labels != 255)
        if unknown.any():
            raise DataError(f"{path}: expected label ids 0 … {HIGHEST_ID}, found {int(labels[unknown][0])}")
        return self._train_ids[labels]

    def _instance(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """Ids of countable classes; smaller values are groups or stuff, which are no single object."""
        label = np.where(ids >= INSTANCE_FACTOR, ids // INSTANCE_FACTOR, 0)
        countable = np.isin(label, [entry[0] for entry in _CLASSES if entry[3]])
        return np.where(countable, ids, 0).astype(np.int32)


def disparity_px(
    stored: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8] | None, *, sky_is_zero: bool
) -> npt.NDArray[np.float32]:
    """Disparity d = (p − 1)/256 px for p > 0, NaN for p = 0; sky is 0 (or NaN), whatever was stored there."""
    disparity = np.where(stored > 0, (stored - 1) / 256.0, np.nan).astype(np.float32)
    if semantic is not None:
        disparity[semantic == SKY] = 0.0 if sky_is_zero else np.nan
    return disparity


def read_camera(path: Path) -> Camera:
    """A camera file in Cityscapes' form."""
    try:
        table = parse_json(path.read_text(encoding="utf-8"))
        intrinsic, extrinsic = table["intrinsic"], table["extrinsic"]
        return Camera(
            fx=float(intrinsic["fx"]),
            fy=float(intrinsic["fy"]),
            u0=float(intrinsic["u0"]),
            v0=float(intrinsic["v0"]),
            baseline_m=float(extrinsic["baseline"]),
            height_m=float(extrinsic["z"]) if "z" in extrinsic else None,
            pitch_rad=float(extrinsic["pitch"]) if "pitch" in extrinsic else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: expected a Cityscapes camera file, found a mistake: {error!r}") from None


def _checked(labels: npt.NDArray[np.int32], image: npt.NDArray[np.uint8], path: Path) -> npt.NDArray[np.int32]:
    if labels.shape != image.shape[:2]:
        (h, w), (eh, ew) = labels.shape, image.shape[:2]
        raise DataError(f"{path}: expected the size of its image, {ew}x{eh}, found {w}x{h}")
    return labels


def _hint(root: Path) -> str:
    if not root.is_dir():
        return f"{root} does not exist"
    splits = sorted(p.name for p in (root / "leftImg8bit").glob("*") if p.is_dir())
    return f"there are {', '.join(splits)}" if splits else f"{root} holds no leftImg8bit folder"
