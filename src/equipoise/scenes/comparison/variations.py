"""Variations of a recipe, as pure functions: other tasks, other weights, other noise, other learning rates."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from equipoise.scenes.comparison.settings import ComparisonRecipe
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.tasks import TASKS
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.training.weighting_settings import DAMPED, EQUAL, FIXED, LEARNED, WeightingRecipe
from equipoise.weighting import DAMPING

Rate = Literal["free", "grown", "matched"]
PAPER_KIND = "laplace-paper"
VALIDATIONS = 10
"""How often a run is validated if neither the comparison nor the recipe says."""


def with_tasks(recipe: Recipe, tasks: Sequence[str]) -> Recipe:
    """Return the recipe with some of its tasks only, in its order."""
    kept = tuple(name for name in recipe.tasks if name in tasks)
    likelihood = {name: settings for name, settings in recipe.likelihood.items() if name in kept}
    return dataclasses.replace(recipe, tasks=kept, likelihood=likelihood)


def with_method(recipe: Recipe, method: str, rate: Rate = "free") -> Recipe:
    """Return the recipe with another method of weighing; where that is damped, with its own damping."""
    damping = recipe.weighting.damping if method == DAMPED else DAMPING
    return dataclasses.replace(recipe, weighting=WeightingRecipe(method=method, damping=damping, rate=rate))


def with_weights(recipe: Recipe, weights: Mapping[str, float], rate: Rate = "free") -> Recipe:
    """Return the recipe with fixed weights, which are scaled to the sum 1."""
    total = sum(weights[name] for name in recipe.tasks)
    shares = {name: weights[name] / total for name in recipe.tasks}
    return dataclasses.replace(recipe, weighting=WeightingRecipe(method=FIXED, weights=shares, rate=rate))


def with_noise(recipe: Recipe, **changes: Any) -> Recipe:
    """Return the recipe with other settings of every task's noise, such as ``init`` or ``update``."""
    given = {name: recipe.likelihood.get(name, LikelihoodRecipe()) for name in recipe.tasks}
    likelihood = {name: dataclasses.replace(settings, **changes) for name, settings in given.items()}
    return dataclasses.replace(recipe, likelihood=likelihood)


def standardized(recipe: Recipe, wanted: bool) -> Recipe:
    """Return the recipe with regressions that own their target's unit, or that leave it as it is."""
    return _for_regressions(recipe, standardize=wanted)


def of_kind(recipe: Recipe, kind: str, **changes: Any) -> Recipe:
    """Return the recipe with another likelihood for the tasks that can have it, and other settings of these."""
    return _for_regressions(recipe, kinds=(kind,), kind=kind, **changes)


def _for_regressions(recipe: Recipe, *, kinds: Sequence[str] = (PAPER_KIND,), **changes: Any) -> Recipe:
    """Change the settings of the tasks that can have one of the ``kinds``."""
    likelihood = dict(recipe.likelihood)
    for name in recipe.tasks:
        if set(kinds) & set(TASKS[name].kinds):
            likelihood[name] = dataclasses.replace(likelihood.get(name, LikelihoodRecipe()), **changes)
    return dataclasses.replace(recipe, likelihood=likelihood)


def as_learned(recipe: Recipe, rate: Rate = "free") -> Recipe:
    """Return the recipe with learned weights, by gradient or in closed form as it says."""
    return with_method(recipe, LEARNED, rate)


def as_equal(recipe: Recipe, rate: Rate = "free") -> Recipe:
    """Return the recipe with equal weights."""
    return with_method(recipe, EQUAL, rate)


def paper_form(recipe: Recipe) -> Recipe:
    """Return the recipe with the paper's own form of learned weights.

    L1 is weighted like a Gaussian, in the target's unit; s = log σ² starts at 0, and learns at the network's rate.
    """
    changed = with_noise(of_kind(recipe, PAPER_KIND, standardize=False), init=0.0, update="gradient", momentum=None)
    optimizer = dataclasses.replace(recipe.optimizer, log_variance_lr=recipe.optimizer.lr)
    return dataclasses.replace(changed, optimizer=optimizer)


def gradient_noise(recipe: Recipe) -> Recipe:
    """Return the recipe with noise that is learned by gradient."""
    return with_noise(recipe, update="gradient", momentum=None)


def closed_form(recipe: Recipe) -> Recipe:
    """Return the recipe with noise at its optimum for a running mean of the loss."""
    return with_noise(recipe, update="closed_form")


def with_rate(recipe: Recipe, factor: float) -> Recipe:
    """Return the recipe with its learning rates multiplied by a factor."""
    optimizer = recipe.optimizer
    own = optimizer.log_variance_lr
    changed = dataclasses.replace(
        optimizer, lr=optimizer.lr * factor, log_variance_lr=None if own is None else own * factor
    )
    return dataclasses.replace(recipe, optimizer=changed)


def with_seed(recipe: Recipe, seed: int) -> Recipe:
    """Return the recipe with another seed."""
    return dataclasses.replace(recipe, training=dataclasses.replace(recipe.training, seed=seed))


def compared(recipe: Recipe, settings: ComparisonRecipe) -> Recipe:
    """Return what all runs have in common: the number of steps and of validations, first weights, no early stopping.

    A run that stops early would make fewer steps than the others.
    """
    training = recipe.training
    steps = settings.steps or training.steps
    every = settings.validate_every or training.validate_every or max(1, steps // VALIDATIONS)
    training = dataclasses.replace(
        training, steps=steps, validate_every=every, early_stopping=0, best_by="", init_tasks=recipe.tasks
    )
    return dataclasses.replace(recipe, training=training, comparison=ComparisonRecipe())
