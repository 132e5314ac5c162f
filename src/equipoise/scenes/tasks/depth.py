"""Depth: inverse depth for every pixel, L1; sky is zero inverse depth, unlabelled pixels are ignored."""

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
from equipoise.scenes.visual.colors import disparity_colors


class DepthTask(RegressionTask):
    """Inverse depth in the vocabulary's unit; disparity is in px of the array it lies on."""

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
        """The mean absolute error, in the data's unit."""
        unit = self.vocabulary.inverse_depth_unit or ""
        label = {"px": "disparity error", "1/m": "inverse depth error"}.get(unit, "relative depth error")
        return Primary(metric="mae", label=label, unit="" if unit == "relative" else unit, better="lower")

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Errors are better the lower, shares of pixels the higher."""
        return "higher" if figure.startswith(("delta_", "share_")) else "lower"

    def target_of(self, array: npt.NDArray[np.float32], sample: Sample) -> npt.NDArray[np.float32]:
        """Inverse depth ``(1, H, W)``."""
        return array[None]

    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Inverse depth at ``size``, never below zero (nothing is farther than infinity)."""
        scale = size[1] / location.shape[-1] if self.vocabulary.inverse_depth_unit == "px" else 1.0
        return (upsampled(location, size) * scale).clamp_min(0.0).numpy()

    def metrics(self) -> Metrics:
        """MAE and RMSE, with and without the sky."""
        return InverseDepthErrors()

    def image_metrics(self, size: tuple[int, int], camera: Camera | None) -> Metrics:
        """The same, and errors in metres: of inverse metres always, of disparity where a stereo camera is known."""
        if self.vocabulary.inverse_depth_unit == "1/m":
            return InverseDepthErrors(Metres(factor=1.0))
        factor = None if camera is None else camera.scaled_to(size).metre_pixels
        if self.vocabulary.inverse_depth_unit != "px" or factor is None:
            return InverseDepthErrors()
        return InverseDepthErrors(Metres(factor=factor, farthest=FARTHEST_M))

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Near is bright; prediction and truth share the truth's range."""
        known = truth[np.isfinite(truth)]
        return disparity_colors(values[0], maximum=float(np.quantile(known, 0.995)) if known.size else None)

    def answer(self, prediction: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Inverse depth ``(H, W)``."""
        return np.ascontiguousarray(prediction[0])

    def overlay(self, image: Picture, answer: npt.NDArray[np.float32], alpha: float) -> Picture:
        """Depth over the darkened grey image: a bright car is no nearer than a dark one."""
        dim = Image.fromarray(image).convert("L").point(lambda grey: grey * 2 // 5).convert("RGB")
        return np.asarray(Image.blend(dim, Image.fromarray(disparity_colors(answer)), alpha))
