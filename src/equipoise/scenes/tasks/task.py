"""The base class of tasks: a task owns its output, target, likelihood, metrics and pictures."""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor

from equipoise.likelihoods import Likelihood
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary
from equipoise.scenes.tasks.class_balance import ClassCounts
from equipoise.scenes.tasks.pictures import ComparedPictures, LabelPicture, PredictedScene, Scale
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.together import SceneMetrics
from equipoise.scenes.tasks.upsampling import upsampled as upsampled
from equipoise.scenes.visual.colors import Picture as Picture
from equipoise.scenes.visual.colors import overlay


@dataclass(frozen=True, kw_only=True)
class Primary:
    """The metric that represents a task in tables.

    Attributes:
        metric: its key in ``Metrics.compute()``.
        label: its name in tables.
        unit: its unit; ``%`` for metrics in 0 … 1.
        better: which values are better. Metrics for which higher is better are in 0 … 1.
    """

    metric: str
    label: str
    unit: str
    better: Literal["higher", "lower"]

    def improvement(self, value: float, reference: float) -> float:
        """Return how much better ``value`` is than ``reference`` in the metric's unit; negative if it is worse."""
        return value - reference if self.better == "higher" else reference - value


class Metrics(Protocol):
    """Accumulates metrics over images. Every pixel of every image counts once; it is never a mean of means."""

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image."""
        ...

    def merge(self, other: Self) -> None:
        """Add all images of another accumulator."""
        ...

    def compute(self) -> dict[str, Any]:
        """Return the metrics over all images; NaN if nothing was labelled."""
        ...


class Task(ABC):
    """One task of the scene network. To add one, subclass this or ``RegressionTask``, and add a line to ``TASKS``.

    In the methods, a *location* is the centre of the distribution that the likelihood predicts: logits for classes,
    values in the target's unit for regressions; ``float32 (C, h, w)`` at the network's input size. A *target* is either
    integers ``(H, W)`` with ``IGNORE`` = no label, or ``float32 (C, H, W)`` with NaN = no label.

    Args:
        vocabulary: what the labels of the data mean.

    Example:
        A task that regresses the logarithm of inverse depth:

        >>> from equipoise.scenes.labels.inverse_depth import InverseDepthLabel
        >>> from equipoise.scenes.metrics.depth import InverseDepthErrors
        >>> from equipoise.scenes.tasks.regression import RegressionTask
        >>> class LogDepthTask(RegressionTask):
        ...     name, title, label, channels = "log_depth", "log depth", InverseDepthLabel.name, 1
        ...     meaning = "the natural logarithm of inverse depth"
        ...     primary = Primary(metric="mae", label="log depth error", unit="", better="lower")
        ...     def target_of(self, array, sample):
        ...         return np.log(np.where(array > 0, array, np.float32(np.nan)))[None]
        ...     def prediction(self, location, size):
        ...         return upsampled(location, size).numpy()
        ...     def metrics(self):
        ...         return InverseDepthErrors()
        ...     def colors(self, values, truth):
        ...         grey = np.clip(np.nan_to_num(values[0]) * 32 + 128, 0, 255)
        ...         return np.repeat(grey[..., None], 3, 2).astype(np.uint8)
        >>> sample = Sample(
        ...     name="a",
        ...     image=np.zeros((1, 2, 3), np.uint8),
        ...     labels={InverseDepthLabel.name: np.array([[1.0, 0.0]], np.float32)},
        ... )
        >>> LogDepthTask(SceneVocabulary()).target(sample).tolist()
        [[[0.0, nan]]]
    """

    name: str
    """The key in outputs, targets and recipes."""
    label: str
    """The name of the label that the target is made from."""
    primary: Primary
    """The metric that represents the task in tables."""
    title: str
    """What the task predicts, in words."""
    meaning: str
    """What a location means, with its unit, for users of an exported model."""
    uses_camera: bool = False
    """Whether the metrics of an image depend on its camera."""
    kinds: tuple[str, ...]
    """The likelihoods that suit the task, as recipes name them; the first is the default."""
    figure_names: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Label and unit of figures that do not share the unit of the primary one, by the names ``metrics`` uses.

    Figures in % are shares in 0 … 1, which tables multiply by 100.
    """
    also_shown: ClassVar[tuple[str, ...]] = ()
    """Further figures that are shown beside the primary ones, by the names ``metrics`` or ``scene_metrics`` uses."""
    class_figures: ClassVar[Mapping[str, str]] = {}
    """Labels of the figures by class that the page shows, in %, by the names ``metrics`` uses."""
    shows_classes: ClassVar[bool] = False
    """Whether its pictures show each class in the colour of the vocabulary."""

    def __init__(self, vocabulary: SceneVocabulary) -> None:
        self.vocabulary = vocabulary

    @property
    @abstractmethod
    def channels(self) -> int:
        """The number of values that the network predicts per pixel."""

    @abstractmethod
    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """Create the likelihood, which is one of ``kinds``.

        Raises ``ValueError`` for settings that do not suit it; the message has one line.
        """

    def class_counts(self, target: npt.NDArray[Any], weight: float) -> ClassCounts | None:
        """Count how often each class occurs in a target with this weight; ``None`` if the task has no classes."""
        return None

    def balanced(self, recipe: LikelihoodRecipe, counts: ClassCounts) -> LikelihoodRecipe:
        """Return the recipe with class weights by ``class_balance``, given the class counts of the training labels."""
        return recipe

    def target(self, sample: Sample) -> npt.NDArray[Any]:
        """Return the target at the sample's size; without any label if the sample lacks this label."""
        array = sample.labels.get(self.label)
        return self.blank(sample.size) if array is None else self.target_of(array, sample)

    @abstractmethod
    def target_of(self, array: npt.NDArray[Any], sample: Sample) -> npt.NDArray[Any]:
        """Convert the sample's label ``array`` to a target."""

    @abstractmethod
    def blank(self, size: tuple[int, int]) -> npt.NDArray[Any]:
        """Return a target of ``size`` (height, width) without any label."""

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Return which values of one of the metrics are better; by default the same as for the primary one."""
        return self.primary.better

    def mismatch(self, vocabulary: SceneVocabulary) -> str:
        """Why a model with this task cannot be evaluated on data of ``vocabulary``; empty if it can."""
        return ""

    def within(self, location: Tensor, wider: SceneVocabulary) -> Tensor:
        """Reduce the location ``(B, C, h, w)`` of a model with a wider vocabulary to this task's vocabulary."""
        return location

    @abstractmethod
    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[Any]:
        """Convert a location ``(C, h, w)`` to a prediction in the form and unit of a target of ``size``."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """Create an empty accumulator of this task's metrics."""

    def image_metrics(self, size: tuple[int, int], camera: Camera | None) -> Metrics:
        """Create an empty accumulator for one image of ``size`` (height, width) taken by ``camera``."""
        return self.metrics()

    def scene_metrics(self, tasks: Collection[str]) -> SceneMetrics | None:
        """Create an accumulator of figures that need the predictions or labels of several tasks; ``None``: no such.

        Args:
            tasks: the names of all tasks that are predicted.
        """
        return None

    @abstractmethod
    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Draw a prediction or a target as ``uint8 (H, W, 3)``, with the range of values taken from ``truth``."""

    def scale(self, prediction: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Scale | None:
        """The range of values that ``colors`` covers, if the task predicts a quantity."""
        return None

    def compare(self, sample: Sample, predictions: Mapping[str, npt.NDArray[Any]]) -> ComparedPictures:
        """Draw a prediction and the sample's label in the same colours; ``predictions`` holds those of all tasks."""
        prediction, truth = predictions[self.name], self.target(sample)
        return ComparedPictures(
            prediction=self.colors(prediction, truth),
            truth=self.colors(truth, truth) if self.label in sample.labels else None,
            scale=self.scale(prediction, truth),
        )

    def picture_note(self, tasks: Mapping[str, Any]) -> str:
        """How to read the pictures of ``compare``, beyond their scale, if ``tasks`` are predicted; empty if obvious."""
        return ""

    def answer(self, prediction: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Convert a prediction to the array in ``Scene.outputs``."""
        return prediction

    def overlay(self, image: Picture, answer: npt.NDArray[Any], alpha: float) -> Picture:
        """Draw an answer over its image with opacity ``alpha``."""
        return overlay(image, self.colors(answer, answer), alpha)

    def label_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """The task's answer in a scene as pictures for programs; ``Scene.save`` writes them."""
        yield from ()

    def half_width(self, recipe: LikelihoodRecipe, sigma: Any, level: float, ratio: float) -> float | None:
        """Half the width of the central interval that holds a share ``level`` of the predicted distribution.

        Args:
            recipe: of the task's likelihood.
            sigma: its learned noise, in the target's unit at the network's input size.
            level: between 0 and 1.
            ratio: the width of the image divided by that of the network's input.

        Returns:
            It, in the unit of ``answer`` for the image; ``None`` if the task has no interval.
        """
        return None

    def interval_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        """The ends of the task's interval as pictures for programs."""
        yield from ()

    @abstractmethod
    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the best constant location, given training targets ``(N, …, H, W)``."""

    @abstractmethod
    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the best location that depends on the pixel's position but not on the image."""


def has_label(target: npt.NDArray[Any]) -> bool:
    """Whether any pixel of a target is labelled."""
    return bool((target != IGNORE).any() if target.dtype.kind in "iu" else (~np.isnan(target)).any())
