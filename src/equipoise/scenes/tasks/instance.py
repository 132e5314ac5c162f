"""The task instance: each pixel of an object predicts the vector to the centroid of the object."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.centroids import instance_centroids
from equipoise.scenes.labels.instance import InstanceLabel
from equipoise.scenes.labels.label import Points
from equipoise.scenes.metrics.offsets import OffsetErrors
from equipoise.scenes.tasks.regression import RegressionTask
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, upsampled
from equipoise.scenes.visual.colors import instance_colors, offset_colors, outlines, overlay


class InstanceTask(RegressionTask):
    """Centroid offsets (dx, dy), ``float32 (2, H, W)``, in px of their own array; L1 loss on instance pixels only."""

    name = label = InstanceLabel.name
    title = "instances"
    meaning = "the vector (dx, dy) from the pixel to the centroid of its object, px of the input"
    primary = Primary(metric="mae_px", label="offset error", unit="px", better="lower")
    channels = 2

    def target_of(self, array: npt.NDArray[np.int32], sample: Sample) -> npt.NDArray[np.float32]:
        """Return the vectors from each instance pixel to the centroid of its instance."""
        return centroid_offsets(array, sample.points.get(self.label, {}))

    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Interpolate the vectors to ``size``, and scale them accordingly."""
        height, width = location.shape[-2:]
        scale = torch.tensor([size[1] / width, size[0] / height])[:, None, None]
        return (upsampled(location, size) * scale).numpy()

    def metrics(self) -> Metrics:
        """Create an accumulator of the mean absolute error per component and the Euclidean error."""
        return OffsetErrors()

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Draw direction as hue and length as saturation, on the pixels that have a vector in ``truth``."""
        labelled = ~np.isnan(truth).any(0)
        radius = float(np.linalg.norm(truth[:, labelled], axis=0).max()) if labelled.any() else 1.0
        return offset_colors(np.where(labelled, values, 0.0).astype(np.float32), labelled, max(radius, 1.0))

    def overlay(self, image: Picture, answer: npt.NDArray[np.int32], alpha: float) -> Picture:
        """Draw each object in its own colour with a white outline; ``answer`` contains ids."""
        drawn = overlay(image, instance_colors(answer), alpha, answer > 0)
        return np.where(outlines(answer)[..., None], np.uint8(255), drawn)


def centroid_offsets(instance: npt.NDArray[np.int32], known: Points) -> npt.NDArray[np.float32]:
    """Return (dx, dy) = centroid − pixel, ``float32 (2, H, W)`` px; NaN = no instance.

    Offsets are computed after augmentation, which acts on ids and on ``known`` centroids and never on offsets.
    """
    height, width = instance.shape
    ids, centroids = instance_centroids(instance, known)
    table = np.vstack([np.full((1, 2), np.nan), centroids]).astype(np.float32)
    row = np.searchsorted(ids, instance) + 1
    row[instance == 0] = 0
    centre = table[row]
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    return np.stack([centre[..., 0] - x, centre[..., 1] - y])
