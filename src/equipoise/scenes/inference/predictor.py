"""Predictions from Python: ``load(run).predict(image)``."""

from pathlib import Path
from typing import Any

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
from equipoise.scenes.grouping import Grouping, group, group_by_votes, together
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.io.images import as_rgb, read_image
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.task import upsampled


def load(folder: str | Path) -> "ScenePredictor":
    """The model of a run or export, ready to predict; runs no code from its files.

    Raises:
        RunError: there is none, or it is broken or of another version.
    """
    return ScenePredictor(load_model(Path(folder)))


class ScenePredictor:
    """A trained model that takes images as they are."""

    def __init__(self, model: SceneModel) -> None:
        self.model = model

    @property
    def tasks(self) -> tuple[str, ...]:
        """What it predicts."""
        return self.model.description.tasks

    @property
    def groups_by_votes(self) -> bool:
        """Whether objects are found from vectors alone, as no countable class is predicted."""
        countable = "semantic" in self.tasks and self.model.description.vocabulary.countable
        return "instance" in self.tasks and not countable

    @property
    def camera(self) -> Camera | None:
        """That of the images it was trained on, with their size; ``None`` where none is known."""
        return self.model.description.camera

    def predict(self, image: "str | Path | Image.Image | npt.NDArray[np.uint8]") -> Scene:
        """The scene in an image of any size.

        Args:
            image: a path, a PIL image, or a ``uint8`` array ``(H, W, 3)`` RGB.

        Raises:
            DataError: the file is no picture.
            UsageError: another kind of object, or an array of another shape or type.
        """
        pixels = as_array(image)
        size = (pixels.shape[0], pixels.shape[1])
        small = resize_image(pixels, self.model.description.input_size)
        images = torch.from_numpy(np.array(small)).permute(2, 0, 1)[None]
        locations = {name: value[0] for name, value in self.model.locations(images).items()}
        if wild := [name for name, value in locations.items() if not torch.isfinite(value).all()]:
            raise RunError(f"expected finite predictions, found others of {wild[0]}: the model's weights are damaged")
        tasks, vocabulary = self.model.tasks, self.model.description.vocabulary
        answers = {name: task.prediction(locations[name], size) for name, task in tasks.items()}
        outputs = {name: task.answer(answers[name]) for name, task in tasks.items()}
        grouping = self._grouped(locations, answers, size) if "instance" in answers else None
        if grouping is not None:
            outputs |= {"instance": grouping.instance, "instance_offsets": answers["instance"]}
        described = self.model.description
        camera, doubt = default_camera(ModelCamera(camera=described.camera, spread=described.camera_spread), size)
        return Scene(
            image=pixels,
            vocabulary=vocabulary,
            outputs=outputs,
            instances=None if grouping is None else grouping.instances,
            sigma=self.model.likelihood.sigmas(),
            camera=camera,
            camera_doubt=doubt,
        )

    def _grouped(self, locations: dict[str, Tensor], answers: dict[str, Any], size: tuple[int, int]) -> Grouping:
        """The objects: pixels of countable classes by their vectors; by vectors alone where no class is countable."""
        if self.groups_by_votes:
            return group_by_votes(answers["instance"], answers.get("semantic"))
        probability = upsampled(locations["semantic"].softmax(0).amax(0, keepdim=True), size)[0].numpy()
        countable = together(self.model.description.vocabulary)
        return group(answers["instance"], answers["semantic"], countable, confidence_HW=probability)


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
