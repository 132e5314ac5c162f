"""The data of a recipe: one data set, or several as one."""

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.cameras.model_camera import ModelCamera, camera_notices, known_cameras, middle_camera
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.description import read_description
from equipoise.scenes.data.joined import JoinedDataset, RenamedDataset, union
from equipoise.scenes.data.open import open_dataset
from equipoise.scenes.data.readable import ReadableDataset, Reading, read_through
from equipoise.scenes.data.sample import FileDataset, SceneDataset
from equipoise.scenes.data.settings import DataRecipe, SetRecipe
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import TASKS, Task, has_label
from equipoise.scenes.wording import counted


class Progress(Protocol):
    """How long work is shown: ``counting`` something up to a total."""

    def __call__(self, title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """A context whose value is called after each unit of work."""
        ...


class RecipeData:
    """The data sets of a recipe. Each split is opened once, however often it is asked for.

    Args:
        recipe: names the data sets, their splits and how their classes are called.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._files: dict[tuple[str, str], FileDataset] = {}
        self._readable: dict[tuple[str, str], SceneDataset] = {}

    def files(self, name: str, split: str) -> FileDataset:
        """One split as it lies on the disk. Missing label files raise now, unless the recipe skips broken images."""
        if (name, split) not in self._files:
            data = self.recipe.sets[name]
            self._files[name, split] = open_files(data, split, strict=not data.skip_broken)
        return self._files[name, split]

    def samples(self, name: str, split: str) -> SceneDataset:
        """One split at the size of its images, with the recipe's class names, without images that it skips."""
        return _renamed(self._readable_files(name, split), self.recipe, name)

    def resized(self, name: str, split: str, counting: Progress) -> SceneDataset:
        """The same at the network's size, in memory-mapped files if the recipe asks for a cache."""
        recipe, data, readable = self.recipe, self.recipe.sets[name], self._readable_files(name, split)
        if not recipe.data.cache:
            return _renamed(readable, recipe, name)
        # The cache does not depend on class names: runs that rename classes share it.
        identity = json.dumps([data.kind, data.path, data.root, split, recipe.data.size, data.sky_is_zero])
        folder = cache_root(recipe.data) / hashlib.sha256(identity.encode()).hexdigest()[:16]
        title = f"caching {split} images" + (f" of {name}" if recipe.also else "")
        with counting(title, len(readable)) as advance:
            cached = CachedDataset(readable, recipe.data.size, folder, progress=advance)
        return _renamed(cached, recipe, name)

    def training(self, counting: Progress) -> SceneDataset:
        """All training splits as one data set, at the network's size."""
        given = self.recipe.sets
        sets = {name: self.resized(name, data.train, counting) for name, data in given.items()}
        if not self.recipe.also and self.recipe.data.repeat == 1:
            return sets["data"]
        return JoinedDataset(sets, [data.repeat for data in given.values()], [data.weight for data in given.values()])

    def _readable_files(self, name: str, split: str) -> SceneDataset:
        if (name, split) not in self._readable:
            files = self.files(name, split)
            skips = self.recipe.sets[name].skip_broken
            self._readable[name, split] = _without_broken(self.recipe.sets[name], split, files) if skips else files
        return self._readable[name, split]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What all of a recipe's data hold together, known before anything is read at length."""

    vocabulary: SceneVocabulary
    train_images: int
    val_images: int
    skipped: tuple[str, ...]
    notices: tuple[str, ...]
    camera: ModelCamera
    """What the model keeps of the cameras of the training images."""
    identity: dict[str, str]
    """What a resumed run must find again, hashed: each data set's training images, classes and description."""


def survey(data: RecipeData) -> Survey:
    """Open every split; raises ``RecipeError`` where two splits of a set differ, or sets do not go together."""
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
    """The camera of the images that depth is learned from, and what there is to say of it.

    Raises ``DataError`` where one camera is described for images of different sizes.
    """
    units = {name: v.inverse_depth_unit for name, v in vocabularies.items() if v.inverse_depth_unit is not None}
    if "depth" not in data.recipe.tasks:
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
    """The size of every training file, which shows most changes wherever the data lie now."""
    sizes = []
    for index in range(len(files)):
        try:
            sizes += [(kind, path.stat().st_size) for kind, path in files.files(index).items()]
        except (OSError, DataError):
            sizes.append(("unreadable", 0))
    return sizes


def expect_labels(dataset: SceneDataset, tasks: Mapping[str, Task]) -> None:
    """Raise ``DataError`` for a task that no image of the training data has a label for."""
    missing = dict(tasks)
    for index in np.random.default_rng(0).permutation(len(dataset)):
        sample = dataset[int(index)]
        missing = {name: task for name, task in missing.items() if not has_label(task.target(sample))}
        if not missing:
            return
    name = next(iter(missing))
    raise DataError(
        f"expected a label for the task {name!r} in some training image, found none in "
        f"{counted(len(dataset), 'image')}: see what equipoise check says, or leave the task out"
    )


def _both_splits(data: RecipeData, name: str) -> tuple[SceneDataset, SceneDataset]:
    given = data.recipe.sets[name]
    train, validation = (data.samples(name, split) for split in (given.train, given.validation))
    if train.vocabulary != validation.vocabulary:
        raise RecipeError(f"{given.path}: expected the same labels in both splits, found different ones")
    return train, validation


def faults_of(dataset: SceneDataset) -> tuple[str, ...]:
    """What was wrong with the images that were skipped, a line each."""
    return dataset.faults if isinstance(dataset, ReadableDataset | RenamedDataset) else ()


def _skipped_notices(faults: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for where, some in faults.items():
        if some:
            why = f"{'it' if len(some) == 1 else 'they'} cannot be read: {some[0]}"
            yield f"{where}: {counted(len(some), 'image')} skipped, as {why}"


def _left_out(data: RecipeData) -> Iterator[str]:
    """What lies among the data and is not read, a line each; splits that share a folder say it once."""
    lines = [
        line
        for name, given in data.recipe.sets.items()
        for split in (given.train, given.validation)
        for line in data.files(name, split).left_out().lines()
    ]
    yield from dict.fromkeys(lines)


def _class_notices(vocabularies: dict[str, SceneVocabulary]) -> Iterator[str]:
    """Which classes each further data set shares with those before: a name that is spelled otherwise shows here."""
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
    """That nothing will tell the pixels of objects from others, where no countable class is learned."""
    if "instance" in recipe.tasks and not ("semantic" in recipe.tasks and vocabulary.countable):
        lacking = "countable classes" if "semantic" in recipe.tasks else "the task semantic"
        yield (
            f"without {lacking}, objects will be found from vectors alone: many are missed, and some that are found "
            "are none. Classes with countable = true, be they only object and background, tell them apart"
        )


def cache_root(data: DataRecipe) -> Path:
    """Where caches lie: as the recipe says, else the user's cache folder."""
    return Path(data.cache_folder) if data.cache_folder else cache_home() / "samples"


def cache_home() -> Path:
    """The user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache") / "equipoise"


def open_files(data: SetRecipe, split: str, *, strict: bool) -> FileDataset:
    """A split as it lies on the disk; ``strict``: raise for missing label files now, not when they are read."""
    return open_dataset(
        data.kind,
        Path(data.path),
        split,
        root=Path(data.root) if data.root else None,
        sky_is_zero=data.sky_is_zero,
        optional=data.optional_labels,
        strict=strict,
    )


def _without_broken(data: SetRecipe, split: str, files: FileDataset) -> SceneDataset:
    """A split without the images that cannot be read."""
    key = repr((data, split, files.fingerprint()))
    if key not in _READINGS:
        _READINGS[key] = read_through(files)
    return ReadableDataset(files, _READINGS[key])


_READINGS: dict[str, Reading] = {}
"""What was read through once in this process, and has not changed since."""


def _renamed(dataset: SceneDataset, recipe: Recipe, name: str) -> SceneDataset:
    names = recipe.sets[name].classes
    if not names:
        return dataset
    try:
        return RenamedDataset(dataset, names)
    except RecipeError as error:
        raise RecipeError(f"{name if name == 'data' else f'also.{name}'}.{error}") from None
