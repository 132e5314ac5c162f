"""Figures of several tasks' predictions together, such as AP, which needs classes and objects."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.errors import UsageError
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.grouping import DEFAULT, Grouping, checked_method, countable_groups, group, group_by_votes
from equipoise.scenes.labels.instance import InstanceLabel
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.overlaps import Overlaps, count_overlaps
from equipoise.scenes.tasks.upsampling import upsampled

TOGETHER = (SemanticLabel.name, InstanceLabel.name)
"""The labels that all figures of this file need, which are also the names of the tasks that predict them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelledScene:
    """All predictions for one labelled image. Objects are found when they are first asked for, and once.

    Attributes:
        vocabulary: the classes of the predictions and of the labels.
        locations: each task's location ``(C, h, w)`` at the network's input size.
        predictions: each task's prediction at the size of the labels.
        sample: the image and its labels.
        method: how objects are found, one of ``grouping.METHODS``.
    """

    vocabulary: SceneVocabulary
    locations: Mapping[str, Tensor]
    predictions: Mapping[str, npt.NDArray[Any]]
    sample: Sample
    method: str = DEFAULT

    @cached_property
    def grouping(self) -> Grouping | None:
        """The predicted objects; ``None`` if the model predicts none."""
        return find_objects(self.vocabulary, self.locations, self.predictions, self.method)

    @property
    def is_labelled(self) -> bool:
        """Whether the image has labels of classes and of objects."""
        return all(name in self.sample.labels for name in TOGETHER)

    @cached_property
    def overlaps(self) -> Overlaps:
        """The pixels that true and predicted segments share."""
        classes, ids = (self.sample.labels[name] for name in TOGETHER)
        found, grouping = self.predictions[SemanticLabel.name], self.grouping
        return count_overlaps(
            (classes, found),
            (ids, np.zeros_like(found) if grouping is None else grouping.instance),
            () if grouping is None else grouping.instances,
            classes=len(self.vocabulary.classes),
            countable=self.vocabulary.countable,
        )


class SceneMetrics(Protocol):
    """Accumulates figures of scenes; see ``Metrics``, which does so for the predictions of one task."""

    def update(self, scene: LabelledScene) -> None:
        """Add one image; one without the labels that the figures need does not count."""
        ...

    def merge(self, other: Self) -> None:
        """Add all images of another accumulator."""
        ...

    def compute(self) -> dict[str, Any]:
        """Return the figures over all images; a dict holds a figure of each class or category by name."""
        ...


def find_objects(
    vocabulary: SceneVocabulary,
    locations: Mapping[str, Tensor],
    predictions: Mapping[str, npt.NDArray[Any]],
    method: str = DEFAULT,
) -> Grouping | None:
    """The objects in a prediction; ``None`` if the vectors to their centroids are not predicted.

    They are pixels of countable classes, grouped by their vectors by ``method``; by vectors alone, whatever the method,
    where no class is countable.
    """
    if InstanceLabel.name not in predictions:
        return None
    offsets, semantic = predictions[InstanceLabel.name], predictions.get(SemanticLabel.name)
    if semantic is None or not vocabulary.countable:
        return group_by_votes(offsets, semantic)
    probability = class_probability(locations[SemanticLabel.name], semantic, vocabulary.countable)
    return group(offsets, semantic, countable_groups(vocabulary), confidence_HW=probability, method=method)


def class_probability(
    logits_CHW: Tensor, semantic_HW: npt.NDArray[np.uint8], chosen: Sequence[int]
) -> npt.NDArray[np.float32]:
    """The largest probability of each pixel whose class is among ``chosen``, float32 (H, W); others may hold 0."""
    size = (semantic_HW.shape[0], semantic_HW.shape[1])
    if tuple(logits_CHW.shape[1:]) != size:
        interpolated: npt.NDArray[np.float32] = upsampled(logits_CHW.softmax(0).amax(0, keepdim=True), size)[0].numpy()
        return interpolated
    table = np.zeros(256, bool)
    table[list(chosen)] = True
    pixels = np.flatnonzero(table[semantic_HW])
    result = np.zeros(size, np.float32)
    few = logits_CHW.reshape(len(logits_CHW), -1)[:, torch.from_numpy(pixels)]
    result.reshape(-1)[pixels] = few.softmax(0).amax(0).numpy()
    return result


def finds_objects(tasks: Collection[str], vocabulary: SceneVocabulary) -> bool:
    """Whether vectors and countable classes are predicted, from which ``group`` finds objects."""
    return set(TOGETHER) <= set(tasks) and bool(vocabulary.countable)


def expect_grouping(method: str, tasks: Collection[str], vocabulary: SceneVocabulary) -> None:
    """Check that objects can be found by a method.

    Raises:
        UsageError: there is no such method, it needs a library that is not installed, or it is not the default and the
            tasks do not predict vectors and countable classes.
    """
    checked_method(method)
    if method != DEFAULT and not finds_objects(tasks, vocabulary):
        raise UsageError(
            f"grouping {method}: expected a model of {' and '.join(TOGETHER)} with countable classes, found one of "
            f"{', '.join(tasks)}" + ("" if vocabulary.countable else " without countable classes")
        )
