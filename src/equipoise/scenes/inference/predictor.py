"""The one predictor: decides device, precision and batching for evaluation, validation, pictures and predictions."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.metres import default_camera
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.data.transforms import resize_image
from equipoise.scenes.grouping import DEFAULT
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.inference.tiles import Tiling, tiled
from equipoise.scenes.io.images import as_rgb, read_image
from equipoise.scenes.model.described import DescribedModel
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.pictures import LEVEL
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.together import expect_grouping, find_objects
from equipoise.scenes.training.memory import naming_memory
from equipoise.scenes.training.precision import Precision, autocast, float32_products
from equipoise.scenes.wording import counted

BATCH_SIZE = 8
"""Images that go through the network together where there are many."""

Predictor = Callable[[Tensor], Mapping[str, Tensor]]
"""Images ``uint8 (B, 3, H, W)`` at the network's input size → each task's location ``(B, C, H, W)``."""


class NetworkPredictor:
    """The network as a ``Predictor``: on the device where the model lies, in the precision it was trained in.

    Args:
        model: a trained model.
        precision: of the forward pass; locations are float32 and on the CPU in any case.
    """

    def __init__(self, model: SceneModel, precision: Precision = "float32") -> None:
        self.model, self.precision = model, precision
        self.device = next(model.parameters()).device

    def __call__(self, images: Tensor) -> dict[str, Tensor]:
        """Each task's location for a batch of images."""
        # A CPU rounds a batch of one differently from a larger one, so there each image goes through alone, always.
        parts = images.chunk(len(images) if self.device.type == "cpu" else 1)
        with (
            naming_memory(self.device, self._work(parts[0]), "give a smaller --tile, or --device cpu"),
            autocast(self.precision, self.device),
            float32_products(self.precision, self.device),
        ):
            found = [self.model.locations(part.to(self.device)) for part in parts]
        return {name: torch.cat([locations[name] for locations in found]).cpu() for name in found[0]}

    def _work(self, images: Tensor) -> str:
        height, width = images.shape[2:]
        return f"the network on {counted(len(images), 'image')} of {height}x{width} px in {self.precision}"


def network_input(images: Sequence[npt.NDArray[np.uint8]], size: tuple[int, int]) -> Tensor:
    """Images ``uint8 (H, W, 3)`` of any sizes as one batch ``(B, 3, *size)``."""
    return torch.from_numpy(np.stack([resize_image(image, size) for image in images])).permute(0, 3, 1, 2)


