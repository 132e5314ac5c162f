"""One data set as a model sees it: the tasks that both know, in the data set's own classes."""

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
    """The model's tasks in the classes of a data set; raises ``RunError`` where it has some the model never saw."""
    vocabulary, known = dataset.vocabulary, model.description.vocabulary
    strange = {c.name for c in vocabulary.classes} - {c.name for c in known.classes}
    units = {vocabulary.inverse_depth_unit, known.inverse_depth_unit} - {None}
    if "semantic" in model.tasks and strange:
        raise RunError(
            f"expected only classes that the model was trained on, found others: {', '.join(sorted(strange))}"
        )
    if "depth" in model.tasks and len(units) > 1:
        raise RunError(
            f"expected depth in {known.inverse_depth_unit}, as the model was trained on, found depth in "
            f"{vocabulary.inverse_depth_unit}"
        )
    return make_tasks(model.description.tasks, within(vocabulary, known))


def within(vocabulary: SceneVocabulary, wider: SceneVocabulary) -> SceneVocabulary:
    """The classes of one vocabulary, if it has any, as a wider one knows them, and the rest of the wider one."""
    if not vocabulary.classes:
        return wider
    known = {c.name: c for c in wider.classes}
    classes = tuple(known.get(c.name, c) for c in vocabulary.classes)
    return dataclasses.replace(wider, classes=classes, sky=vocabulary.sky)


def narrowed(predict: Predictor, tasks: Mapping[str, Task], model: DescribedModel) -> Predictor:
    """A predictor of some tasks in the classes of a data set."""

    def predicted(images: Tensor) -> dict[str, Tensor]:
        locations = predict(images)
        return {name: task.within(locations[name], model.description.vocabulary) for name, task in tasks.items()}

    return predicted


def expect_cameras(
    data: RecipeData, name: str, split: str, of: str, model: DescribedModel, on_notice: Callable[[str], None]
) -> None:
    """Say where a camera cannot be used, or none gives metres; raises ``DataError`` where one fits no single size."""
    if model.description.vocabulary.inverse_depth_unit != "px":
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
        on_notice(f"{of}: {images} a camera with a baseline, so no errors in metres there: see docs/own-data.md")
