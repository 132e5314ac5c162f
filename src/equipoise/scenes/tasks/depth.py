"""The task depth: the inverse depth of every pixel, with an L1 loss. Unlabelled pixels are ignored."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch import Tensor

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.inverse_depth import InverseDepthLabel
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.depth import FARTHEST_M, InverseDepthErrors, Metres
from equipoise.scenes.tasks.pictures import DISPARITY, LEVEL, LabelPicture, PredictedScene, Scale
from equipoise.scenes.tasks.regression import RegressionTask, interval_in_sigmas
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, upsampled
from equipoise.scenes.visual.colors import disparity_colors, disparity_top

DISPARITY_SCALE = 256.0
"""Stored numbers per px of disparity, as in Cityscapes, if 16 bits can hold them."""
LARGEST_STORED = 65535
STORED = "(p - 1) / scale for the stored number p"


class DepthTask(RegressionTask):
    """Inverse depth, ``float32 (1, H, W)``, in the vocabulary's unit; disparity is in px of its own array."""

    name, label = "depth", InverseDepthLabel.name
    title = "depth"
    channels = 1
    uses_camera = True
    figure_names: ClassVar[Mapping[str, tuple[str, str]]] = {
        "abs_rel": ("abs rel", ""),
        "sq_rel": ("sq rel", "m"),
        "rmse_m": ("rmse", "m"),
        "rmse_log": ("rmse log", ""),
        "silog": ("SILog", "%"),
        "delta_1": ("delta 1", ""),
        "delta_2": ("delta 2", ""),
        "delta_3": ("delta 3", ""),
        "share_in_metres": ("share in metres", ""),
    }

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

    def mismatch(self, vocabulary: SceneVocabulary) -> str:
        """Inverse depth in another unit."""
        known, found = self.vocabulary.inverse_depth_unit, vocabulary.inverse_depth_unit
        if found in (None, known):
            return ""
        return f"expected depth in {known}, as the model was trained on, found depth in {found}"

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

    def scale(self, prediction: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]) -> Scale:
        """Return the range from infinitely far to the nearest pixels."""
        return Scale(high=disparity_top(prediction, truth), unit=self.primary.unit, meaning="near is bright")

    def picture_note(self, tasks: Mapping[str, Any]) -> str:
        """Explain the colours at the ends of the range."""
        return "Depth: near is bright, black is infinitely far, grey has no label."

    def answer(self, prediction: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Drop the channel axis."""
        return np.ascontiguousarray(prediction[0])

    def overlay(self, image: Picture, answer: npt.NDArray[np.float32], alpha: float) -> Picture:
        """Draw depth over a darkened grey image, so that the image's brightness is not mistaken for depth."""
        dim = Image.fromarray(image).convert("L").point(lambda grey: grey * 2 // 5).convert("RGB")
        return np.asarray(Image.blend(dim, Image.fromarray(disparity_colors(answer)), alpha))

    def label_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """Inverse depth in 16 bits: stored number = 1 + value · scale."""
        inverse_depth, unit = scene.outputs[self.name], self.vocabulary.inverse_depth_unit
        scale = self._stored_scale(inverse_depth)
        stereo = scene.camera is not None and scene.camera.baseline_m is not None
        metres = {"1/m": "1 / value", "px": "camera.fx * camera.baseline_m / value" if stereo else None}
        yield LabelPicture(
            ending="disparity",
            key="inverse_depth",
            pixels=stored(inverse_depth, scale),
            output=DISPARITY,
            facts={
                "unit": unit,
                "scale": scale,
                "value": STORED,
                "depth_m": metres.get(unit or ""),
            },
        )

    def half_width(self, recipe: LikelihoodRecipe, sigma: Any, level: float, ratio: float) -> float | None:
        """Scale σ of disparity with the width of the image; ``None`` for the paper's form, which has no density."""
        sigmas = interval_in_sigmas(recipe, level)
        in_px = self.vocabulary.inverse_depth_unit == "px"
        return None if sigmas is None else sigmas * float(sigma) * (ratio if in_px else 1.0)

    def interval_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """Lower and upper inverse depth in 16 bits, stored like inverse depth itself, with one scale for both."""
        low, high = interval(scene.outputs[self.name], scene.half_width[self.name])
        scale = self._stored_scale(high)
        facts = {"unit": self.vocabulary.inverse_depth_unit, "scale": scale, "value": STORED, "level": LEVEL}
        for end, values in (("low", low), ("high", high)):
            yield LabelPicture(
                ending=f"depth_interval_{end}",
                key=f"inverse_depth_{end}",
                pixels=stored(values, scale),
                facts=facts,
            )

    def _stored_scale(self, inverse_depth: npt.NDArray[np.float32]) -> float:
        """The factor that brings inverse depth into 16 bits; 256 for disparity, if it fits."""
        scale = (LARGEST_STORED - 1) / max(float(inverse_depth.max()), 1e-9)
        return min(DISPARITY_SCALE, scale) if self.vocabulary.inverse_depth_unit == "px" else scale


def interval(
    inverse_depth: npt.NDArray[np.float32], half_width: float
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Return the lower and upper ends of the interval about inverse depth; the lower one is 0 or more."""
    return np.maximum(inverse_depth - np.float32(half_width), 0), inverse_depth + np.float32(half_width)


def stored(inverse_depth: npt.NDArray[np.float32], scale: float) -> npt.NDArray[np.uint16]:
    """Return inverse depth in 16 bits: 1 + value · scale, rounded."""
    numbers = np.rint(inverse_depth * np.float32(scale)).clip(0, LARGEST_STORED - 1)
    result: npt.NDArray[np.uint16] = (numbers + np.float32(1)).astype(np.uint16)
    return result
