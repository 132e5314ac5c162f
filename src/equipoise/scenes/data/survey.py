"""Survey the data of a recipe before a run: what it contains, what to notice, and its identity for resumed runs."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.cameras.model_camera import ModelCamera, camera_notices, known_cameras, middle_camera
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.description import read_description
from equipoise.scenes.data.joined import RenamedDataset, union
from equipoise.scenes.data.readable import ReadableDataset
from equipoise.scenes.data.sample import FileDataset, SceneDataset
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import TASKS, InstanceTask, SemanticTask, Task, has_label
from equipoise.scenes.wording import counted


@dataclass(frozen=True, kw_only=True)
class Survey:
    """A summary of a recipe's data, made before images are read.

    Attributes:
        vocabulary: what the labels of all data sets together mean.
        train_images: the number of training images.
        val_images: the number of validation images.
        skipped: a line for each image that is skipped because it cannot be read.
        notices: lines to show at the start of a run.
        camera: the camera that the model keeps.
        identity: hashes of each data set's training images, classes and description, which a resumed run must match.
    """

    vocabulary: SceneVocabulary
    train_images: int
    val_images: int
    skipped: tuple[str, ...]
    notices: tuple[str, ...]
    camera: ModelCamera
    identity: dict[str, str]


def survey(data: RecipeData) -> Survey:
    """Open every split. Raises ``RecipeError`` if two splits of a data set differ or data sets do not fit together."""
    recipe = data.recipe
    opened = {name: _both_splits(data, name) for name in recipe.sets}
    for name, (train, _) in opened.items():
        if not any(TASKS[task].label in train.vocabulary.labels for task in recipe.tasks if task in TASKS):
            raise RecipeError(f"{name}: expected labels for one of {', '.join(recipe.tasks)}, found none: leave it out")
    vocabularies = {name: train.vocabulary for name, (train, _) in opened.items()}
    faults = {
        f"{name}, {split}": faults_of(dataset)
        for name, given in recipe.sets.items()
        for split, dataset in zip((given.train, given.validation), opened[name], strict=True)
    }
    vocabulary = union(vocabularies) if recipe.also else vocabularies["data"]
    camera, camera_lines = model_camera(data, vocabularies)
    return Survey(
        vocabulary=vocabulary,
        train_images=sum(len(train) for train, _ in opened.values()),
        val_images=sum(len(validation) for _, validation in opened.values()),
        skipped=tuple(fault for some in faults.values() for fault in some),
        notices=(
            *_skipped_notices(faults),
            *_left_out(data),
            *_class_notices(vocabularies),
            *_grouping_notice(recipe, vocabulary),
            *camera_lines,
        ),
        camera=camera,
        identity=({"order of the data sets": ", ".join(recipe.sets)} if recipe.also else {})
        | {key: hashed for name, (train, _) in opened.items() for key, hashed in _identity(name, data, train).items()},
    )


def model_camera(data: RecipeData, vocabularies: Mapping[str, SceneVocabulary]) -> tuple[ModelCamera, tuple[str, ...]]:
    """Return the camera of the images that depth is learned from, and notices about it.

    Raises ``DataError`` if one camera is described for images of different sizes.
    """
    units = {name: v.inverse_depth_unit for name, v in vocabularies.items() if v.inverse_depth_unit is not None}
    if not any(TASKS[task].uses_camera for task in data.recipe.tasks if task in TASKS):
        return ModelCamera(), ()
    known = [known_cameras(data.files(name, data.recipe.sets[name].train)) for name in units]
    for one in known:
        if one.fault:
            raise DataError(one.fault)
    chosen = middle_camera(camera for one in known for camera in one.cameras)
    message = camera_notices(known, chosen) if "px" in units.values() else ()
    return chosen, (*(line for one in known for line in one.doubts), *message)


def _identity(name: str, data: RecipeData, train: SceneDataset) -> dict[str, str]:
    given = data.recipe.sets[name]
    sizes = _file_sizes(data.files(name, given.train))
    known = {"images": train.names, "classes": train.vocabulary, "sizes of files": sizes}
    described = {"description": read_description(Path(given.path))} if given.kind == "folder" else {}
    hashed = {key: hashlib.sha256(repr(value).encode()) for key, value in {**known, **described}.items()}
    return {f"{name}: {key}": digest.hexdigest() for key, digest in hashed.items()}


def _file_sizes(files: FileDataset) -> list[tuple[str, int]]:
    """Return the size of every training file, which reveals most changes even if the data were moved."""
    sizes = []
    for index in range(len(files)):
        try:
            sizes += [(kind, path.stat().st_size) for kind, path in files.files(index).items()]
        except (OSError, DataError):
            sizes.append(("unreadable", 0))
    return sizes


def expect_labels(dataset: SceneDataset, tasks: Mapping[str, Task]) -> None:
    """Raise ``DataError`` if no training image has a label for one of the tasks."""
    missing = dict(tasks)
    for index in np.random.default_rng(0).permutation(len(dataset)):
        sample = dataset[int(index)]
        missing = {name: task for name, task in missing.items() if not has_label(task.target(sample))}
        if not missing:
            return
    name = next(iter(missing))
    raise DataError(
        f"expected a label for the task {name!r} in some training image, found none in "
        f"{counted(len(dataset), 'image')}: run equipoise check, or leave the task out"
    )


def _both_splits(data: RecipeData, name: str) -> tuple[SceneDataset, SceneDataset]:
    given = data.recipe.sets[name]
    train, validation = (data.samples(name, split) for split in (given.train, given.validation))
    if train.vocabulary != validation.vocabulary:
        raise RecipeError(f"{given.path}: expected the same labels in both splits, found different ones")
    return train, validation


def faults_of(dataset: SceneDataset) -> tuple[str, ...]:
    """Return a line for each image that was skipped."""
    return dataset.faults if isinstance(dataset, ReadableDataset | RenamedDataset) else ()


def _skipped_notices(faults: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for where, some in faults.items():
        if some:
            why = f"{'it' if len(some) == 1 else 'they'} cannot be read: {some[0]}"
            yield f"{where}: {counted(len(some), 'image')} skipped, as {why}"


def _left_out(data: RecipeData) -> Iterator[str]:
    """Yield a line for each kind of file that is not read; splits that share a folder report it once."""
    lines = [
        line
        for name, given in data.recipe.sets.items()
        for split in (given.train, given.validation)
        for line in data.files(name, split).left_out().lines()
    ]
    yield from dict.fromkeys(lines)


def _class_notices(vocabularies: dict[str, SceneVocabulary]) -> Iterator[str]:
    """Yield the classes that each further data set shares with the previous ones, which reveals misspelled names."""
    known: set[str] = set()
    for name, vocabulary in vocabularies.items():
        own = [c.name for c in vocabulary.classes]
        new = [c for c in own if c not in known]
        if known:
            message = f"; new: {', '.join(new)}" if new else ""
            shared = counted(len(own) - len(new), "class", "classes")
            yield f"{name}: {shared} shared with the data before it{message}"
        known |= set(own)


def _grouping_notice(recipe: Recipe, vocabulary: SceneVocabulary) -> Iterator[str]:
    """Yield a notice if instances must be grouped without countable classes."""
    classes = SemanticTask.name in recipe.tasks
    if InstanceTask.name in recipe.tasks and not (classes and vocabulary.countable):
        lacking = "countable classes" if classes else f"the task {SemanticTask.name}"
        yield (
            f"without {lacking}, objects will be found from vectors alone: many will be missed, and some wrong. "
            "Classes with countable = true avoid this, even if they are only object and background"
        )
