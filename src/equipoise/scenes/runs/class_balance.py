"""Class weights for a recipe that balances classes: counted over its training labels, and kept beside their cache."""

import dataclasses
import functools
import hashlib
import operator
from collections.abc import Mapping
from pathlib import Path

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.sources import cache_root
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import as_json, read_json
from equipoise.scenes.io.prefetch import prefetch
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.tasks import Task
from equipoise.scenes.tasks.class_balance import ClassCounts


def balanced(recipe: Recipe, dataset: SceneDataset, tasks: Mapping[str, Task], callbacks: RunCallbacks) -> Recipe:
    """The recipe with class weights in place of ``class_balance``; the largest and the smallest are reported.

    Args:
        recipe: as it was read.
        dataset: its training samples.
        tasks: of the recipe.
        callbacks: show progress and notices.
    """
    likelihood = dict(recipe.likelihood)
    for name, settings in recipe.likelihood.items():
        if settings.class_balance != "none":
            counts = class_counts(recipe, dataset, tasks[name], callbacks)
            likelihood[name] = tasks[name].balanced(settings, counts)
            weights = likelihood[name].class_weights
            low, high = min(weights, key=weights.__getitem__), max(weights, key=weights.__getitem__)
            callbacks.on_notice(
                f"{name}: classes weighed by {settings.class_balance} frequency, from {weights[low]:.3g} ({low}) to "
                f"{weights[high]:.3g} ({high})"
            )
    return dataclasses.replace(recipe, likelihood=likelihood)


def class_counts(recipe: Recipe, dataset: SceneDataset, task: Task, callbacks: RunCallbacks) -> ClassCounts:
    """How often each class occurs in the training labels; read from the cache where they were counted before."""
    given = [dataset.fingerprint(), dataset.names, dataset.vocabulary.classes, recipe.sets, task.name]
    key = hashlib.sha256(repr(given).encode()).hexdigest()[:16]
    path = cache_root(recipe.data) / f"class-counts-{key}.json"
    if recipe.data.cache and (known := _read(path, task.channels)) is not None:
        return known

    def counted(index: int) -> ClassCounts | None:
        sample = dataset[index]
        return task.class_counts(task.target(sample), sample.weight)

    found: list[ClassCounts] = []
    with callbacks.counting("counting classes", len(dataset)) as advance:
        for counts in prefetch(counted, range(len(dataset))):
            found += [] if counts is None else [counts]
            advance()
    total = functools.reduce(operator.add, found)
    if recipe.data.cache:
        write_atomic(path, as_json(total))
    return total


def _read(path: Path, classes: int) -> ClassCounts | None:
    try:
        counts = from_table(ClassCounts, read_json(path), str(path))
    except (OSError, ValueError, RecipeError):
        return None
    return counts if len(counts.pixels) == len(counts.around) == len(counts.images) == classes else None
