"""The likelihoods of tasks, by the names that recipes use."""

from equipoise.likelihoods import Gaussian, Laplace, Likelihood, NoiseOptions
from equipoise.scenes.tasks.settings import LikelihoodRecipe

KINDS = ("laplace", "laplace-paper", "gaussian")


def regression_likelihood(recipe: LikelihoodRecipe) -> Likelihood:
    """``laplace`` (L1, derived; the default), ``laplace-paper`` (L1 weighed like a Gaussian), ``gaussian`` (L2)."""
    if recipe.class_weights or recipe.label_smoothing:
        raise ValueError("class_weights and label_smoothing: expected them with the semantic task only")
    if recipe.kind == "gaussian":
        return Gaussian(standardize=recipe.standardize is not False, **noise_options(recipe))
    if recipe.kind == "laplace-paper":
        return Laplace(form="paper", standardize=recipe.standardize, **noise_options(recipe))
    return Laplace(standardize=recipe.standardize, **noise_options(recipe))


def noise_options(recipe: LikelihoodRecipe) -> NoiseOptions:
    """What a recipe says of a task's noise."""
    return {"init": recipe.init, "update": recipe.update, "momentum": recipe.momentum, "floor": recipe.floor}
