"""The task semantic: the class of every pixel, with softmax cross entropy over labelled pixels."""

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.likelihoods import Categorical, Likelihood
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary
from equipoise.scenes.metrics.confusion import ConfusionMatrix
from equipoise.scenes.metrics.precision import mean_of_known
from equipoise.scenes.tasks.class_balance import ClassCounts, balanced_weights
from equipoise.scenes.tasks.pictures import LabelPicture, PredictedScene
from equipoise.scenes.tasks.regression import noise_options
from equipoise.scenes.tasks.scene_metrics import InstanceIoUFigures, categories
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, Task, upsampled
from equipoise.scenes.tasks.together import SceneMetrics
from equipoise.scenes.visual.colors import class_colors

MOST_LOGITS = 1 << 25
"""The most logits that are interpolated at once: 128 MiB."""


class SemanticTask(Task):
    """The class index of every pixel, ``uint8 (H, W)``; ``IGNORE`` = no label."""

    name = label = SemanticLabel.name
    title = "semantic classes"
    meaning = "one logit for each class; the class is that of the largest"
    primary = Primary(metric="mean_iou", label="mean IoU", unit="%", better="higher")
    kinds = ("categorical", "categorical-exact")
    figure_names: ClassVar[Mapping[str, tuple[str, str]]] = {
        "mean_category_iou": ("mean IoU of categories", "%"),
        "mean_iiou": ("mean iIoU", "%"),
        "mean_category_iiou": ("mean iIoU of categories", "%"),
        "iou": ("IoU", "%"),
        "iiou": ("iIoU", "%"),
        "category_iou": ("IoU", "%"),
        "category_iiou": ("iIoU", "%"),
    }
    class_figures: ClassVar[Mapping[str, str]] = {"iou": "IoU"}
    shows_classes = True

    @property
    def channels(self) -> int:
        """One logit per class."""
        return len(self.vocabulary.classes)

    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """Create ``categorical`` (the paper's approximation) or ``categorical-exact`` (Softmax(f/σ²))."""
        return Categorical(
            exact=recipe.kind == "categorical-exact",
            ignore_index=IGNORE,
            class_weights=self._class_weights(recipe.class_weights),
            label_smoothing=recipe.label_smoothing,
            **noise_options(recipe),
        )

    def _class_weights(self, given: dict[str, float]) -> list[float] | None:
        names = [c.name for c in self.vocabulary.classes]
        unknown = [name for name in given if name not in names]
        if unknown:
            raise ValueError(f"class_weights: expected classes among {', '.join(names)}, found {unknown[0]!r}")
        return [given.get(name, 1.0) for name in names] if given else None

    def class_counts(self, target: npt.NDArray[Any], weight: float) -> ClassCounts:
        """Pixels and images of each class."""
        return ClassCounts.of(target, self.channels, weight)

    def balanced(self, recipe: LikelihoodRecipe, counts: ClassCounts) -> LikelihoodRecipe:
        """The balanced weights times those of the recipe."""
        own = self._class_weights(recipe.class_weights) or [1.0] * self.channels
        weights = [a * b for a, b in zip(balanced_weights(counts, recipe.class_balance), own, strict=True)]
        names = (c.name for c in self.vocabulary.classes)
        return dataclasses.replace(recipe, class_weights=dict(zip(names, weights, strict=True)))

    def target_of(self, array: npt.NDArray[np.uint8], sample: Sample) -> npt.NDArray[np.uint8]:
        """Return the class indices unchanged."""
        return array

    def blank(self, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Return ``IGNORE`` everywhere."""
        return np.full(size, IGNORE, np.uint8)

    def mismatch(self, vocabulary: SceneVocabulary) -> str:
        """Classes that the model never saw."""
        strange = {c.name for c in vocabulary.classes} - {c.name for c in self.vocabulary.classes}
        found = ", ".join(sorted(strange))
        return f"expected only classes that the model was trained on, found others: {found}" if strange else ""

    def within(self, location: Tensor, wider: SceneVocabulary) -> Tensor:
        """Select the logits of this vocabulary's classes by name, so that only these classes compete."""
        names = [c.name for c in wider.classes]
        channels = [names.index(c.name) for c in self.vocabulary.classes]
        return location if channels == list(range(len(names))) else location[:, channels]

    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Interpolate the logits to ``size``, a few classes at a time for large images, and take the largest."""
        at_once = max(1, MOST_LOGITS // (size[0] * size[1]))
        if at_once >= len(location):
            # On a CPU, max is four times as fast as argmax here. Both give the first of equal values.
            return upsampled(location, size).max(0).indices.to(torch.uint8).numpy()
        best = torch.full(size, -torch.inf)
        answer = torch.zeros(size, dtype=torch.uint8)
        for first in range(0, len(location), at_once):
            value, index = upsampled(location[first : first + at_once], size).max(0)
            better = value > best
            best[better], answer[better] = value[better], (index[better] + first).to(torch.uint8)
        return answer.numpy()

    def metrics(self) -> Metrics:
        """Create an accumulator of IoU and accuracy."""
        return SemanticMetrics(tuple(c.name for c in self.vocabulary.classes), categories(self.vocabulary))

    def scene_metrics(self, tasks: Collection[str]) -> SceneMetrics | None:
        """Create an accumulator of iIoU, if there are countable classes."""
        return InstanceIoUFigures(self.vocabulary) if self.vocabulary.countable else None

    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Draw each class in its own colour."""
        return class_colors(values, self.vocabulary.colors)

    def label_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """The class indices."""
        classes = self.vocabulary.classes
        facts = {
            "classes": {index: c.name for index, c in enumerate(classes)},
            "colors": {c.name: list(c.color) for c in classes},
        }
        yield LabelPicture(ending=self.name, key=self.name, pixels=scene.outputs[self.name], facts=facts)

    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the most frequent class everywhere."""
        counts = self._counts(targets).sum((1, 2), keepdims=True)
        return torch.from_numpy(counts).to(torch.float32).expand(-1, *targets.shape[1:]).clone()

    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the most frequent class at each position; the overall one where no image has a label."""
        counts = torch.from_numpy(self._counts(targets)).to(torch.float32)
        return counts + self.constant(targets) / (1 + float(counts.sum()))

    def _counts(self, targets: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """Count how often each class occurs at each position: ``(classes, H, W)``."""
        pixels = int(np.prod(targets.shape[1:]))
        flat = targets.reshape(len(targets), pixels)
        labelled = flat != IGNORE
        index = flat.astype(np.int64) * pixels + np.arange(pixels)
        counts = np.bincount(index[labelled], minlength=self.channels * pixels)
        return counts.reshape(self.channels, *targets.shape[1:])


class SemanticMetrics:
    """Accumulates mean IoU, pixel accuracy and the IoU of each class (NaN if it never occurs) over all images.

    Args:
        class_names: the names of the classes.
        categories: the indices of the classes of each category, by its name.
    """

    def __init__(self, class_names: tuple[str, ...], categories: Mapping[str, tuple[int, ...]] | None = None) -> None:
        self.class_names, self.categories = class_names, categories or {}
        self.confusion = ConfusionMatrix(len(class_names))

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image of class indices."""
        self.confusion.update(prediction, target)

    def merge(self, other: "SemanticMetrics") -> None:
        """Add the counts of another accumulator."""
        self.confusion.merge(other.confusion)

    def compute(self) -> dict[str, Any]:
        """Return ``mean_iou`` and ``pixel_accuracy`` in 0 … 1, ``iou`` by class; and by category, if any."""
        iou = self.confusion.iou()
        figures: dict[str, Any] = {
            "mean_iou": self.confusion.mean_iou(),
            "pixel_accuracy": self.confusion.pixel_accuracy(),
            "iou": {name: float(value) for name, value in zip(self.class_names, iou, strict=True)},
        }
        if self.categories:
            merged = self.confusion.merged_iou(self.categories.values())
            figures["mean_category_iou"] = mean_of_known(merged)
            figures["category_iou"] = dict(zip(self.categories, merged, strict=True))
        return figures
