"""Instance regression: each pixel of a countable object predicts the vector to its instance's centroid."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.likelihoods import Likelihood
from equipoise.scenes.data.centroids import instance_centroids
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.metrics.offsets import OffsetErrors
from equipoise.scenes.tasks.regression import KINDS, regression_likelihood
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, Task, median_constant, median_per_position, upsampled
from equipoise.scenes.visual.colors import offset_colors


class InstanceTask(Task):
    """Centroid offsets (dx, dy) in pixels of the array they lie on; L1, over instance pixels only."""

    name = label = "instance"
    primary = Primary(metric="mae_px", label="offset error", unit="px", better="lower")
    channels = 2
    kinds = KINDS

    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """Laplace fits L1; ``laplace-paper`` weighs L1 as the paper does; see ``regression_likelihood``."""
        return regression_likelihood(recipe)

    def target(self, sample: Sample) -> npt.NDArray[np.float32]:
        """The vectors from each instance pixel to its centroid."""
        return centroid_offsets(sample)

    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Vectors at ``size``: interpolated, and scaled with the picture."""
        height, width = location.shape[-2:]
        scale = torch.tensor([size[1] / width, size[0] / height])[:, None, None]
        return (upsampled(location, size) * scale).numpy()

    def metrics(self) -> Metrics:
        """Mean absolute error a component, and the Euclidean error beside it."""
        return OffsetErrors()

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Direction as hue, length as saturation, on the pixels that have a true vector."""
        labelled = ~np.isnan(truth).any(0)
        radius = float(np.linalg.norm(truth[:, labelled], axis=0).max()) if labelled.any() else 1.0
        return offset_colors(np.where(labelled, values, 0.0).astype(np.float32), labelled, max(radius, 1.0))

    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """The median of each component."""
        return median_constant(targets)

    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """The median of each component at each place."""
        return median_per_position(targets)


def centroid_offsets(sample: Sample) -> npt.NDArray[np.float32]:
    """``(2, H, W)``: (dx, dy) = centroid − pixel, NaN where there is no instance.

    Made after the geometry: flip, resize and crop act on ids and centroids, never on vectors.
    """
    height, width = sample.size
    if sample.instance is None:
        return np.full((2, height, width), np.nan, np.float32)
    ids, centroids = instance_centroids(sample)
    table = np.vstack([np.full((1, 2), np.nan), centroids]).astype(np.float32)
    row = np.searchsorted(ids, sample.instance) + 1
    row[sample.instance == 0] = 0
    centre = table[row]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return np.stack([centre[..., 0] - x, centre[..., 1] - y])
