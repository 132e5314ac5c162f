"""Pictures of predictions beside the truth: typical images, the best and the worst, or all of a few."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.scenes.data.sample import Sample, SceneDataset
from equipoise.scenes.evaluation.evaluator import Predictor, located
from equipoise.scenes.grouping import group, together
from equipoise.scenes.io.atomic import naming
from equipoise.scenes.tasks import Picture, Task
from equipoise.scenes.visual.colors import disparity_top, instance_colors, overlay

Kind = Literal["all", "typical", "best", "worst"]


def write_examples(
    folder: Path,
    predict: Predictor,
    tasks: Mapping[str, Task],
    dataset: SceneDataset,
    per_image: Sequence[dict[str, Any]],
    input_size: tuple[int, int],
    *,
    data: str = "",
    typical: int = 4,
    extremes: int = 2,
) -> list[dict[str, Any]]:
    """Write pictures of some images and return what lies there; ``data`` names one of several data sets.

    A task that the data set does not label is shown as predicted, without a truth.
    """
    folder.mkdir(exist_ok=True)
    chosen = choose(per_image, tasks, typical=typical, extremes=extremes)
    examples = []
    pairs = located(predict, dataset, [index for index, _ in chosen], input_size)
    for number, ((_, kind), (sample, locations)) in enumerate(zip(chosen, pairs, strict=True)):
        files, scales = {}, depth_scales(tasks, sample, locations)
        for name, picture in pictures(tasks, sample, locations).items():
            files[name] = f"{data + '_' if data else ''}{number:02d}_{kind}_{name}.png"
            with naming(folder / files[name]):
                Image.fromarray(picture).save(folder / files[name])
        examples.append({"data": data, "name": sample.name, "kind": kind, "files": files, "scales": scales})
    return examples


def choose(
    per_image: Sequence[dict[str, Any]], tasks: Mapping[str, Task], *, typical: int, extremes: int
) -> list[tuple[int, Kind]]:
    """Typical: evenly spaced over the set, whatever came out. Best and worst: by the mean rank over the tasks.

    Of a set of no more than ``typical`` images all are chosen, each once. No image is both among the best and among
    the worst. A rank is a share, 0 the best, among the images that have a figure of the task; images without any are in
    neither.
    """
    if len(per_image) <= typical:
        return [(i, "all") for i in range(len(per_image))]
    ranks = np.full((len(tasks), len(per_image)), np.nan)
    for own, (name, task) in zip(ranks, tasks.items(), strict=True):
        scored = np.array([i for i, row in enumerate(per_image) if row.get(name) is not None], dtype=int)
        scores = np.array([per_image[i][name] for i in scored], dtype=float)
        order = np.argsort(-scores if task.primary.better == "higher" else scores, kind="stable")
        own[scored[order]] = np.linspace(0, 1, len(scored))
    known = ~np.isnan(ranks)
    mean = np.where(known, ranks, 0).sum(0) / known.sum(0).clip(1)
    by_rank = [int(i) for i in np.argsort(mean, kind="stable") if known[:, i].any()]
    spaced = np.unique(np.linspace(0, len(per_image) - 1, typical).round().astype(int))
    extremes = min(extremes, len(by_rank) // 2)
    chosen: list[tuple[int, Kind]] = [(int(i), "typical") for i in spaced]
    chosen += [(i, "best") for i in by_rank[:extremes]]
    return chosen + [(i, "worst") for i in by_rank[::-1][:extremes]]


def pictures(tasks: Mapping[str, Task], sample: Sample, locations: Mapping[str, Any]) -> dict[str, Picture]:
    """The image, and for each task the prediction (``TASK``) and, where there is one, the truth (``TASK_truth``)."""
    shown: dict[str, Picture] = {"image": sample.image}
    predictions = {name: task.prediction(locations[name], sample.size) for name, task in tasks.items()}
    for name, task in tasks.items():
        truth = task.target(sample)
        shown[name] = task.colors(predictions[name], truth)
        if task.label in sample.labels:
            shown[f"{name}_truth"] = task.colors(truth, truth)
    countable = together(tasks["semantic"].vocabulary) if "semantic" in tasks else ()
    if countable and "instance" in tasks:
        grouped = group(predictions["instance"], predictions["semantic"], countable)
        shown["instance"] = objects(sample.image, grouped.instance)
        if "instance" in sample.labels:
            shown["instance_truth"] = objects(sample.image, sample.labels["instance"])
    return shown


def depth_scales(tasks: Mapping[str, Task], sample: Sample, locations: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """``range`` and ``unit`` of the pictures of depth, by task; the prediction's and the truth's are one."""
    scales = {}
    for name, task in tasks.items():
        if task.label == "inverse_depth":
            top = disparity_top(task.prediction(locations[name], sample.size), task.target(sample))
            scales[name] = {"range": [0.0, top], "unit": task.primary.unit}
    return scales


def objects(image: Picture, instance: npt.NDArray[np.int32]) -> Picture:
    """Each object in a colour of its own, over the darkened image."""
    dark = (image * 0.35).astype(np.uint8)
    return overlay(dark, instance_colors(instance), 0.75, instance > 0)
