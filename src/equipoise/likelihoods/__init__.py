"""Observation models with learned noise, one a file."""

from equipoise.likelihoods.categorical import Categorical
from equipoise.likelihoods.gaussian import Gaussian
from equipoise.likelihoods.laplace import Laplace
from equipoise.likelihoods.likelihood import Likelihood, Term
from equipoise.likelihoods.regression import Regression

__all__ = ["Categorical", "Gaussian", "Laplace", "Likelihood", "Regression", "Term"]
