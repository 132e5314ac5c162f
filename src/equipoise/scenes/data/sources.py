"""Open the data sets of a recipe: one, or several joined into one."""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.cache import CachedDataset, cache_bytes
from equipoise.scenes.data.joined import JoinedDataset, RenamedDataset
from equipoise.scenes.data.open import open_dataset
from equipoise.scenes.data.readable import ReadableDataset, Reading, read_through
from equipoise.scenes.data.sample import FileDataset, SceneDataset
from equipoise.scenes.data.settings import DataRecipe, SetRecipe
from equipoise.scenes.wording import bytes_in_words

WORTH_SAYING = 10**9
"""Caches of more bytes say so while they are made."""


class Progress(Protocol):
    """Shows the progress of work with a known number of units."""

    def __call__(self, title: str, total: int) -> AbstractContextManager[Callable[[], None]]:
        """Return a context manager whose value is called after each unit of work."""
        ...


class RecipeData:
    """The data sets of a recipe. Each split is opened only once.

    Args:
        recipe: names the data sets, their splits and new names for their classes.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe
        self._files: dict[tuple[str, str], FileDataset] = {}
        self._readable: dict[tuple[str, str], SceneDataset] = {}

    def files(self, name: str, split: str) -> FileDataset:
        """Return one split as it is on disk. Missing label files raise now, unless the recipe skips broken images."""
        if (name, split) not in self._files:
            data = self.recipe.sets[name]
            self._files[name, split] = open_files(data, split, strict=not data.skip_broken)
        return self._files[name, split]

    def samples(self, name: str, split: str) -> SceneDataset:
        """Return one split at its original image sizes, with the recipe's class names and without skipped images."""
        return _renamed(self._readable_files(name, split), self.recipe, name)

    def resized(self, name: str, split: str, counting: Progress) -> SceneDataset:
        """Return the same split at the network's size, from memory-mapped files if the recipe uses a cache."""
        recipe, data, readable = self.recipe, self.recipe.sets[name], self._readable_files(name, split)
        if not recipe.data.cache:
            return _renamed(readable, recipe, name)
        # The cache does not depend on class names: runs that rename classes share it.
        identity = json.dumps([data.kind, data.path, data.root, split, recipe.data.size, data.sky_is_zero])
        folder = cache_root(recipe.data) / hashlib.sha256(identity.encode()).hexdigest()[:16]
        title = f"caching {split} images" + (f" of {name}" if recipe.also else "")
        if (size := cache_bytes(readable, recipe.data.size)) >= WORTH_SAYING:
            title += f" ({bytes_in_words(size)})"
        with counting(title, len(readable)) as advance:
            cached = CachedDataset(readable, recipe.data.size, folder, progress=advance)
        return _renamed(cached, recipe, name)

    def training(self, counting: Progress) -> SceneDataset:
        """Return all training splits as one data set, at the network's size."""
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


def cache_root(data: DataRecipe) -> Path:
    """Return the folder of caches: the recipe's, or else one in the user's cache folder."""
    return Path(data.cache_folder) if data.cache_folder else cache_home() / "samples"


def cache_home() -> Path:
    """Return the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME", "") or Path.home() / ".cache") / "equipoise"


def open_files(data: SetRecipe, split: str, *, strict: bool) -> FileDataset:
    """Open a split as it is on disk; ``strict``: raise for missing label files now, not when they are read."""
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
    """Return a split without its unreadable images."""
    key = repr((data, split, files.fingerprint()))
    if key not in _READINGS:
        _READINGS[key] = read_through(files)
    return ReadableDataset(files, _READINGS[key])


_READINGS: dict[str, Reading] = {}
"""Results of ``read_through`` in this process, by the data set and its fingerprint."""


def _renamed(dataset: SceneDataset, recipe: Recipe, name: str) -> SceneDataset:
    names = recipe.sets[name].classes
    if not names:
        return dataset
    try:
        return RenamedDataset(dataset, names)
    except RecipeError as error:
        raise RecipeError(f"{name if name == 'data' else f'also.{name}'}.{error}") from None
