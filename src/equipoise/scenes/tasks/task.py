"""What a task is: one object that owns its output, target, likelihood, metrics and picture."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, Protocol, Self

import numpy as np
import numpy.typing as npt
from torch import Tensor
from torch.nn import functional

from equipoise.likelihoods import Likelihood
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary
from equipoise.scenes.tasks.class_balance import ClassCounts
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.visual.colors import Picture as Picture
from equipoise.scenes.visual.colors import overlay


@dataclass(frozen=True, kw_only=True)
class Primary:
    """The one figure that stands for a task in tables: where it is found, how it is called, which way is better.

    One that is better the higher lies in 0 … 1.
    """

    metric: str
    label: str
    unit: str
    better: Literal["higher", "lower"]

    def improvement(self, value: float, reference: float) -> float:
        """How much better ``value`` is than ``reference``; positive is better, in the metric's own unit."""
        return value - reference if self.better == "higher" else reference - value


class Metrics(Protocol):
    """An accumulator over images: every pixel of every image counts once, never a mean of means."""

    def update(self, prediction: npt.NDArray[Any], target: npt.NDArray[Any]) -> None:
        """Add one image."""
        ...

    def merge(self, other: Self) -> None:
        """Add everything another accumulator has seen."""
        ...

    def compute(self) -> dict[str, Any]:
        """The figures over all that was added; NaN where nothing was."""
        ...


class Task(ABC):
    """One task of the scene network.

    ``location`` below is what the likelihood calls the centre of its distribution: logits for classes, values in the
    target's unit for regressions, ``(C, h, w)`` at the size of the network's input.
    """

    name: str
    """The key in outputs, targets and recipes."""
    label: str
    """The label of a ``Sample`` that its target is made from."""
    primary: Primary
    title: str
    """What it predicts, in words."""
    meaning: str
    """What its location is, with the unit, for those who read an exported model's outputs."""
    uses_camera: bool = False
    """Whether figures of an image depend on its camera."""
    kinds: tuple[str, ...]
    """The likelihoods that suit this task, by the names recipes use; the first is the default."""

    def __init__(self, vocabulary: SceneVocabulary) -> None:
        self.vocabulary = vocabulary

    @property
    @abstractmethod
    def channels(self) -> int:
        """How many numbers a pixel the network predicts."""

    @abstractmethod
    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """The observation model, of one of ``kinds``."""

    def class_counts(self, target: npt.NDArray[Any], weight: float) -> ClassCounts | None:
        """How often each class occurs in a target that counts ``weight`` times; ``None``: the task has no classes."""
        return None

    def balanced(self, recipe: LikelihoodRecipe, counts: ClassCounts) -> LikelihoodRecipe:
        """The recipe with the class weights that ``class_balance`` asks for, given the training labels' counts."""
        return recipe

    def target(self, sample: Sample) -> npt.NDArray[Any]:
        """The target on the sample's own pixels; nothing is labelled where the sample lacks the label.

        Integers ``(H, W)``, ``IGNORE`` = no label, for classes; ``float32 (C, H, W)``, NaN = no label, for regressions.
        """
        array = sample.labels.get(self.label)
        return self.blank(sample.size) if array is None else self.target_of(array, sample)

    @abstractmethod
    def target_of(self, array: npt.NDArray[Any], sample: Sample) -> npt.NDArray[Any]:
        """The target that a sample's label ``array`` gives."""

    @abstractmethod
    def blank(self, size: tuple[int, int]) -> npt.NDArray[Any]:
        """A target of ``size`` without any label."""

    def better(self, figure: str) -> Literal["higher", "lower"]:
        """Which way one of the figures of ``metrics`` is better; by default as the primary one is."""
        return self.primary.better

    def within(self, location: Tensor, wider: SceneVocabulary) -> Tensor:
        """What this task's vocabulary knows of the ``location`` ``(B, C, h, w)`` of a model with a wider one."""
        return location

    @abstractmethod
    def prediction(self, location: Tensor, size: tuple[int, int]) -> npt.NDArray[Any]:
        """The answer at ``size`` (height, width), in the form and unit of a target of that size."""

    @abstractmethod
    def metrics(self) -> Metrics:
        """An empty accumulator of this task's figures."""

    def image_metrics(self, size: tuple[int, int], camera: Camera | None) -> Metrics:
        """An empty accumulator for one image of ``size`` (height, width), taken by ``camera``."""
        return self.metrics()

    @abstractmethod
    def colors(self, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> Picture:
        """Show a prediction or a target; ``truth`` sets what pictures to be compared must share (a range)."""

    def answer(self, prediction: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """What ``Scene.outputs`` holds of a prediction."""
        return prediction

    def overlay(self, image: Picture, answer: npt.NDArray[Any], alpha: float) -> Picture:
        """An answer over its image, ``alpha`` of it."""
        return overlay(image, self.colors(answer, answer), alpha)

    def label_picture(self, answer: npt.NDArray[Any]) -> Picture | None:
        """The answer as a label picture that could be read again; ``None`` where colours cannot hold it."""
        return None

    @abstractmethod
    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """The best constant ``location``, from training targets stacked as ``(N, …, H, W)``."""

    @abstractmethod
    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """The best ``location`` that may depend on the pixel's place but not on the image."""


def has_label(target: npt.NDArray[Any]) -> bool:
    """Whether any pixel of a task's target is labelled."""
    return bool((target != IGNORE).any() if target.dtype.kind in "iu" else (~np.isnan(target)).any())


def upsampled(location: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear interpolation of ``(C, h, w)`` to ``(C, *size)``, pixel centres aligned as images are resized."""
    if tuple(location.shape[-2:]) == size:
        return location
    return functional.interpolate(location[None], size=size, mode="bilinear", align_corners=False)[0]
