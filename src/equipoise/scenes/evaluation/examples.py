"""Pictures of predictions beside the truth: evenly chosen images, the best and the worst, or all of a few."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.evaluation.evaluator import located
from equipoise.scenes.evaluation.figures import ImageFigures
from equipoise.scenes.inference.predictor import Predictor
from equipoise.scenes.io.atomic import errors_naming
from equipoise.scenes.tasks import Picture, Task
from equipoise.scenes.tasks.pictures import Scale

Kind = Literal["all", "typical", "best", "worst"]


@dataclass(frozen=True, kw_only=True)
class TaskPictures:
    """The picture files of one task for one image; ``truth`` is empty if the image has no label for the task."""

    prediction: str = ""
    truth: str = ""
    scale: Scale | None = None


@dataclass(frozen=True, kw_only=True)
class Example:
    """One image whose predictions are shown, as ``examples.json`` lists it.

    Attributes:
        data: the data set, if the run has several.
        name: the image's name.
        kind: why it was chosen.
        image: the file of the image itself.
        tasks: the pictures of each task.
    """

    data: str = ""
    name: str
    kind: Kind
    image: str = ""
    tasks: dict[str, TaskPictures] = field(default_factory=dict)

    @property
    def files(self) -> tuple[str, ...]:
        """The names of all its files."""
        pictures = (file for task in self.tasks.values() for file in (task.prediction, task.truth))
        return tuple(filter(None, (self.image, *pictures)))


def write_examples(
    folder: Path,
    predict: Predictor,
    tasks: Mapping[str, Task],
    dataset: SceneDataset,
    per_image: Sequence[ImageFigures],
    input_size: tuple[int, int],
    *,
    data: str = "",
    typical: int = 4,
    extremes: int = 2,
) -> list[Example]:
    """Write pictures of some images into ``folder`` and list them; ``data`` names one of several data sets.

    A task that the data set does not label is shown as predicted, without a truth.
    """
    folder.mkdir(exist_ok=True)
    chosen = choose(per_image, tasks, typical=typical, extremes=extremes)
    pairs = located(predict, dataset, [index for index, _ in chosen], input_size)
    examples = []
    for number, ((_, kind), (sample, locations)) in enumerate(zip(chosen, pairs, strict=True)):
        start = f"{data + '_' if data else ''}{number:02d}_{kind}"
        predictions = {name: task.prediction(locations[name], sample.size) for name, task in tasks.items()}
        shown = {}
        for name, task in tasks.items():
            compared = task.compare(sample, predictions)
            shown[name] = TaskPictures(
                prediction=_save(folder, f"{start}_{name}.png", compared.prediction),
                truth="" if compared.truth is None else _save(folder, f"{start}_{name}_truth.png", compared.truth),
                scale=compared.scale,
            )
        image = _save(folder, f"{start}_image.png", sample.image)
        examples.append(Example(data=data, name=sample.name, kind=kind, image=image, tasks=shown))
    return examples


def _save(folder: Path, name: str, picture: Picture) -> str:
    with errors_naming(folder / name):
        Image.fromarray(picture).save(folder / name)
    return name


def choose(
    per_image: Sequence[ImageFigures], tasks: Mapping[str, Task], *, typical: int, extremes: int
) -> list[tuple[int, Kind]]:
    """Choose typical images, evenly spaced over the set, and the best and worst by their mean rank over the tasks.

    If the set has no more than ``typical`` images, all are chosen, each once. No image is both among the best and among
    the worst. A rank is a fraction, 0 for the best, among the images that have a figure for the task. Images without
    any figure are neither best nor worst.
    """
    if len(per_image) <= typical:
        return [(i, "all") for i in range(len(per_image))]
    ranks = np.full((len(tasks), len(per_image)), np.nan)
    for own, (name, task) in zip(ranks, tasks.items(), strict=True):
        scored = np.array([i for i, row in enumerate(per_image) if row.values.get(name) is not None], dtype=int)
        scores = np.array([per_image[i].values[name] for i in scored], dtype=float)
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
