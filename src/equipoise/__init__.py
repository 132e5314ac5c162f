"""Equipoise: weigh the losses of several tasks by their learned noise, in any PyTorch model."""

from equipoise import weighting
from equipoise.audit import GradientAudit, audit_gradients
from equipoise.calibration import CalibrationReport, calibration_report
from equipoise.likelihoods import (
    Bernoulli,
    Categorical,
    Gaussian,
    Gibbs,
    Laplace,
    Likelihood,
    MultivariateGaussian,
    StudentT,
    Term,
)
from equipoise.multitask import JointTerm, MultiTaskLikelihood
from equipoise.optim import param_groups
from equipoise.uncertainty import UncertaintyWeighting
from equipoise.version import __version__

__all__ = [
    "Bernoulli",
    "CalibrationReport",
    "Categorical",
    "Gaussian",
    "Gibbs",
    "GradientAudit",
    "JointTerm",
    "Laplace",
    "Likelihood",
    "MultiTaskLikelihood",
    "MultivariateGaussian",
    "StudentT",
    "Term",
    "UncertaintyWeighting",
    "__version__",
    "audit_gradients",
    "calibration_report",
    "param_groups",
    "weighting",
]
