"""What was predicted for one image: arrays at its own size, pictures of them, and their form on disk."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.errors import UsageError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.distances import InverseDepthUnit
from equipoise.scenes.cameras.metres import camera_from_arguments, metres_factor
from equipoise.scenes.grouping import Instance
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import TASKS


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One image's prediction. What its model does not predict is not in ``outputs``, and its property is ``None``.

    Attributes:
        image: as given, upright, ``uint8 (H, W, 3)`` RGB.
        vocabulary: what the class indices mean.
        outputs: every array that was predicted, by the task's name, at the image's size: ``semantic``, ``instance``,
            ``depth`` (inverse depth), and any further task; with ``instance`` also ``instance_offsets``,
            ``float32 (2, H, W)``: (dx, dy) from each pixel to the centroid of its object, px, which mean something on
            objects alone.
        instances: class, score in 0…1, box and pixel count of each object.
        sigma: the learned noise of each task, in its target's unit at the size the network was trained at.
        camera: that of the images the model was trained on, scaled to this image; ``None`` where none is known.
        camera_doubt: why metres from ``camera`` may be wrong, or why there is none; empty where all is well.
    """

    image: npt.NDArray[np.uint8]
    vocabulary: SceneVocabulary
    outputs: dict[str, npt.NDArray[Any]]
    instances: tuple[Instance, ...] | None = None
    sigma: dict[str, Any]
    camera: Camera | None = None
    camera_doubt: str = ""

    @property
    def semantic(self) -> npt.NDArray[np.uint8] | None:
        """Class indices, ``uint8 (H, W)``."""
        return self.outputs.get("semantic")

    @property
    def instance(self) -> npt.NDArray[np.int32] | None:
        """The id of one of ``instances`` for each pixel, ``int32 (H, W)``, 0 = none."""
        return self.outputs.get("instance")

    @property
    def offsets(self) -> npt.NDArray[np.float32] | None:
        """The vectors that instances were found from: ``outputs["instance_offsets"]``."""
        return self.outputs.get("instance_offsets")

    @property
    def inverse_depth(self) -> npt.NDArray[np.float32] | None:
        """Inverse depth in ``inverse_depth_unit``, ``float32 (H, W)``, 0 = infinitely far."""
        return self.outputs.get("depth")

    @property
    def inverse_depth_unit(self) -> InverseDepthUnit | None:
        """``px`` (disparity in px of this image), ``1/m``, or ``relative``."""
        return self.vocabulary.inverse_depth_unit if "depth" in self.outputs else None

    @property
    def grouped_by_votes(self) -> bool:
        """Whether objects were found from vectors alone, as no countable class was predicted."""
        return self.instance is not None and (self.semantic is None or not self.vocabulary.countable)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, px."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def disparity_px(self) -> npt.NDArray[np.float32] | None:
        """Stereo disparity in px of this image; ``None`` where the model was not trained on disparity."""
        return self.inverse_depth if self.inverse_depth_unit == "px" else None

    def depth_m(
        self,
        camera: Camera | None = None,
        *,
        fx: float | None = None,
        fy: float | None = None,
        cx: float | None = None,
        cy: float | None = None,
        baseline_m: float | None = None,
        baseline: float | None = None,
    ) -> npt.NDArray[np.float32]:
        """Depth in metres, ``float32 (H, W)``, infinite where inverse depth is 0.

        From disparity it is fx · baseline / disparity. A model that was trained on metres needs no camera.

        Args:
            camera: in place of ``Scene.camera``, which is used by default. One without ``size`` is for this image's
                pixels; one with ``size`` is scaled to them.
            fx: focal length in px of this image, to be given with ``baseline_m`` in place of ``camera``.
            fy: vertical focal length, px; depth does not depend on it, nor on the principal point.
            cx: column of the principal point, px.
            cy: row of the principal point, px.
            baseline_m: distance between the two cameras, m.
            baseline: another name for ``baseline_m``.

        Raises:
            DepthUnknownError: metres cannot be known, and why. It is a ``ValueError``.

        Warns:
            UserWarning: ``Scene.camera`` may not be that of this image (``Scene.camera_doubt``).

        Example:
            >>> scene = Scene(
            ...     image=np.zeros((1, 2, 3), np.uint8),
            ...     vocabulary=SceneVocabulary(inverse_depth_unit="px"),
            ...     outputs={"depth": np.array([[10.0, 0.0]], np.float32)},
            ...     sigma={},
            ... )
            >>> scene.depth_m(fx=20.0, baseline_m=0.5).tolist()
            [[1.0, inf]]
        """
        numbers = {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "baseline_m": baseline_m, "baseline": baseline}
        factor = metres_factor(
            self.inverse_depth_unit, self.size, camera_from_arguments(camera, numbers), self.camera, self.camera_doubt
        )
        assert self.inverse_depth is not None  # It has a unit.
        far = np.full(self.inverse_depth.shape, np.inf, np.float32)
        return np.divide(np.float32(factor), self.inverse_depth, out=far, where=self.inverse_depth > 0)

    def overlay(self, task: str, alpha: float = 0.6) -> Image.Image:
        """The image with one task's answer over it, ``alpha`` of it in 0 … 1.

        Raises:
            UsageError: the task was not predicted, or ``alpha`` is out of range.
        """
        if not 0 <= alpha <= 1:
            raise UsageError(f"overlay: expected alpha in 0 … 1, found {alpha}")
        if task not in self.predicted():
            raise UsageError(f"overlay: expected one of {', '.join(self.predicted()) or 'no task'}, found {task!r}")
        return Image.fromarray(TASKS[task](self.vocabulary).overlay(self.image, self.outputs[task], alpha))

    def predicted(self) -> tuple[str, ...]:
        """The tasks that have an answer."""
        return tuple(name for name in TASKS if name in self.outputs)

    def save(self, folder: str | Path, *, name: str = "scene", overwrite: bool = False) -> list[Path]:
        """Write overlays, class and instance PNGs, 16-bit inverse depth, and ``NAME.json`` that says what they hold.

        ``overwrite``: replace an earlier prediction of this name, and nothing else.

        Raises:
            RunError: a file is there already, or cannot be written.
        """
        from equipoise.scenes.inference.writer import write_scene  # Values do not depend on files.

        return write_scene(self, Path(folder), name=name, overwrite=overwrite)
