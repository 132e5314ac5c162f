"""Equipoise: weigh the losses of several tasks by their learned noise, in any PyTorch model."""

from importlib import import_module
from typing import Any

from equipoise import weighting
from equipoise._joint import JointLoss
from equipoise._reduction import Sums
from equipoise.audit import GradientAudit, audit_gradients
from equipoise.calibration import CalibrationReport, calibration_report
from equipoise.likelihoods import (
    Bernoulli,
    Categorical,
    Elementwise,
    Gaussian,
    Gibbs,
    Laplace,
    Likelihood,
    MultivariateGaussian,
    NoiseOptions,
    NoiseSettings,
    Regression,
    StudentT,
    TaskLoss,
    VonMisesFisher,
)
from equipoise.multitask import MultiTaskLikelihood
from equipoise.optim import param_groups
from equipoise.uncertainty import UncertaintyWeighting
from equipoise.version import __version__

__all__ = [
    "Bernoulli",
    "CalibrationReport",
    "Categorical",
    "Elementwise",
    "Gaussian",
    "Gibbs",
    "GradientAudit",
    "JointLoss",
    "Laplace",
    "Likelihood",
    "MultiTaskLikelihood",
    "MultivariateGaussian",
    "NoiseOptions",
    "NoiseSettings",
    "Regression",
    "StudentT",
    "Sums",
    "TaskLoss",
    "UncertaintyWeighting",
    "VonMisesFisher",
    "__version__",
    "audit_gradients",
    "calibration_report",
    "param_groups",
    "weighting",
]


def __getattr__(name: str) -> Any:
    """``equipoise.scenes`` is loaded when it is first used: the core needs torch alone."""
    if name == "scenes":
        return import_module("equipoise.scenes")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
