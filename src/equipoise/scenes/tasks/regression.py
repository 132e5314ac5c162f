"""The base class of regression tasks: targets, likelihoods by name, and baselines."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.likelihoods import Gaussian, Laplace, Likelihood, NoiseOptions
from equipoise.likelihoods.regression import Regression
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.tasks.task import Task

KINDS = ("laplace", "laplace-paper", "gaussian")


class RegressionTask(Task):
    """A task whose target is ``float32 (C, H, W)``; NaN = no label."""

    kinds: tuple[str, ...] = KINDS

    def likelihood(self, recipe: LikelihoodRecipe) -> Likelihood:
        """Create one of ``KINDS``; see ``regression_likelihood``."""
        return regression_likelihood(recipe)

    def blank(self, size: tuple[int, int]) -> npt.NDArray[np.float32]:
        """Return NaN everywhere."""
        return np.full((self.channels, *size), np.nan, np.float32)

    def constant(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the median of each channel, which has the smallest mean absolute error; 0 if nothing is labelled."""
        channels = targets.shape[1]
        values = targets.transpose(1, 0, 2, 3).reshape(channels, -1)
        medians = [np.median(v[~np.isnan(v)]) if not np.isnan(v).all() else 0.0 for v in values]
        return torch.tensor(medians, dtype=torch.float32)[:, None, None].expand(targets.shape[1:]).clone()

    def per_position(self, targets: npt.NDArray[Any]) -> Tensor:
        """Return the median of each channel at each position; the overall median where no image has a label."""
        medians = torch.from_numpy(targets).nanquantile(0.5, dim=0)
        return torch.where(medians.isnan(), self.constant(targets), medians)


def regression_likelihood(recipe: LikelihoodRecipe) -> Likelihood:
    """Create ``laplace`` (L1; the default), ``laplace-paper`` (L1 weighted like a Gaussian) or ``gaussian`` (L2)."""
    expect_no_classes(recipe)
    if recipe.kind == "gaussian":
        return Gaussian(standardize=recipe.standardize is not False, **noise_options(recipe))
    if recipe.kind == "laplace-paper":
        return Laplace(form="paper", standardize=recipe.standardize, **noise_options(recipe))
    return Laplace(standardize=recipe.standardize, **noise_options(recipe))


def interval_in_sigmas(recipe: LikelihoodRecipe, level: float) -> float | None:
    """Return half the width of a likelihood's central interval in units of σ; ``None`` if it is no distribution.

    >>> round(interval_in_sigmas(LikelihoodRecipe(), 0.9), 4)  # Laplace: −log(1 − 0.9) / √2
    1.6282
    """
    if recipe.kind == "laplace-paper":
        return None  # A loss with a weight, but no density.
    likelihood = regression_likelihood(recipe)
    assert isinstance(likelihood, Regression)
    return float(likelihood.half_width(level) / likelihood.sigma)


def expect_no_classes(recipe: LikelihoodRecipe) -> None:
    """Raise ``ValueError`` for settings that only classes have."""
    given = {
        "class_weights": bool(recipe.class_weights),
        "class_balance": recipe.class_balance != "none",
        "label_smoothing": bool(recipe.label_smoothing),
    }
    if any(given.values()):
        names = " and ".join(name for name, has in given.items() if has)
        raise ValueError(f"{names}: expected it with the semantic task only")


def noise_options(recipe: LikelihoodRecipe) -> NoiseOptions:
    """Return a recipe's settings of a task's noise."""
    return {"init": recipe.init, "update": recipe.update, "momentum": recipe.momentum, "floor": recipe.floor}
