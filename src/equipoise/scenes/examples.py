"""Pictures of predictions beside the truth: typical images, the best and the worst."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.scenes.data.sample import Sample, SceneDataset
from equipoise.scenes.evaluation import Predictor, located
from equipoise.scenes.grouping import group
from equipoise.scenes.model import SceneModel, as_json
from equipoise.scenes.pictures import instance_colors, overlay
from equipoise.scenes.tasks import Picture
from equipoise.scenes.training.checkpoint import write_atomic

Kind = Literal["typical", "best", "worst"]


def write_examples(
    run: Path,
    predict: Predictor,
    model: SceneModel,
    dataset: SceneDataset,
    per_image: Sequence[dict[str, Any]],
    *,
    typical: int = 4,
    extremes: int = 2,
) -> None:
    """Write ``pictures/NAME_KIND.png`` and ``pictures/examples.json``, the list of what lies there."""
    folder = run / "pictures"
    folder.mkdir(exist_ok=True)
    chosen = choose(per_image, model, typical=typical, extremes=extremes)
    examples = []
    indices = [index for index, _ in chosen]
    pairs = located(predict, dataset, indices, model.description.input_size)
    for number, ((_, kind), (sample, locations)) in enumerate(zip(chosen, pairs, strict=True)):
        files = {}
        for name, picture in pictures(model, sample, locations).items():
            files[name] = f"{number:02d}_{kind}_{name}.png"
            Image.fromarray(picture).save(folder / files[name])
        examples.append({"name": sample.name, "kind": kind, "files": files})
    write_atomic(folder / "examples.json", as_json(examples))


def choose(
    per_image: Sequence[dict[str, Any]], model: SceneModel, *, typical: int, extremes: int
) -> list[tuple[int, Kind]]:
    """Typical: evenly spaced over the set, whatever came out. Best and worst: by the mean rank over the tasks."""
    ranks = np.zeros(len(per_image))
    for name, task in model.tasks.items():
        scores = np.array([np.nan if row[name] is None else row[name] for row in per_image], dtype=float)
        order = np.argsort(-scores if task.primary.better == "higher" else scores)
        ranks[order] += np.arange(len(order))
    by_rank = [int(i) for i in np.argsort(ranks)]
    spaced = np.unique(np.linspace(0, len(per_image) - 1, typical).round().astype(int))
    chosen: list[tuple[int, Kind]] = [(int(i), "typical") for i in spaced]
    chosen += [(i, "best") for i in by_rank[:extremes]]
    return chosen + [(i, "worst") for i in by_rank[::-1][:extremes]]


def pictures(model: SceneModel, sample: Sample, locations: dict[str, Any]) -> dict[str, Picture]:
    """The image, and for each task the prediction (``TASK``) and the truth (``TASK_truth``)."""
    shown: dict[str, Picture] = {"image": sample.image}
    predictions = {name: task.prediction(locations[name], sample.size) for name, task in model.tasks.items()}
    for name, task in model.tasks.items():
        truth = task.target(sample)
        shown[name] = task.colors(predictions[name], truth)
        shown[f"{name}_truth"] = task.colors(truth, truth)
    if {"semantic", "instance"} <= predictions.keys():
        countable = model.description.vocabulary.countable
        grouped = group(predictions["instance"], predictions["semantic"], countable)
        shown["instance"] = objects(sample.image, grouped.instance)
        if sample.instance is not None:
            shown["instance_truth"] = objects(sample.image, sample.instance)
    return shown


def objects(image: Picture, instance: npt.NDArray[np.int32]) -> Picture:
    """Each object in a colour of its own, over the darkened image."""
    dark = (image * 0.35).astype(np.uint8)
    return overlay(dark, instance_colors(instance), 0.75, instance > 0)
