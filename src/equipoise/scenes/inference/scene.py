"""The prediction for one image: arrays at its own size, pictures of them, and files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.errors import UsageError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.distances import InverseDepthUnit
from equipoise.scenes.cameras.metres import camera_from_arguments, metres_factor
from equipoise.scenes.grouping import DEFAULT, Instance
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import TASKS, DepthTask, InstanceTask, SemanticTask
from equipoise.scenes.tasks.depth import interval


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """The prediction for one image, at the size of the image.

    ``outputs`` holds all arrays. The properties ``semantic``, ``instance``, ``inverse_depth``, … are short names for
    the common ones, and are ``None`` if the model does not predict them.

    Attributes:
        image: the given image, upright, ``uint8 (H, W, 3)`` RGB.
        vocabulary: the classes and the unit of inverse depth.
        outputs: every predicted array by the task's name: ``semantic``, ``instance``, ``depth`` (inverse depth),
            ``normals`` (``float32 (3, H, W)``: unit vectors in camera axes), … With ``instance`` there is also
            ``instance_offsets``, ``float32 (2, H, W)``: (dx, dy) in px from each pixel to the centroid of its object.
            Offsets outside of objects have no meaning.
        instances: id, class, score in 0 … 1, box and number of pixels of each object; ``None`` without ``instance``.
        grouping: the method by which they were found, as ``predict(image, grouping=...)`` takes it.
        sigma: the learned noise of each task, in its target's unit at the network's input size.
        camera: the camera of the training images, scaled to this image; ``None`` if it is not known.
        camera_doubt: why depth in metres from ``camera`` may be wrong, or why there is no camera; empty otherwise.
        half_width: half the width of the central interval that holds 90 % of the predicted distribution, in the unit of
            the output for this image, by task; ``depth`` has one, unless its likelihood is the paper's form of L1.

    Example:
        ``demo_run`` stands for the folder of your run, such as ``runs/demo``.

        >>> import numpy as np
        >>> from equipoise.scenes import load
        >>> scene = load(demo_run).predict(np.zeros((48, 80, 3), np.uint8))
        >>> scene.predicted()
        ('semantic', 'instance', 'depth')
        >>> scene.instance.dtype, scene.disparity_px.shape
        (dtype('int32'), (48, 80))
        >>> scene.overlay("semantic").size
        (80, 48)
    """

    # The properties of single tasks are part of the public contract. A new task needs none: ``outputs`` has it.

    image: npt.NDArray[np.uint8]
    vocabulary: SceneVocabulary
    outputs: dict[str, npt.NDArray[Any]]
    instances: tuple[Instance, ...] | None = None
    grouping: str = DEFAULT
    sigma: dict[str, Any]
    camera: Camera | None = None
    camera_doubt: str = ""
    half_width: Mapping[str, float] = field(default_factory=dict)

    @property
    def semantic(self) -> npt.NDArray[np.uint8] | None:
        """Class indices into ``vocabulary.classes``, ``uint8 (H, W)``."""
        return self.outputs.get(SemanticTask.name)

    @property
    def instance(self) -> npt.NDArray[np.int32] | None:
        """The id of each pixel's object, ``int32 (H, W)``; 0 = no object. ``instances`` describes the objects."""
        return self.outputs.get(InstanceTask.name)

    @property
    def offsets(self) -> npt.NDArray[np.float32] | None:
        """The vectors from which instances were found: ``outputs["instance_offsets"]``."""
        return self.outputs.get("instance_offsets")

    @property
    def inverse_depth(self) -> npt.NDArray[np.float32] | None:
        """Inverse depth in ``inverse_depth_unit``, ``float32 (H, W)``; 0 = infinitely far."""
        return self.outputs.get(DepthTask.name)

    @property
    def inverse_depth_unit(self) -> InverseDepthUnit | None:
        """The unit of inverse depth: ``px`` (disparity in px of this image), ``1/m``, or ``relative`` (no unit)."""
        return self.vocabulary.inverse_depth_unit if DepthTask.name in self.outputs else None

    @property
    def grouped_by_votes(self) -> bool:
        """Whether objects were found from vectors alone, because no countable class was predicted."""
        return self.instance is not None and (self.semantic is None or not self.vocabulary.countable)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the image, px."""
        return self.image.shape[0], self.image.shape[1]

    @property
    def inverse_depth_interval(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
        """Lower and upper inverse depth, ``float32 (H, W)`` each, between which 90 % of the distribution lies.

        Half of the width follows from the learned σ, so it is the same for all pixels; where it would be negative, the
        lower end is 0 (infinitely far). ``None`` without depth, or if its likelihood has no interval.
        """
        if self.inverse_depth is None or DepthTask.name not in self.half_width:
            return None
        return interval(self.inverse_depth, self.half_width[DepthTask.name])

    @property
    def disparity_px(self) -> npt.NDArray[np.float32] | None:
        """Stereo disparity in px of this image, ``float32 (H, W)``; ``None`` if depth has another unit."""
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
        """Return depth in metres, ``float32 (H, W)``, infinite where inverse depth is 0.

        Depth from disparity is fx · baseline / disparity. A model that was trained on depth in metres needs no camera.

        Args:
            camera: the camera of this image, by default ``Scene.camera``. A camera with a ``size`` is scaled to this
                image; one without is taken to be in this image's pixels.
            fx: focal length in px of this image; give it with ``baseline_m``, in place of ``camera``.
            fy: vertical focal length, px. Depth depends neither on it nor on the principal point.
            cx: column of the principal point, px.
            cy: row of the principal point, px.
            baseline_m: distance between the two cameras, m.
            baseline: another name for ``baseline_m``.

        Raises:
            DepthUnknownError: depth in metres cannot be computed; the message says why. It is a ``ValueError``.

        Warns:
            UserWarning: this image may have another camera than ``Scene.camera``; see ``Scene.camera_doubt``.

        Example:
            >>> import numpy as np
            >>> from equipoise.scenes.labels.vocabulary import SceneVocabulary
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
        """Draw one task's prediction over the image.

        Args:
            task: one of ``predicted()``.
            alpha: the opacity of the prediction, in 0 … 1.

        Returns:
            An RGB picture of the image's size.

        Raises:
            UsageError: the task was not predicted, or ``alpha`` is out of range.

        Example:
            >>> import numpy as np
            >>> from equipoise.scenes import load
            >>> scene = load(demo_run).predict(np.zeros((48, 80, 3), np.uint8))
            >>> scene.overlay("depth", alpha=0.8).mode
            'RGB'
        """
        if not 0 <= alpha <= 1:
            raise UsageError(f"overlay: expected alpha in 0 … 1, found {alpha}")
        if task not in self.predicted():
            raise UsageError(f"overlay: expected one of {', '.join(self.predicted()) or 'no task'}, found {task!r}")
        return Image.fromarray(TASKS[task](self.vocabulary).overlay(self.image, self.outputs[task], alpha))

    def predicted(self) -> tuple[str, ...]:
        """Return the names of the predicted tasks."""
        return tuple(name for name in TASKS if name in self.outputs)

    def save(
        self,
        folder: str | Path,
        *,
        name: str = "scene",
        overwrite: bool = False,
        write: Sequence[str] | None = None,
        farthest_m: float = 80.0,
    ) -> list[Path]:
        """Write the prediction as files, and ``NAME.json``, which describes them.

        By default there is an overlay for every task, ``NAME_TASK_overlay.png``, and for most a picture for programs to
        read: ``NAME_semantic.png`` (class indices), ``NAME_instance.png`` (ids, 16 bits), ``NAME_normals.png``,
        ``NAME_disparity.png`` (inverse depth, 16 bits; the scale is in ``NAME.json``).

        Args:
            folder: where to write; it is created if necessary.
            name: the start of the file names; it may contain ``/`` for subfolders.
            overwrite: replace an earlier prediction of this name. No other file is ever replaced.
            write: what to write: some of ``overlays``, ``labels``, ``disparity``, ``panoptic``, ``coco``,
                ``cityscapes``, ``ply`` and ``interval``, or ``all``, which leaves out what this scene lacks. The JSON
                files of COCO's forms start with ``NAME_`` too. See docs/predicting.md.
            farthest_m: the largest depth in the point cloud, m.

        Returns:
            The paths of the files, ``NAME.json`` last.

        Raises:
            RunError: a file exists already, or cannot be written.
            UsageError: the name leads out of the folder, or something in ``write`` is unknown or cannot be written.

        Example:
            >>> import numpy as np
            >>> from equipoise.scenes import load
            >>> scene = load(demo_run).predict(np.zeros((48, 80, 3), np.uint8))
            >>> [path.name for path in scene.save(demo_run / "out", name="street", overwrite=True)][-2:]
            ['street_disparity.png', 'street.json']
        """
        from equipoise.scenes.outputs import chosen  # The outputs import this module.
        from equipoise.scenes.outputs.output import Contents, OutputSettings
        from equipoise.scenes.outputs.writer import write_scene

        outputs, _ = chosen(write, Contents.of(self))
        settings = OutputSettings(farthest_m=farthest_m)
        return write_scene(
            self, Path(folder), outputs, name=name, overwrite=overwrite, settings=settings, joint=True
        ).paths