class ScenePredictor:
    """A trained model that predicts scenes from images of any size; ``equipoise.scenes.load`` makes one from a run.

    Args:
        model: the description, tasks and noise of the model.
        network: computes the tasks' locations for a batch of images.

    Example:
        ``demo_run`` stands for the folder of your run, such as ``runs/demo``.

        >>> from PIL import Image
        >>> from equipoise.scenes import load
        >>> model = load(demo_run)
        >>> scene = model.predict(Image.new("RGB", (80, 48)))
        >>> {name: output.shape for name, output in scene.outputs.items()}
        {'semantic': (48, 80), 'instance': (48, 80), 'depth': (48, 80), 'instance_offsets': (2, 48, 80)}
    """

    def __init__(self, model: DescribedModel, network: Predictor) -> None:
        self.model, self._network = model, network

    @property
    def tasks(self) -> tuple[str, ...]:
        """The names of the tasks that it predicts."""
        return self.model.description.tasks

    @property
    def groups_by_votes(self) -> bool:
        """Whether objects are found from vectors alone, because no countable class is predicted."""
        countable = "semantic" in self.tasks and self.model.description.vocabulary.countable
        return "instance" in self.tasks and not countable

    @property
    def camera(self) -> Camera | None:
        """The camera of the training images, with their size; ``None`` if it is not known."""
        return self.model.description.camera

    def predict(
        self,
        image: "str | Path | Image.Image | npt.NDArray[np.uint8]",
        *,
        tile: tuple[int, int] | None = None,
        overlap: float = 0.25,
        grouping: str = DEFAULT,
    ) -> Scene:
        """Predict the scene in an image. The network sees the image resized to the size of its training images.

        Args:
            image: the path of a PNG, JPEG or WebP file, a PIL image, or a ``uint8`` array ``(H, W, 3)`` RGB.
            tile: height and width of the parts of the resized image that the network sees one by one, px, to save
                memory; ``None``: all of it at once.
            overlap: the fraction of a tile that it shares with the next one; their outputs are blended.
            grouping: how pixels are grouped into objects: ``votes``, or the paper's ``optics``, which needs
                scikit-learn and takes seconds.

        Returns:
            The prediction, with arrays of the size of the image.

        Raises:
            DataError: the file cannot be read or decoded as a picture.
            RunError: the predictions are not finite, so the model's weights are damaged.
            UsageError: another kind of object, an array of another shape or type, a tile that is too small, or a
                grouping that does not exist, is not installed, or does not suit the model.
        """
        self.expect_grouping(grouping)
        network: Predictor = self._network if tile is None else self._tiled(Tiling(size=tile, overlap=overlap))
        pixels = as_array(image)
        size = (pixels.shape[0], pixels.shape[1])
        images = network_input([pixels], self.model.description.input_size)
        locations = {name: value[0] for name, value in network(images).items()}
        if wild := [name for name, value in locations.items() if not is_finite(value)]:
            raise RunError(f"expected finite predictions, found others of {wild[0]}: the model's weights are damaged")
        tasks, vocabulary = self.model.tasks, self.model.description.vocabulary
        answers = {name: task.prediction(locations[name], size) for name, task in tasks.items()}
        outputs = {name: task.answer(answers[name]) for name, task in tasks.items()}
        grouped = find_objects(vocabulary, locations, answers, grouping)
        if grouped is not None:
            outputs |= {"instance": grouped.instance, "instance_offsets": answers["instance"]}
        described = self.model.description
        camera, doubt = default_camera(ModelCamera(camera=described.camera, spread=described.camera_spread), size)
        return Scene(
            image=pixels,
            vocabulary=vocabulary,
            outputs=outputs,
            instances=None if grouped is None else grouped.instances,
            grouping=grouping,
            sigma=self.model.sigmas(),
            camera=camera,
            camera_doubt=doubt,
            half_width=self.half_widths(size),
        )

    def expect_grouping(self, method: str) -> None:
        """Raise ``UsageError`` unless this model's objects can be found by a method of grouping."""
        expect_grouping(method, self.tasks, self.model.description.vocabulary)

    def half_widths(self, size: tuple[int, int]) -> dict[str, float]:
        """``Scene.half_width`` for an image of ``size`` (height, width)."""
        described, sigmas = self.model.description, self.model.sigmas()
        ratio = size[1] / described.input_size[1]
        found = {
            name: task.half_width(described.likelihood.get(name, LikelihoodRecipe()), sigmas[name], LEVEL, ratio)
            for name, task in self.model.tasks.items()
        }
        return {name: value for name, value in found.items() if value is not None}

    def _tiled(self, tiling: Tiling) -> Predictor:
        return tiled(self._network, tiling, self.model.description.model.output_stride)


def is_finite(values: Tensor) -> bool:
    """Whether all values are finite.

    Their sum says so several times faster than testing each one, unless it overflows.
    """
    return bool(values.sum().isfinite() or values.isfinite().all())


def as_array(image: "str | Path | Image.Image | npt.NDArray[np.uint8]") -> npt.NDArray[np.uint8]:
    """Any of the accepted kinds as ``uint8 (H, W, 3)``."""
    if isinstance(image, str | Path):
        return read_image(Path(image))
    if isinstance(image, Image.Image):
        try:
            return as_rgb(image)
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(f"predict: expected a picture that can be decoded, found: {error}") from None
    if not isinstance(image, np.ndarray):
        raise UsageError(f"predict: expected a path, a PIL image or a uint8 array, found {type(image).__name__}")
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise UsageError(f"predict: expected a uint8 array (H, W, 3), found {image.dtype} {image.shape}")
    return image.copy()  # The scene keeps it, whatever becomes of the caller's.
