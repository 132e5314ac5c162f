"""Equipoise: weigh the losses of several tasks by their learned noise, in any PyTorch model."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from equipoise.comparison import compare

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
    "compare",
    "param_groups",
    "weighting",
]


def __getattr__(name: str) -> Any:
    """Load ``scenes``, ``comparison`` and ``compare`` when they are first used: most programs need none of them."""
    if name in ("scenes", "comparison"):
        return import_module(f"equipoise.{name}")
    if name == "compare":
        return import_module("equipoise.comparison").compare
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
