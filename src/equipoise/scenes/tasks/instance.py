"""The task instance: each pixel of an object predicts the vector to the centroid of the object."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.scenes.data.sample import Sample
from equipoise.scenes.grouping import Instance, countable_groups, group
from equipoise.scenes.labels.centroids import instance_centroids
from equipoise.scenes.labels.instance import InstanceLabel
from equipoise.scenes.labels.label import Points
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.metrics.offsets import OffsetErrors
from equipoise.scenes.metrics.precision import SIZES
from equipoise.scenes.tasks.pictures import ComparedPictures, LabelPicture, PredictedScene
from equipoise.scenes.tasks.regression import RegressionTask
from equipoise.scenes.tasks.scene_metrics import ObjectFigures
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, upsampled
from equipoise.scenes.tasks.together import SceneMetrics
from equipoise.scenes.visual.colors import instance_colors, offset_colors, outlines, overlay

PARTS = {"": "", "_things": " of things", "_stuff": " of stuff"}
"""The ends of the names of panoptic figures, and what they say."""


class InstanceTask(RegressionTask):
    """Centroid offsets (dx, dy), ``float32 (2, H, W)``, in px of their own array; L1 loss on instance pixels only."""

    name = label = InstanceLabel.name
    title = "instances"
    meaning = "the vector (dx, dy) from the pixel to the centroid of its object, px of the input"
    primary = Primary(metric="mae_px", label="offset error", unit="px", better="lower")
    channels = 2
    also_shown = ("ap", "ap50", "pq")
    figure_names: ClassVar[Mapping[str, tuple[str, str]]] = {
        **{"ap": ("AP", "%"), "ap50": ("AP50", "%")},
        **{f"ap_{size}": (f"AP of {size} objects", "%") for size in SIZES if size != "all"},
        **{f"{name}{part}": (f"{name.upper()}{of}", "%") for part, of in PARTS.items() for name in ("pq", "sq", "rq")},
        **{f"{name}_by_class": (name.upper(), "%") for name in ("ap", "ap50", "pq", "sq", "rq")},
    }

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

    def scene_metrics(self, tasks: Collection[str]) -> SceneMetrics | None:
        """Create an accumulator of AP and panoptic quality, if countable classes are predicted too."""
        return ObjectFigures(self.vocabulary) if self._finds_objects(tasks) else None

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Lower is better for errors of vectors, higher for figures of objects."""
        return "higher" if figure in self.figure_names else "lower"

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Draw direction as hue and length as saturation, on the pixels that have a vector in ``truth``."""
        labelled = ~np.isnan(truth).any(0)
        radius = float(np.linalg.norm(truth[:, labelled], axis=0).max()) if labelled.any() else 1.0
        return offset_colors(np.where(labelled, values, 0.0).astype(np.float32), labelled, max(radius, 1.0))

    def compare(self, sample: Sample, predictions: Mapping[str, npt.NDArray[Any]]) -> ComparedPictures:
        """Objects, if countable classes are predicted too; else vectors."""
        if not self._finds_objects(predictions):
            return super().compare(sample, predictions)
        countable = countable_groups(self.vocabulary)
        grouped = group(predictions[self.name], predictions[SemanticLabel.name], countable)
        truth = sample.labels.get(self.label)
        return ComparedPictures(
            prediction=objects(sample.image, grouped.instance),
            truth=None if truth is None else objects(sample.image, truth),
        )

    def picture_note(self, tasks: Mapping[str, Any]) -> str:
        """What the colours of objects or vectors mean."""
        if self._finds_objects(tasks):
            return "An object’s colour only sets it apart from its neighbours."
        return "Vectors to an object’s centre: direction as hue, length as saturation."

    def _finds_objects(self, tasks: Collection[str]) -> bool:
        return SemanticLabel.name in tasks and bool(self.vocabulary.countable)

    def overlay(self, image: Picture, answer: npt.NDArray[np.int32], alpha: float) -> Picture:
        """Draw each object in its own colour with a white outline; ``answer`` contains ids."""
        drawn = overlay(image, instance_colors(answer), alpha, answer > 0)
        return np.where(outlines(answer)[..., None], np.uint8(255), drawn)

    def label_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """The ids of the objects; if they were found from vectors alone, the vectors as well."""
        facts = {
            "grouped_by": "vectors" if scene.grouped_by_votes else "classes and vectors",
            "grouping": scene.grouping,
            "instances": [self._described(one) for one in scene.instances or ()],
        }
        ids = scene.outputs[self.name].astype(np.uint16)
        yield LabelPicture(ending=self.name, key=self.name, pixels=ids, facts=facts)
        offsets = scene.outputs.get("instance_offsets")
        if offsets is not None and scene.grouped_by_votes:
            longest = max(1.0, float(np.quantile(np.hypot(*offsets), 0.98)))
            yield LabelPicture(
                ending="offsets",
                key="instance_offsets",
                pixels=offset_colors(offsets, np.ones(offsets.shape[1:], bool), longest),
                facts={
                    "value": "the vector to the object's centroid: direction as hue, length as saturation",
                    "longest_px": longest,
                },
            )

    def _described(self, instance: Instance) -> dict[str, Any]:
        return {
            "id": instance.id,
            "class": None if instance.semantic is None else self.vocabulary.classes[instance.semantic].name,
            "score": round(instance.score, 4),
            "box": list(instance.box),
            "pixels": instance.pixels,
        }


def objects(image: Picture, instance: npt.NDArray[np.int32]) -> Picture:
    """Each object in a colour of its own, over the darkened image."""
    dark = (image * 0.35).astype(np.uint8)
    return overlay(dark, instance_colors(instance), 0.75, instance > 0)


def centroid_offsets(instance: npt.NDArray[np.int32], known: Points) -> npt.NDArray[np.float32]:
    """Return (dx, dy) = centroid − pixel, ``float32 (2, H, W)`` px; NaN = no instance.

    Offsets are computed after augmentation, which acts on ids and on ``known`` centroids and never on offsets.
    """
    ids, centroids = instance_centroids(instance, known)
    width, flat = instance.shape[1], instance.reshape(-1)
    pixels = np.flatnonzero(flat != 0)  # Few pixels belong to objects, and counting truth values is fast.
    centre = centroids.astype(np.float32)[np.searchsorted(ids, flat[pixels])]
    offsets = np.full((2, flat.size), np.nan, np.float32)
    offsets[0, pixels] = centre[:, 0] - (pixels % width).astype(np.float32)
    offsets[1, pixels] = centre[:, 1] - (pixels // width).astype(np.float32)
    return offsets.reshape(2, *instance.shape)
