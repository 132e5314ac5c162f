"""The task normals: the surface normal of every pixel in camera axes (x right, y down, z forward)."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import normalize

from equipoise.likelihoods import Likelihood, VonMisesFisher
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.normals import NormalsLabel
from equipoise.scenes.metrics.normals import THRESHOLDS, AngularErrors
from equipoise.scenes.tasks.pictures import LabelPicture, PredictedScene
from equipoise.scenes.tasks.regression import RegressionTask, expect_no_classes, noise_options, regression_likelihood
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, upsampled
from equipoise.scenes.visual.colors import normal_colors

TOWARDS_CAMERA = (0.0, 0.0, -1.0)


class NormalsTask(RegressionTask):
    """Unit vectors, ``float32 (3, H, W)``, judged by their angle to the true ones."""

    name = label = title = NormalsLabel.name
    meaning = "a vector along the surface normal, in camera axes (x right, y down, z forward)"
    primary = Primary(metric="mean_deg", label="angular error", unit="°", better="lower")
    channels = 3
    kinds = ("von-mises-fisher", "gaussian")
    figure_names: ClassVar[Mapping[str, tuple[str, str]]] = {"median_deg": ("median", "°")} | {
        name: (f"within {limit:g}°", "%") for name, limit in THRESHOLDS.items()
    }

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Lower is better for angles, higher for fractions of pixels."""
        return "higher" if figure.startswith("within_") else "lower"

    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """Create ``von-mises-fisher`` (1 − cosine, with a learned concentration) or ``gaussian`` (per component)."""
        if recipe.kind == "gaussian":
            return regression_likelihood(recipe)
        expect_no_classes(recipe)
        if recipe.standardize is not None:
            raise ValueError("standardize: expected none, since directions have no unit")
        return VonMisesFisher(**noise_options(recipe))

    def target_of(self, array: npt.NDArray[np.float32], sample: Sample) -> npt.NDArray[np.float32]:
        """Move the components to the first axis."""
        return np.ascontiguousarray(array.transpose(2, 0, 1))

    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Interpolate the vectors to ``size``, and normalise them to unit length."""
        return directions(upsampled(location, size)).numpy()

    def metrics(self) -> Metrics:
        """Create an accumulator of mean and median angle and the fractions of pixels within three angles."""
        return AngularErrors()

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Draw each vector as a colour."""
        return normal_colors(values.transpose(1, 2, 0))

    def label_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """Draw the normals as data sets store them: colours v with n = v / 127.5 − 1."""
        answer = scene.outputs[self.name]
        yield LabelPicture(ending=self.name, key=self.name, pixels=self.colors(answer, answer))

    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the mean direction, which has the largest mean cosine."""
        mean = torch.from_numpy(np.nan_to_num(targets).sum((0, 2, 3))[:, None, None])
        return directions(mean.float()).expand(*targets.shape[1:]).clone()

    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the mean direction at each position; the overall one where no image has a label."""
        known = torch.from_numpy(~np.isnan(targets).any(1).all(0))
        found = directions(torch.from_numpy(np.nan_to_num(targets).sum(0)).float())
        return torch.where(known, found, self.constant(targets))


def directions(vectors: Tensor) -> Tensor:
    """Normalise vectors ``(3, H, W)`` to unit length; zero vectors become vectors towards the camera."""
    fill = torch.tensor(TOWARDS_CAMERA, dtype=vectors.dtype)[:, None, None]
    length = torch.linalg.vector_norm(vectors, dim=0, keepdim=True)
    return normalize(torch.where(length > 0, vectors, fill), dim=0)
