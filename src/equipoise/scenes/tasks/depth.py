"""The task depth: the inverse depth of every pixel, with an L1 loss. Unlabelled pixels are ignored."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.inverse_depth import InverseDepthLabel
from equipoise.scenes.metrics.depth import FARTHEST_M, InverseDepthErrors, Metres
from equipoise.scenes.tasks.regression import RegressionTask
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, upsampled
from equipoise.scenes.visual.colors import disparity_colors, disparity_top


class DepthTask(RegressionTask):
    """Inverse depth, ``float32 (1, H, W)``, in the vocabulary's unit; disparity is in px of its own array."""

    name, label = "depth", InverseDepthLabel.name
    title = "depth"
    channels = 1
    uses_camera = True

    @property
    def meaning(self) -> str:  # type: ignore[override]
        """Inverse depth in its unit."""
        words = {"px": "disparity, px of the input", "1/m": "inverse depth, 1/m"}
        return (
            f"{words.get(self.vocabulary.inverse_depth_unit or '', 'inverse depth, without unit')}; 0 = infinitely far"
        )

    @property
    def primary(self) -> Primary:  # type: ignore[override]
        """The mean absolute error in the data's unit."""
        unit = self.vocabulary.inverse_depth_unit or ""
        label = {"px": "disparity error", "1/m": "inverse depth error"}.get(unit, "relative depth error")
        return Primary(metric="mae", label=label, unit="" if unit == "relative" else unit, better="lower")

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Lower is better for errors, higher for fractions of pixels."""
        return "higher" if figure.startswith(("delta_", "share_")) else "lower"

    def target_of(self, array: npt.NDArray[np.float32], sample: Sample) -> npt.NDArray[np.float32]:
        """Add the channel axis."""
        return array[None]

    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Resize inverse depth to ``size``, scale disparity with the width, and clip negative values to zero."""
        scale = size[1] / location.shape[-1] if self.vocabulary.inverse_depth_unit == "px" else 1.0
        return (upsampled(location, size) * scale).clamp_min(0.0).numpy()

    def metrics(self) -> Metrics:
        """Create an accumulator of MAE and RMSE, with and without the sky."""
        return InverseDepthErrors()

    def image_metrics(self, size: tuple[int, int], camera: Camera | None) -> Metrics:
        """Create an accumulator that also has errors in metres, if inverse depth is in 1/m or the camera is stereo."""
        if self.vocabulary.inverse_depth_unit == "1/m":
            return InverseDepthErrors(Metres(factor=1.0))
        factor = None if camera is None else camera.scaled_to(size).metre_pixels
        if self.vocabulary.inverse_depth_unit != "px" or factor is None:
            return InverseDepthErrors()
        return InverseDepthErrors(Metres(factor=factor, farthest=FARTHEST_M))

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Draw near pixels bright, scaled by the range of ``truth``."""
        return disparity_colors(values[0], maximum=disparity_top(values, truth))

    def answer(self, prediction: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Drop the channel axis."""
        return np.ascontiguousarray(prediction[0])

    def overlay(self, image: Picture, answer: npt.NDArray[np.float32], alpha: float) -> Picture:
        """Draw depth over a darkened grey image, so that the image's brightness is not mistaken for depth."""
        dim = Image.fromarray(image).convert("L").point(lambda grey: grey * 2 // 5).convert("RGB")
        return np.asarray(Image.blend(dim, Image.fromarray(disparity_colors(answer)), alpha))
