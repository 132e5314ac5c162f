"""Equipoise: weigh the losses of several tasks by their learned noise, in any PyTorch model."""

from equipoise.likelihoods import Categorical, Gaussian, Laplace, Likelihood, Term
from equipoise.multitask import JointTerm, MultiTaskLikelihood
from equipoise.optim import param_groups
from equipoise.version import __version__

__all__ = [
    "Categorical",
    "Gaussian",
    "JointTerm",
    "Laplace",
    "Likelihood",
    "MultiTaskLikelihood",
    "Term",
    "__version__",
    "param_groups",
]
