"""Depth: inverse depth for every pixel, L1; sky is zero inverse depth, unlabelled pixels are ignored."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from equipoise.likelihoods import Likelihood
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.metrics.depth import FARTHEST_M, InverseDepthErrors, Metres
from equipoise.scenes.tasks.regression import KINDS, regression_likelihood
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, Task, median_constant, median_per_position, upsampled
from equipoise.scenes.visual.colors import disparity_colors


class DepthTask(Task):
    """Inverse depth in the vocabulary's unit; disparity is in px of the array it lies on."""

    name, label = "depth", "inverse_depth"
    channels = 1
    kinds = KINDS

    @property
    def primary(self) -> Primary:  # type: ignore[override]
        """The mean absolute error, in the data's unit."""
        unit = self.vocabulary.inverse_depth_unit or ""
        label = {"px": "disparity error", "1/m": "inverse depth error"}.get(unit, "relative depth error")
        return Primary(metric="mae", label=label, unit="" if unit == "relative" else unit, better="lower")

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Errors are better the lower, shares of pixels the higher."""
        return "higher" if figure.startswith(("delta_", "share_")) else "lower"

    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """Laplace fits L1; ``laplace-paper`` weighs L1 as the paper does."""
        return regression_likelihood(recipe)

    def target(self, sample: Sample) -> npt.NDArray[np.float32]:
        """Inverse depth ``(1, H, W)``."""
        if sample.inverse_depth is None:
            return np.full((1, *sample.size), np.nan, np.float32)
        return sample.inverse_depth[None]

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

    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """The median."""
        return median_constant(targets)

    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """The median of each place."""
        return median_per_position(targets)
