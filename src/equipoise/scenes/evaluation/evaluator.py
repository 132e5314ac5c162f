"""Evaluate any predictor, be it the network or a baseline, at the original size of the labels."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from equipoise.scenes.data.sample import Sample, SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.evaluation.figures import ImageFigures
from equipoise.scenes.grouping import DEFAULT
from equipoise.scenes.inference.predictor import BATCH_SIZE, Predictor, network_input
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import Metrics, Task
from equipoise.scenes.tasks.together import TOGETHER, LabelledScene, SceneMetrics

MOST_PIXELS = 1 << 21
"""Of the images that go through the network together: one of 1024×2048."""
BASELINE_PIXELS = 1 << 17
"""Of an image that baselines are made from, since medians need all of them in memory: 256×512."""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The figures of each task over all images, and the primary figures of each image (``None``: no label)."""

    tasks: dict[str, dict[str, Any]]
    per_image: list[ImageFigures]


def evaluate(
    predict: Predictor,
    dataset: SceneDataset,
    tasks: Mapping[str, Task],
    input_size: tuple[int, int],
    *,
    batch_size: int = BATCH_SIZE,
    together: bool = False,
    grouping: str = DEFAULT,
    on_scene: Callable[[LabelledScene], None] | None = None,
    on_image: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Evaluate a predictor on a data set. Every labelled pixel counts once; there is no mean over images.

    Args:
        predict: the network, or a baseline.
        dataset: images with labels.
        tasks: what is predicted, in the classes of the data set.
        input_size: height and width of the network's input.
        batch_size: images that go through the network together.
        together: add the figures that need several tasks, such as AP; objects are then grouped in each image.
        grouping: the method by which they are grouped.
        on_scene: gets the predictions for every image.
        on_image: called after each image.
    """
    totals = {name: task.metrics() for name, task in tasks.items()}
    joint = scene_metrics(tasks, dataset.vocabulary) if together else {}
    per_image: list[ImageFigures] = []
    vocabulary = next((task.vocabulary for task in tasks.values()), dataset.vocabulary)
    with_camera = any(task.uses_camera for task in tasks.values())
    for sample, locations in located(predict, dataset, range(len(dataset)), input_size, batch_size=batch_size):
        camera = dataset.camera(len(per_image)) if with_camera else None
        predictions = {name: task.prediction(locations[name], sample.size) for name, task in tasks.items()}
        scores: dict[str, float | None] = {}
        for name, task in tasks.items():
            image = task.image_metrics(sample.size, camera)
            image.update(predictions[name], task.target(sample))
            totals[name].merge(image)
            scores[name] = primary_value(task, image)
        scene = LabelledScene(
            vocabulary=vocabulary, locations=locations, predictions=predictions, sample=sample, method=grouping
        )
        for metrics in joint.values():
            metrics.update(scene)
        if on_scene is not None:
            on_scene(scene)
        per_image.append(ImageFigures(name=sample.name, values=scores))
        on_image()
    figures = {name: total.compute() for name, total in totals.items()}
    for name, metrics in joint.items():
        figures[name] |= metrics.compute()
    return Evaluation(tasks=figures, per_image=per_image)


def scene_metrics(tasks: Mapping[str, Task], labelled: SceneVocabulary) -> dict[str, SceneMetrics]:
    """Return empty accumulators of the figures that need several tasks, if the data set has labels for them."""
    if not set(TOGETHER) <= set(labelled.labels):
        return {}
    found = {name: task.scene_metrics(tasks) for name, task in tasks.items()}
    return {name: metrics for name, metrics in found.items() if metrics is not None}


def located(
    predict: Predictor,
    dataset: SceneDataset,
    indices: Sequence[int],
    input_size: tuple[int, int],
    *,
    batch_size: int = BATCH_SIZE,
) -> Iterator[tuple[Sample, dict[str, Tensor]]]:
    """Yield samples at their own size with their predicted locations; read the next batch in the meantime."""

    def read(index: int) -> tuple[Sample, Tensor]:
        sample = dataset[index]
        return sample, network_input([sample.image], input_size)

    batch_size = max(1, min(batch_size, MOST_PIXELS // (input_size[0] * input_size[1])))
    chunks = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
    with ThreadPoolExecutor(2) as pool:
        ahead = [pool.submit(read, i) for i in chunks[0]] if chunks else []
        for following in [*chunks[1:], []]:
            pairs = [future.result() for future in ahead]
            ahead = [pool.submit(read, i) for i in following]
            locations = predict(torch.cat([image for _, image in pairs]))
            for i, (sample, _) in enumerate(pairs):
                yield sample, {name: location[i] for name, location in locations.items()}


def primary_value(task: Task, metrics: Metrics) -> float | None:
    """Return the task's primary figure; ``None`` if nothing was labelled."""
    value = float(metrics.compute()[task.primary.metric])
    return None if np.isnan(value) else value


def constant_predictor(locations: Mapping[str, Tensor]) -> Predictor:
    """Return a predictor that ignores the image, as every baseline does."""
    return lambda images: {name: value.expand(len(images), *value.shape) for name, value in locations.items()}


def baseline_predictors(
    dataset: SceneDataset, tasks: Mapping[str, Task], *, at_most: int = 400
) -> dict[str, Predictor]:
    """Return the baselines ``constant`` and ``position``, which know the training set but ignore the image.

    Args:
        dataset: training samples of one size (a cached data set); larger ones than 256×512 are made smaller.
        tasks: what to predict.
        at_most: the number of samples to use, evenly spaced; medians need all of them in memory.
    """
    indices = np.unique(np.linspace(0, len(dataset) - 1, min(at_most, len(dataset))).astype(int))
    constants, positions = {}, {}
    for name, task in tasks.items():
        targets = np.stack([task.target(_small(dataset[int(i)], dataset.vocabulary)) for i in indices])
        constants[name], positions[name] = task.constant(targets), task.per_position(targets)
    return {"constant": constant_predictor(constants), "position": constant_predictor(positions)}


def _small(sample: Sample, vocabulary: SceneVocabulary) -> Sample:
    """The sample with at most ``BASELINE_PIXELS``."""
    height, width = sample.size
    factor = (BASELINE_PIXELS / (height * width)) ** 0.5
    return sample if factor >= 1 else resize(sample, (int(height * factor), int(width * factor)), vocabulary)
