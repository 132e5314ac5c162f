"""The likelihoods of regression tasks, by the names that recipes use."""

from typing import Any

from equipoise.likelihoods import Gaussian, Laplace, Likelihood
from equipoise.scenes.recipe import LikelihoodRecipe

KINDS = ("laplace", "laplace-paper", "gaussian")


def regression_likelihood(recipe: LikelihoodRecipe) -> Likelihood:
    """``laplace`` (L1, derived; the default), ``laplace-paper`` (L1 weighed like a Gaussian), ``gaussian`` (L2)."""
    noise: dict[str, Any] = {
        "init": recipe.init,
        "update": recipe.update,
        "momentum": recipe.momentum,
        "standardize": recipe.standardize,
    }
    if recipe.kind == "gaussian":
        return Gaussian(**noise)
    return Laplace(form="paper" if recipe.kind == "laplace-paper" else "exact", **noise)
