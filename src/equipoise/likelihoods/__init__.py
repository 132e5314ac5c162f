"""Observation models with learned noise, one per file."""

from equipoise.likelihoods._settings import NoiseOptions, NoiseSettings
from equipoise.likelihoods._task_loss import TaskLoss
from equipoise.likelihoods.bernoulli import Bernoulli
from equipoise.likelihoods.categorical import Categorical
from equipoise.likelihoods.elementwise import Elementwise
from equipoise.likelihoods.gaussian import Gaussian
from equipoise.likelihoods.gibbs import Gibbs
from equipoise.likelihoods.laplace import Laplace
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.multivariate_gaussian import MultivariateGaussian
from equipoise.likelihoods.regression import Regression
from equipoise.likelihoods.student_t import StudentT
from equipoise.likelihoods.von_mises_fisher import VonMisesFisher

__all__ = [
    "Bernoulli",
    "Categorical",
    "Elementwise",
    "Gaussian",
    "Gibbs",
    "Laplace",
    "Likelihood",
    "MultivariateGaussian",
    "NoiseOptions",
    "NoiseSettings",
    "Regression",
    "StudentT",
    "TaskLoss",
    "VonMisesFisher",
]
