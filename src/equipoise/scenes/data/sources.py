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
from equipoise.scenes.cameras.model_camera import ModelCamera, known_cameras, middle_camera, told_of_cameras
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


def open_set(recipe: Recipe, name: str, split: str) -> SceneDataset:
    """One split of one of the recipe's data sets, at the size of its images, its classes called as in this run."""
    return _renamed(_opened(recipe.sets[name], split), recipe, name)


def cached_set(recipe: Recipe, name: str, split: str, counting: Progress) -> SceneDataset:
    """The same at the network's size, kept in memory-mapped files where the recipe wants them."""
    data = recipe.sets[name]
    raw = _opened(data, split)
    if not recipe.data.cache:
        return _renamed(raw, recipe, name)
    # What it holds does not depend on how classes are called: runs that call them otherwise share it.
    identity = json.dumps([data.kind, data.path, data.root, split, recipe.data.size, data.sky_is_zero])
    folder = cache_root(recipe.data) / hashlib.sha256(identity.encode()).hexdigest()[:16]
    title = f"caching {split} images" + (f" of {name}" if recipe.also else "")
    with counting(title, len(raw)) as advance:
        return _renamed(CachedDataset(raw, recipe.data.size, folder, progress=advance), recipe, name)


def training_data(recipe: Recipe, counting: Progress) -> SceneDataset:
    """All that a recipe trains on, at the network's size."""
    sets = {name: cached_set(recipe, name, data.train, counting) for name, data in recipe.sets.items()}
    if not recipe.also and recipe.data.repeat == 1:
        return sets["data"]
    given = recipe.sets.values()
    return JoinedDataset(sets, [data.repeat for data in given], [data.weight for data in given])


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What all of a recipe's data hold together, told before anything is read at length."""

    vocabulary: SceneVocabulary
    train_images: int
    val_images: int
    skipped: tuple[str, ...]
    notices: tuple[str, ...]
    camera: ModelCamera
    """What the model keeps of the cameras of the training images."""
    identity: dict[str, str]
    """What a resumed run must find again, hashed: each data set's training images, classes and description."""


def survey(recipe: Recipe) -> Survey:
    """Open every split; raises ``RecipeError`` where two splits of a set differ, or sets do not go together."""
    opened = {name: _both_splits(recipe, name) for name in recipe.sets}
    for name, (train, _) in opened.items():
        if not any(TASKS[task].label in train.vocabulary.labels for task in recipe.tasks if task in TASKS):
            raise RecipeError(f"{name}: expected labels for one of {', '.join(recipe.tasks)}, found none: leave it out")
    vocabularies = {name: train.vocabulary for name, (train, _) in opened.items()}
    faults = {
        f"{name}, {split}": faults_of(dataset)
        for name, data in recipe.sets.items()
        for split, dataset in zip((data.train, data.validation), opened[name], strict=True)
    }
    vocabulary = union(vocabularies) if recipe.also else vocabularies["data"]
    camera, told_cameras = model_camera(recipe, vocabularies)
    return Survey(
        vocabulary=vocabulary,
        train_images=sum(len(train) for train, _ in opened.values()),
        val_images=sum(len(validation) for _, validation in opened.values()),
        skipped=tuple(fault for some in faults.values() for fault in some),
        notices=(
            *_told_skipped(faults),
            *_left_out(recipe),
            *_told_classes(vocabularies),
            *_told_grouping(recipe, vocabulary),
            *told_cameras,
        ),
        camera=camera,
        identity=({"order of the data sets": ", ".join(recipe.sets)} if recipe.also else {})
        | {
            key: hashed
            for name, (train, _) in opened.items()
            for key, hashed in _identity(name, recipe.sets[name], train).items()
        },
    )


