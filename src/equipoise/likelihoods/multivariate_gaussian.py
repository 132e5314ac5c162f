"""Gaussian noise with a full covariance between the outputs of one task."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import MultivariateNormal

from equipoise.functional import at_least_single, regression_residual
from equipoise.likelihoods.likelihood import Likelihood
from equipoise.likelihoods.masks import as_mask
from equipoise.likelihoods.noise import Init, Noise, Update
from equipoise.likelihoods.unit import Unit
from equipoise.reduction import Sums


class CovarianceNoise(Noise):
    """Σ = D·R·Rᵀ·D: D = diag e^(s/2) the standard deviations, R the Cholesky factor of the correlations.

    R is I plus a strictly lower triangle, its rows scaled to length one: so diag Σ = e^s exactly, and every value of
    the parameters is a covariance.
    """

    lower: Tensor

    def __init__(self, dim: int, update: Update, **noise: Any) -> None:
        super().__init__(channels=dim, update=update, **noise)
        start = torch.zeros(dim, dim)
        if update == "gradient":
            self.lower = nn.Parameter(start)
        else:
            self.register_buffer("lower", start)
            self.running_mean, self.running_weight = torch.zeros(dim, dim), torch.zeros(())

    def correlation_factor(self) -> Tensor:
        """R."""
        factor = torch.eye(len(self.lower), dtype=self.lower.dtype, device=self.lower.device) + self.lower.tril(-1)
        scaled: Tensor = factor / torch.linalg.vector_norm(factor, dim=1, keepdim=True)
        return scaled

    def set_covariance(self, covariance: Tensor, usable: Tensor) -> None:
        """Put s and R to those of a covariance, where ``usable``."""
        dim = len(covariance)
        variance = covariance.diagonal().clamp(math.exp(self.bounds[0]), math.exp(self.bounds[1]))
        deviation = variance.sqrt()
        correlation = covariance / deviation / deviation[:, None]
        # A sample of fewer rows than outputs has no inverse: a little of the diagonal gives one.
        eye = torch.eye(dim, dtype=covariance.dtype, device=covariance.device)
        factor, _ = torch.linalg.cholesky_ex(torch.where(usable, correlation * (1 - 1e-6), 0.0) + eye * 1e-6)
        lower = (factor / factor.diagonal()[:, None]).tril(-1)
        usable = usable & torch.isfinite(lower).all()
        self.log_variance.copy_(torch.where(usable, variance.log().to(self.log_variance.dtype), self.log_variance))
        self.lower.copy_(torch.where(usable, lower.to(self.lower.dtype), self.lower))

    def _track(self, statistic: Tensor, count: Tensor, optimum: Any) -> None:
        seen = (count > 0) & torch.isfinite(statistic).all()
        keep = torch.where(seen, self.momentum, 1.0)
        self.running_mean.mul_(keep).add_((1.0 - keep) * torch.where(seen, statistic, 0.0).to(self.running_mean.dtype))
        self.running_weight.mul_(keep).add_(1.0 - keep)
        self.set_covariance(self.running_mean / self.running_weight.clamp_min(1e-12), self.running_weight > 0)
        if self.pending and not torch.compiler.is_compiling():
            self.pending = not bool(self.running_weight > 0)

    def _start(self, statistic: Tensor, count: Tensor, optimum: Any) -> Tensor:
        usable = (count > 0) & torch.isfinite(statistic).all() & ~self.initialized
        self.set_covariance(statistic, usable)
        self.initialized.logical_or_(usable)
        if not torch.compiler.is_compiling():
            self.pending = not bool(self.initialized)
        return usable


class MultivariateGaussian(Likelihood):
    r"""p(y | f) = N(f, Σ) with a learned Σ: nll = (½·rᵀΣ⁻¹r + ½·log det Σ)/dim, mean over valid rows.

    Outputs and targets are ``(*, dim)``; a row with a NaN component, or a masked one, is no observation. At the optimum
    Σ is the covariance of the residuals (about the prediction). ``log_variance`` is log diag Σ, a vector of dim.
    The raw loss is the mean squared error; nll is not linear in it, so there is no weight. Dropped: ½·log 2π.
    ``count`` is that of valid elements, dim a row.

    Args:
        dim: how many outputs.
        init: of log diag Σ, without correlation; or ``"first_batch"``.
        update: ``"gradient"``, or ``"closed_form"``: Σ follows the running covariance of the residuals.
        momentum: of that.
        bounds: of log diag Σ.
        prior: (σ₀, strength), on each standard deviation by itself; not with ``"closed_form"`` or ``"first_batch"``.
        standardize: an offset and scale for each output, see ``Regression``.
    """

    loss_power = 2
    noise: CovarianceNoise

    def __init__(
        self,
        dim: int,
        *,
        init: Init = 0.0,
        update: Update = "gradient",
        momentum: float = 0.99,
        bounds: tuple[float, float] = (-40.0, 40.0),
        prior: tuple[float, float] | None = None,
        standardize: bool = False,
    ) -> None:
        super().__init__()
        if prior is not None and (update == "closed_form" or init == "first_batch"):
            raise ValueError("MultivariateGaussian: prior: expected None with a closed form, which knows no prior")
        self.noise = CovarianceNoise(dim, update, init=init, momentum=momentum, bounds=bounds, prior=prior)
        self.dim = dim
        self.unit = Unit(dim) if standardize else None

    def sums(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> Sums:
        """The raw loss and the scatter matrix Σ r·rᵀ, over valid rows; counted by elements."""
        residual, valid = self._residual(output, target, mask, where)
        with torch.autocast(residual.device.type, enabled=False):
            scatter = residual.T @ residual
        values = torch.cat([scatter.diagonal().sum()[None], scatter.reshape(-1)])
        return Sums(values, valid.sum() * self.dim)

    def _residual(self, output: Tensor, target: Tensor, mask: Tensor | None, where: str) -> tuple[Tensor, Tensor]:
        """Rows of residuals ``(M, dim)``, 0 where they are not valid, and which are."""
        if output.shape != target.shape or output.dim() == 0 or output.shape[-1] != self.dim:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape (*, {self.dim}), found {tuple(output.shape)} "
                f"and {tuple(target.shape)}"
            )
        output = at_least_single(output)
        target = target if target.is_floating_point() else target.to(output.dtype)
        valid = ~torch.isnan(target)
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        rows = valid.all(-1)
        if self.unit is not None:
            if self.training and self.unit.pending:
                columns = target.reshape(-1, self.dim).T
                self.unit.fit(columns, rows.reshape(1, -1).expand(columns.shape), where, only_if_new=True)
            target = (target - self.unit.offset) / self.unit.scale
        residual = regression_residual(output, target.to(output.dtype), rows.unsqueeze(-1))
        return residual.reshape(-1, self.dim), rows.reshape(-1)

    def fit(self, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take the unit of the targets from these instead of the first batch."""
        if self.unit is None:
            raise ValueError("MultivariateGaussian.fit: expected standardize=True, found a likelihood without a unit")
        valid = ~torch.isnan(targets)
        if mask is not None:
            valid = valid & as_mask(mask, targets.shape, "MultivariateGaussian")
        columns = targets.reshape(-1, self.dim).T
        self.unit.fit(columns, valid.all(-1).reshape(1, -1).expand(columns.shape), "MultivariateGaussian")

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """(½·tr(Σ⁻¹·S) + ½·log det Σ)/dim, with S the mean scatter of a row."""
        scatter = self.statistic(means)
        factor = self.noise.correlation_factor().to(scatter.dtype)
        scale = torch.exp(-0.5 * log_variance)
        with torch.autocast(scatter.device.type, enabled=False):
            whitened = torch.linalg.solve_triangular(factor, scatter * scale * scale[:, None], upper=False)
            whitened = torch.linalg.solve_triangular(factor, whitened.T, upper=False)
        log_determinant = log_variance.sum() + 2 * factor.diagonal().log().sum()
        nll: Tensor = 0.5 * (whitened.diagonal().sum() + log_determinant) / self.dim
        return nll

    def statistic(self, means: Tensor) -> Tensor:
        """The mean scatter matrix of a row: means are by element."""
        return means[1:].reshape(self.dim, self.dim) * self.dim

    def optimum(self, statistic: Tensor) -> Tensor:
        """Log of the diagonal of the residuals' covariance."""
        return statistic.diagonal().log()

    @torch.no_grad()
    def optimal_covariance(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """The Σ that is best for these outputs: the mean of r·rᵀ, ``(dim, dim)``, dimensionless as s is."""
        sums = self.sums(output, target, mask, "MultivariateGaussian")
        return self.statistic(sums.values / sums.count.clamp_min(1))

    @torch.no_grad()
    def optimal_log_variance(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> Tensor:
        """Log diag of ``optimal_covariance``; the present one where no row is valid."""
        _, valid = self._residual(output, target, mask, "MultivariateGaussian")
        best = self.optimal_covariance(output, target, mask).diagonal().log()
        return torch.where(valid.any(), best, self.log_variance.to(best.dtype))

    @torch.no_grad()
    def refit(self, output: Tensor, target: Tensor, mask: Tensor | None = None) -> None:
        """Set Σ to what is best for held-out data."""
        covariance = self.optimal_covariance(output, target, mask)
        self.noise.set_covariance(covariance, torch.isfinite(covariance).all() & (covariance.diagonal() > 0).all())

    @property
    def covariance(self) -> Tensor:
        """Σ in the target's unit, detached."""
        factor = self._scale_tril().detach()
        return factor @ factor.T

    def _scale_tril(self) -> Tensor:
        deviation = torch.exp(0.5 * self.log_variance)
        if self.unit is not None:
            deviation = deviation * self.unit.scale
        factor: Tensor = self.noise.correlation_factor() * deviation[:, None]
        return factor

    def location(self, output: Tensor) -> Tensor:
        """The predicted vectors in the target's unit."""
        return output if self.unit is None else output * self.unit.scale + self.unit.offset

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Multiplied by each output's scale^power."""
        return value if self.unit is None else value * self.unit.scale**power

    def loss_value(self, means: Tensor, count: Tensor) -> Tensor:
        """The mean squared error in the target's units."""
        return self.to_target_unit(self.statistic(means).diagonal(), 2).mean() * count / count

    def prior_nll(self, log_variance: Tensor) -> Tensor:
        """The mean over the outputs, as nll is divided by dim."""
        mean: Tensor = super().prior_nll(log_variance).mean()
        return mean

    def half_width(self, level: float) -> Tensor:
        """Of each output by itself: √2·erf⁻¹(level)·σ."""
        factor = math.sqrt(2.0) * float(torch.special.erfinv(torch.tensor(level)))
        return self.sigma * factor

    def distribution(self, output: Tensor) -> MultivariateNormal:
        """N(f, Σ) in the target's unit; the last axis is the event."""
        return MultivariateNormal(self.location(output), scale_tril=self._scale_tril().detach())

    def extra_repr(self) -> str:
        """The dimension, and the present s."""
        return f"dim={self.dim}, {super().extra_repr()}"
