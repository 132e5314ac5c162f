"""Collect the cameras of data sets, and choose the one that is saved with the model."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from equipoise.errors import DataError
from equipoise.scenes.cameras.camera import Camera, camera_doubts
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.io.images import image_size

SAME = 0.02
"""Largest relative difference in fx · baseline, at equal image width, at which cameras count as the same."""
ALIKE = 0.25
"""Largest relative difference at which one camera may stand for all."""


@dataclass(frozen=True, kw_only=True)
class ModelCamera:
    """The camera that is saved with a model.

    Attributes:
        camera: the median camera of the training images, with the size of its image; ``None``: unknown.
        spread: the largest relative difference of the others in fx · baseline, at equal image width.
    """

    camera: Camera | None = None
    spread: float = 0.0


@dataclass(frozen=True, kw_only=True)
class KnownCameras:
    """The cameras of a data set.

    Attributes:
        cameras: one for each image that has one, with the described size or else the size of the image.
        without: the number of images without a camera.
        fault: why disparity cannot be converted to metres; empty if it can.
        doubts: probable mistakes, a line each.
    """

    cameras: tuple[Camera, ...] = ()
    without: int = 0
    fault: str = ""
    doubts: tuple[str, ...] = ()


def known_cameras(dataset: FileDataset) -> KnownCameras:
    """Collect the camera of each image of a data set. Unreadable images are skipped."""
    cameras: list[Camera] = []
    sizes: dict[Camera, tuple[int, int]] = {}
    doubts: dict[str, str] = {}
    without, fault = 0, ""
    for index in range(len(dataset)):
        try:
            camera = dataset.camera(index)
        except DataError as error:
            fault = fault or str(error)
            continue
        if camera is None:
            without += 1
            continue
        try:
            path = dataset.files(index)["image"]
            size = image_size(path)
        except (DataError, KeyError):
            continue
        if camera.size is None and sizes.setdefault(camera, size) != size:
            fault = fault or (
                f"{path}: camera.size: expected the [height, width] of the images that the camera's px refer to, since "
                f"images have different sizes, {_shown(sizes[camera])} and {_shown(size)}, found none: add it to the "
                "description"
            )
        for doubt in camera_doubts(camera, size):
            doubts.setdefault(doubt.split(":")[0], f"{path}: camera.{doubt}")
        cameras.append(replace(camera, size=camera.size or size))
    if fault and dataset.vocabulary.inverse_depth_unit != "px":  # Metres need no camera here: only report it.
        return KnownCameras(without=len(dataset), doubts=(fault, *doubts.values()))
    return KnownCameras(cameras=tuple(cameras), without=without, fault=fault, doubts=tuple(doubts.values()))


def middle_camera(cameras: Iterable[Camera]) -> ModelCamera:
    """Choose the camera with the median fx · baseline at equal image width, or median fx if none has a baseline.

    >>> middle_camera(Camera(fx=fx, baseline_m=0.5, size=(10, 20)) for fx in (10.0, 12.0, 11.0)).camera.fx
    11.0
    """
    known = list(cameras)
    stereo = [camera for camera in known if camera.baseline_m is not None]
    if not known:
        return ModelCamera()
    ordered = sorted(stereo or known, key=_per_width)
    middle = ordered[len(ordered) // 2]
    low, high = (_per_width(camera) / _per_width(middle) for camera in (ordered[0], ordered[-1]))
    return ModelCamera(camera=middle, spread=max(high - 1, 1 - low))


def camera_notices(known: Sequence[KnownCameras], chosen: ModelCamera) -> Iterator[str]:
    """Yield the notices about cameras for the start of a run whose depth labels are disparity."""
    without, total = sum(one.without for one in known), sum(len(one.cameras) + one.without for one in known)
    if without and chosen.camera is not None:
        yield f"{without} of {total} training images have no camera: the camera of the others is used for them"
    if chosen.spread > SAME:
        verb = "needs" if chosen.spread > ALIKE else "may be wrong by as much without"
        yield (
            f"the cameras of the training images differ by up to {chosen.spread:.0%} in fx · baseline: Scene.depth_m() "
            f"{verb} the camera of its own image"
        )


def _per_width(camera: Camera) -> float:
    assert camera.size is not None
    return (camera.metre_pixels or camera.fx) / camera.size[1]


def _shown(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