def model_camera(recipe: Recipe, vocabularies: Mapping[str, SceneVocabulary]) -> tuple[ModelCamera, tuple[str, ...]]:
    """The camera of the images that depth is learned from, and what there is to say of it.

    Raises ``DataError`` where one camera is described for images of different sizes.
    """
    units = {name: v.inverse_depth_unit for name, v in vocabularies.items() if v.inverse_depth_unit is not None}
    if "depth" not in recipe.tasks:
        return ModelCamera(), ()
    known = [known_cameras(open_raw(recipe.sets[name], recipe.sets[name].train, strict=False)) for name in units]
    for one in known:
        if one.fault:
            raise DataError(one.fault)
    chosen = middle_camera(camera for one in known for camera in one.cameras)
    told = told_of_cameras(known, chosen) if "px" in units.values() else ()
    return chosen, (*(line for one in known for line in one.doubts), *told)


def _identity(name: str, data: SetRecipe, train: SceneDataset) -> dict[str, str]:
    known = {"images": train.names, "classes": train.vocabulary, "sizes of files": _file_sizes(data)}
    described = {"description": read_description(Path(data.path))} if data.kind == "folder" else {}
    hashed = {key: hashlib.sha256(repr(value).encode()) for key, value in {**known, **described}.items()}
    return {f"{name}: {key}": digest.hexdigest() for key, digest in hashed.items()}


def _file_sizes(data: SetRecipe) -> list[tuple[str, int]]:
    """How large each training file is: what changed in it shows here, mostly, wherever it lies now."""
    raw = open_raw(data, data.train, strict=False)
    sizes = []
    for index in range(len(raw)):
        try:
            sizes += [(kind, path.stat().st_size) for kind, path in raw.files(index).items()]
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


def _both_splits(recipe: Recipe, name: str) -> tuple[SceneDataset, SceneDataset]:
    data = recipe.sets[name]
    train, validation = (open_set(recipe, name, split) for split in (data.train, data.validation))
    if train.vocabulary != validation.vocabulary:
        raise RecipeError(f"{data.path}: expected the same labels in both splits, found different ones")
    return train, validation


def faults_of(dataset: SceneDataset) -> tuple[str, ...]:
    """What was wrong with the images that were skipped, a line each."""
    return dataset.faults if isinstance(dataset, ReadableDataset | RenamedDataset) else ()


def _told_skipped(faults: dict[str, tuple[str, ...]]) -> Iterator[str]:
    for where, some in faults.items():
        if some:
            why = f"{'it' if len(some) == 1 else 'they'} cannot be read: {some[0]}"
            yield f"{where}: {counted(len(some), 'image')} skipped, as {why}"


def _left_out(recipe: Recipe) -> Iterator[str]:
    """What lies among the data and is not read, a line each; splits that share a folder say it once."""
    lines = [
        line
        for data in recipe.sets.values()
        for split in (data.train, data.validation)
        for line in open_raw(data, split, strict=False).left_out().lines()
    ]
    yield from dict.fromkeys(lines)


def _told_classes(vocabularies: dict[str, SceneVocabulary]) -> Iterator[str]:
    """Which classes each further data set shares with those before: a name that is spelled otherwise shows here."""
    known: set[str] = set()
    for name, vocabulary in vocabularies.items():
        own = [c.name for c in vocabulary.classes]
        new = [c for c in own if c not in known]
        if known:
            told = f"; new: {', '.join(new)}" if new else ""
            shared = counted(len(own) - len(new), "class", "classes")
            yield f"{name}: {shared} shared with the data before it{told}"
        known |= set(own)


def _told_grouping(recipe: Recipe, vocabulary: SceneVocabulary) -> Iterator[str]:
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


def open_raw(data: SetRecipe, split: str, *, strict: bool) -> FileDataset:
    """A split as it lies on the disk; ``strict``: miss label files now, not when read."""
    return open_dataset(
        data.kind,
        Path(data.path),
        split,
        root=Path(data.root) if data.root else None,
        sky_is_zero=data.sky_is_zero,
        optional=data.optional_labels,
        strict=strict,
    )


def _opened(data: SetRecipe, split: str) -> SceneDataset:
    """A split without the images that the recipe lets skip."""
    dataset = open_raw(data, split, strict=not data.skip_broken)
    if not data.skip_broken:
        return dataset
    key = repr((data, split, dataset.fingerprint()))
    if key not in _READINGS:
        _READINGS[key] = read_through(dataset)
    return ReadableDataset(dataset, _READINGS[key])


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
