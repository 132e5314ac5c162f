"""One data set as a model sees it: the tasks that both have, in the data set's own classes."""

import dataclasses
from collections.abc import Callable, Mapping

from torch import Tensor

from equipoise.errors import DataError, RunError
from equipoise.scenes.cameras.model_camera import known_cameras
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.inference.predictor import Predictor
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.model.described import DescribedModel
from equipoise.scenes.tasks import Task, make_tasks
from equipoise.scenes.wording import counted


def tasks_on(dataset: SceneDataset, model: DescribedModel) -> dict[str, Task]:
    """Return the model's tasks in the classes of a data set; raise ``RunError`` if they do not fit its labels."""
    for task in model.tasks.values():
        if fault := task.mismatch(dataset.vocabulary):
            raise RunError(fault)
    return make_tasks(model.description.tasks, within(dataset.vocabulary, model.description.vocabulary))


def within(vocabulary: SceneVocabulary, wider: SceneVocabulary) -> SceneVocabulary:
    """Return the wider vocabulary, reduced to the classes of the first one if that has any."""
    if not vocabulary.classes:
        return wider
    known = {c.name: c for c in wider.classes}
    classes = tuple(known.get(c.name, c) for c in vocabulary.classes)
    return dataclasses.replace(wider, classes=classes, sky=vocabulary.sky)


def narrowed(predict: Predictor, tasks: Mapping[str, Task], model: DescribedModel) -> Predictor:
    """Restrict a predictor to some tasks, in the classes of a data set."""

    def predicted(images: Tensor) -> dict[str, Tensor]:
        locations = predict(images)
        return {name: task.within(locations[name], model.description.vocabulary) for name, task in tasks.items()}

    return predicted


def expect_cameras(
    data: RecipeData,
    name: str,
    split: str,
    of: str,
    tasks: Mapping[str, Task],
    model: DescribedModel,
    on_notice: Callable[[str], None],
) -> None:
    """Report images without errors in metres, for lack of a usable camera, if some task needs one.

    Raises:
        DataError: a camera is given for several images that differ in size.
    """
    uses_camera = any(task.uses_camera for task in tasks.values())
    if not uses_camera or model.description.vocabulary.inverse_depth_unit != "px":
        return
    known = known_cameras(data.files(name, split))
    if known.fault:
        raise DataError(known.fault)
    for line in known.doubts:
        on_notice(line)
    blind = known.without + sum(camera.baseline_m is None for camera in known.cameras)
    if blind:
        some = f"{counted(blind, 'image')} {'lacks' if blind == 1 else 'lack'}"
        images = "no image has" if blind == known.without + len(known.cameras) else some
        on_notice(f"{of}: {images} a camera with a baseline, so there are no errors in metres: see docs/own-data.md")
