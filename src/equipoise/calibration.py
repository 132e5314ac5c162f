"""How right predicted uncertainties are: likelihood, coverage of intervals, calibration error of classes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from equipoise._figures import table
from equipoise.functional import at_least_single
from equipoise.likelihoods._masks import valid_elements
from equipoise.likelihoods.bernoulli import Bernoulli
from equipoise.likelihoods.categorical import Categorical
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.multivariate_gaussian import MultivariateGaussian
from equipoise.likelihoods.regression import Regression
from equipoise.likelihoods.von_mises_fisher import VonMisesFisher, angle_of
from equipoise.multitask import MultiTaskLikelihood

LEVELS = (0.5, 0.8, 0.95)
BINS = 15


@dataclass(frozen=True, kw_only=True)
class TaskCalibration:
    """One task's figures, over valid elements.

    Attributes:
        nll: the mean of −log p(y), constants included, in nats. A row of a MultivariateGaussian counts as one.
        coverage: for regressions, the share of targets inside the central interval of each level: |y − f| at most
            ``half_width(level)``. For directions, the share inside the cone about the mean direction. Empty for
            classes.
        calibration_error: for classes, the expected calibration error: Σ over 15 bins of confidence of (share of
            elements)·|accuracy − mean confidence| (Guo et al., On Calibration of Modern Neural Networks, ICML 2017).
            ``None`` for regressions.
        count: the number of valid elements.
    """

    nll: float
    coverage: dict[float, float] = field(default_factory=dict)
    calibration_error: float | None = None
    count: int


@dataclass(frozen=True)
class CalibrationReport:
    """What ``calibration_report`` found. Print it for a table; ``report["depth"]`` has the figures of one task.

    Attributes:
        tasks: by task name, ``nll``, ``coverage`` (by level), ``calibration_error`` and ``count``.

    >>> print(CalibrationReport({"depth": TaskCalibration(nll=1.5, coverage={0.5: 0.4, 0.8: 0.75}, count=9)}))
    task   nll  in 50%  in 80%  in 95%  ECE  count
    depth  1.5   40.0%   75.0%       –    –      9
    """

    tasks: dict[str, TaskCalibration]

    def __getitem__(self, name: str) -> TaskCalibration:
        """The figures of one task."""
        return self.tasks[name]

    def __str__(self) -> str:
        rows = [["task", "nll", *(f"in {level:.0%}" for level in LEVELS), "ECE", "count"]]
        for name, task in self.tasks.items():
            shares = [f"{task.coverage[level]:.1%}" if level in task.coverage else "–" for level in LEVELS]
            error = "–" if task.calibration_error is None else f"{task.calibration_error:.1%}"
            rows.append([name, f"{task.nll:.4g}", *shares, error, str(task.count)])
        return table(rows)


@torch.no_grad()
def calibration_report(
    likelihood: MultiTaskLikelihood,
    outputs: Mapping[str, Tensor],
    targets: Mapping[str, Tensor],
    masks: Mapping[str, Tensor | None] | None = None,
) -> CalibrationReport:
    """Measure how well each task's predictive distribution fits held-out data.

    To correct it, call ``likelihood.refit(outputs, targets)`` with *other* held-out data, which fits σ, or the
    temperature of classes. Each rank reports on its own data.

    Args:
        likelihood: the joint likelihood.
        outputs: the network's output for each task to report on; shapes and dtypes as in the forward pass.
        targets: the target of each of these tasks. Missing labels are left out, as in the forward pass.
        masks: for some or all tasks, boolean, broadcastable to the target, True = valid.

    Returns:
        Figures by task name, as Python numbers.

    Raises:
        ValueError: a task without a density (Gibbs, the paper's form of Laplace), an unknown task, or no target.

    >>> import equipoise as eq
    >>> likelihood = eq.MultiTaskLikelihood({"depth": eq.Gaussian(standardize=False)})
    >>> errors = torch.tensor([-1.5, -0.5, 0.0, 0.5])
    >>> print(calibration_report(likelihood, {"depth": torch.zeros(4)}, {"depth": errors}))
    task     nll  in 50%  in 80%  in 95%  ECE  count
    depth  1.263   75.0%   75.0%  100.0%    –      4
    """
    masks = masks or {}
    for name in outputs:
        if name not in set(likelihood.keys()):
            raise ValueError(f"outputs: expected the tasks {list(likelihood.keys())}, found {name!r}")
        if targets.get(name) is None:
            raise ValueError(f"task {name!r}: expected a target to compare its output with, found none")
    return CalibrationReport(
        {name: _task(likelihood[name], output, targets[name], masks.get(name)) for name, output in outputs.items()}
    )


def _task(likelihood: Likelihood, output: Tensor, target: Tensor, mask: Tensor | None) -> TaskCalibration:
    output, where = at_least_single(output), type(likelihood).__name__
    if isinstance(likelihood, Categorical):
        return _classes(likelihood, output, target, mask)
    if isinstance(likelihood, VonMisesFisher):
        return _directions(likelihood, output, target, mask)
    target = target.to(output.dtype)
    valid = valid_elements(target, mask, where)
    distribution = likelihood.distribution(output)
    filled = torch.where(valid, target, 0.0)
    if isinstance(likelihood, Bernoulli):
        # The density is that of a hard label.
        hard = filled.round()[valid]
        error = expected_calibration_error(distribution.mean[valid], hard)
        log_density = distribution.log_prob(filled.round())[valid]
        return TaskCalibration(nll=-_mean(log_density), calibration_error=error, count=len(hard))
    rows = valid
    if isinstance(likelihood, MultivariateGaussian):
        rows = valid.all(-1)
        valid = rows.unsqueeze(-1).expand(valid.shape)
    log_density = distribution.log_prob(filled)[rows]
    assert isinstance(likelihood, Regression | MultivariateGaussian)
    distance = (target - likelihood.location(output)).abs()
    coverage = {}
    for level in LEVELS:
        half = likelihood.broadcastable(likelihood.half_width(level), output.dim())
        coverage[level] = _mean((distance <= half)[valid].to(distance.dtype))
    return TaskCalibration(nll=-_mean(log_density), coverage=coverage, count=int(valid.sum()))


def _directions(likelihood: VonMisesFisher, output: Tensor, target: Tensor, mask: Tensor | None) -> TaskCalibration:
    """The interval of a level is the cone about the mean direction that holds this share of the distribution."""
    mean, truth, valid, _ = likelihood._vectors(output, target, mask, None, "VonMisesFisher")
    log_density = likelihood.distribution(output).log_prob(truth)[valid]
    angle = angle_of(0.5 * (mean - truth).square().sum(-1)[valid])
    coverage = {level: _mean((angle <= likelihood.half_width(level)).to(angle.dtype)) for level in LEVELS}
    return TaskCalibration(nll=-_mean(log_density), coverage=coverage, count=len(angle))


def _classes(likelihood: Categorical, output: Tensor, target: Tensor, mask: Tensor | None) -> TaskCalibration:
    _, labels, weight = likelihood._prepared(output, target, mask, None, "Categorical")
    valid, labels = weight > 0, labels[weight > 0]
    log_probabilities = likelihood.location(output).movedim(1, -1).reshape(-1, output.shape[1])[valid].log_softmax(1)
    chosen = log_probabilities.gather(1, labels.unsqueeze(1)).squeeze(1)
    confidence, answer = log_probabilities.exp().max(1)
    error = expected_calibration_error(confidence, (answer == labels).to(confidence.dtype))
    return TaskCalibration(nll=-_mean(chosen), calibration_error=error, count=len(labels))


def expected_calibration_error(confidence: Tensor, right: Tensor, bins: int = BINS) -> float:
    """Σ over equal bins of confidence: (share of elements)·|mean of ``right`` − mean confidence|.

    >>> expected_calibration_error(torch.tensor([0.75, 0.75]), torch.tensor([1.0, 0.0]))
    0.25
    """
    if not confidence.numel():
        return float("nan")
    confidence, right = at_least_single(confidence), at_least_single(right)
    place = (confidence * bins).ceil().long().clamp(1, bins) - 1
    gap = torch.zeros(bins, dtype=confidence.dtype, device=confidence.device)
    gap.index_add_(0, place, right - confidence)
    return float(gap.abs().sum()) / confidence.numel()


def _mean(values: Tensor) -> float:
    return float(at_least_single(values).mean()) if values.numel() else float("nan")
