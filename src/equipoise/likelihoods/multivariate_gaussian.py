"""Gaussian noise with a full covariance between the outputs of one task."""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from equipoise._execution import is_recomputing
from equipoise._reduction import Sums, over_ranks
from equipoise.functional import at_least_single, regression_residual
from equipoise.likelihoods._covariance import CovarianceNoise, covariance_nll
from equipoise.likelihoods._masks import as_mask, as_weights
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._unit import Unit, difference
from equipoise.likelihoods._watch import warn_of_refit
from equipoise.likelihoods.likelihood import Likelihood


class MultivariateGaussian(Likelihood):
    r"""p(y | f) = N(f, Σ) with a learned Σ: nll = (½·rᵀΣ⁻¹r + ½·log det Σ)/dim, mean over valid rows.

    Outputs and targets are ``(*, dim)``; a row with a NaN component, or a masked one, is no observation. At the optimum
    Σ is the covariance of the residuals (about the prediction). ``log_variance`` is log diag Σ, a vector of dim.
    The raw loss is the mean squared error; nll is not linear in it, so there is no weight. Dropped: ½·log 2π.
    ``count`` is that of valid elements, dim a row.

    A start, fit or refit needs at least dim rows; the covariance of fewer than ten times as many is shrunk towards its
    diagonal.

    Args:
        dim: how many outputs.
        standardize: an offset and scale for each output, see ``Regression``.
        **noise: see ``NoiseSettings``. ``init`` is that of log diag Σ, without correlation; ``prior`` is on each
            standard deviation by itself, not with ``"closed_form"`` or ``"first_batch"``; no channels.
    """

    loss_power = 2
    noise: CovarianceNoise

    def __init__(self, dim: int, *, standardize: bool = True, **noise: Unpack[NoiseOptions]) -> None:
        if noise.get("channels") is not None:
            raise ValueError(f"MultivariateGaussian: channels: expected None, since dim={dim} says how many there are")
        noise["channels"] = dim
        super().__init__(reference=0.0 if standardize else None, **noise)
        settings = self.noise.settings
        if settings.prior is not None and settings.starts_at_first_batch:
            raise ValueError("MultivariateGaussian: prior: expected None with a closed form, which knows no prior")
        self.noise = CovarianceNoise(self.noise.spec)
        self.noise.bank.names = (type(self).__name__,)
        self.dim = dim
        self.summed_rows = 1 + dim * dim
        self.unit = Unit(dim) if standardize else None

    @property
    def _is_pending(self) -> bool:
        """Whether the next training batch may set a start or the unit."""
        return super()._is_pending or (self.unit is not None and not bool(self.unit.is_settled.all()))

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """The raw loss and the scatter matrix Σ r·rᵀ, over valid rows; counted by elements."""
        residual, valid, weight, rows = self._residual(output, target, mask, weights, where)
        weighted = residual if weight is None else residual * weight[:, None]
        with torch.autocast(residual.device.type, enabled=False):
            scatter = residual.T @ weighted
        values = torch.cat([scatter.diagonal().sum()[None], scatter.reshape(-1)])
        return Sums(values, valid.sum() * self.dim, None if weight is None else weight.sum() * self.dim, rows)

    def _empty_sums(self, output: Tensor | None) -> Sums:
        """The sums of a batch without labels."""
        sums = super()._empty_sums(output)
        return sums if sums.count.dim() == 0 else Sums(sums.values[:, 0], sums.count[0])

    def _residual(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Rows of residuals ``(M, dim)``, 0 where they are not valid, which are, their weights, and the unit's rows."""
        if output.shape != target.shape or output.dim() == 0 or output.shape[-1] != self.dim:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape (*, {self.dim}), found {tuple(output.shape)} "
                f"and {tuple(target.shape)}"
            )
        output = at_least_single(output)
        target = at_least_single(target) if target.is_floating_point() else target
        valid = ~torch.isnan(target) if target.is_floating_point() else torch.ones_like(target, dtype=torch.bool)
        if mask is not None:
            valid = valid & as_mask(mask, target.shape, where)
        rows = valid.all(-1)
        weight = None
        if weights is not None:
            row_weights = weights if weights.dim() == 0 or weights.shape == rows.shape else weights[..., 0]
            if weights.dim() == target.dim() and weights.shape[-1] not in (0, 1):
                raise ValueError(f"{where}: expected one weight a row, found weights of shape {tuple(weights.shape)}")
            weight = as_weights(row_weights, rows.shape, where)
            rows = rows & (weight > 0)
            weight = torch.where(rows, weight, 0.0).reshape(-1).to(output.dtype)
        unit_rows = None
        if self.unit is not None:
            columns = self._columns(target, rows)
            unit_rows = self.unit.meet(*columns, moving=self._may_change_state, training=self.training, where=where)
        residual = regression_residual(output, self._dimensionless(target, output.dtype), rows.unsqueeze(-1))
        return residual.reshape(-1, self.dim), rows.reshape(-1), weight, unit_rows

    def _columns(self, target: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        columns = target.reshape(-1, self.dim).T
        return columns, rows.reshape(1, -1).expand(columns.shape)

    def _dimensionless(self, target: Tensor, dtype: torch.dtype) -> Tensor:
        if self.unit is None:
            return target.to(dtype)
        return (difference(target, self.unit.offset, dtype) / self.unit.scale).to(dtype)

    def fit(self, targets: Tensor, mask: Tensor | None = None) -> None:
        """Take the unit of the targets from these, for good. Every rank must call it: all ranks' targets count."""
        if self.unit is None:
            raise ValueError("MultivariateGaussian.fit: expected standardize=True, found a likelihood without a unit")
        valid = ~torch.isnan(targets)
        if mask is not None:
            valid = valid & as_mask(mask, targets.shape, "MultivariateGaussian")
        self.unit.fit(*self._columns(targets, valid.all(-1)), "MultivariateGaussian")

    def _noise_for(self, means: Tensor, count: Tensor) -> Tensor:
        noise, bank = self.noise, self.noise.bank
        if not self._may_change_state:
            return bank.second_pass(noise.span) if self.training and is_recomputing() else bank.values()
        scatter, rows = self.statistic(means), count / self.dim
        variance = scatter.diagonal()
        enough = rows >= (self.dim if noise.settings.starts_at_first_batch else 1)
        with torch.no_grad():
            started = bank.started[0] > 0
            if not bank.by_gradient:
                noise.follow(scatter, rows)
                return bank.values().clone()
            if noise.waits_for_start:
                noise.set_covariance(scatter, rows, ~started)
        # A batch that may not start it counts as no information, but as labels for the optimizer's step.
        statistic = torch.where(enough | started, variance, 0.0)
        return bank.for_batch(noise.span, statistic, count.expand(self.dim), torch.log, training=True)

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """(½·tr(Σ⁻¹·S) + ½·log det Σ)/dim, with S the mean scatter of a row."""
        scatter = self.statistic(means)
        return covariance_nll(scatter, self.noise.correlation_factor().to(scatter.dtype), log_variance)

    def statistic(self, means: Tensor) -> Tensor:
        """The mean scatter matrix of a row: means are by element."""
        return means[1:].reshape(self.dim, self.dim) * self.dim

    def optimum(self, statistic: Tensor) -> Tensor:
        """Log of the diagonal of the residuals' covariance."""
        return statistic.diagonal().log()

    def optimal_covariance(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> Tensor:
        """The Σ that is best for this rank's outputs: the mean of r·rᵀ, ``(dim, dim)``, dimensionless as s is."""
        with self._frozen():
            return self.statistic(self.sums(output, target, mask, weights, where="MultivariateGaussian").means)

    def optimal_log_variance(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> Tensor:
        """Log diag of ``optimal_covariance``; the present one where there is no information."""
        with self._frozen():
            variance = self.optimal_covariance(output, target, mask, weights=weights).diagonal()
            known = torch.isfinite(variance) & (variance > 0)
            return torch.where(known, torch.where(known, variance, 1.0).log(), self.log_variance.to(variance.dtype))

    def refit(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> None:
        """Set Σ to what is best for held-out data, all ranks' together: every rank must call it."""
        with self._frozen():
            (sums,) = over_ranks([self.sums(output, target, mask, weights, where="MultivariateGaussian")])
            covariance = self.statistic(sums.means)
            usable = self.noise.set_covariance(covariance, sums.count / self.dim)
            if bool(usable) and self.noise.prior is not None:
                with torch.enable_grad():
                    self.noise.fit_with_prior(covariance, self.noise.prior)
            best = covariance.diagonal().clamp_min(1e-38).log()
            warn_of_refit(self.noise.bank.names[0], best, usable.expand(self.dim), self.noise.settings.bounds)

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

    def predict(self, output: Tensor, *, probabilities: bool = False) -> Tensor:
        """The predicted vectors in the target's unit; warns while that is unknown."""
        if self.unit is not None:
            self.unit.warn_if_unknown("MultivariateGaussian.predict")
        return self.location(at_least_single(output))

    def to_target_unit(self, value: Tensor, power: int) -> Tensor:
        """Multiplied by each output's scale^power."""
        return value if self.unit is None else value * self.unit.scale**power

    def _raw_loss(self, means: Tensor) -> Tensor:
        """The mean squared error of each output, with its graph."""
        return self.statistic(means).diagonal()

    def _total_raw_loss(self, means: Tensor, shares: Tensor | None, power: int) -> Tensor:
        """The mean squared error of all outputs, with its graph."""
        mean = self.to_target_unit(self._raw_loss(means), power).mean()
        return mean if shares is None else mean * shares

    def _loss_value(self, means: Tensor, mass: Tensor) -> Tensor:
        """The mean squared error in the target's units."""
        return self.to_target_unit(self._raw_loss(means), 2).mean() * mass / mass

    def _prior_nll(self, log_variance: Tensor) -> Tensor:
        """The mean over the outputs, as nll is divided by dim."""
        mean: Tensor = super()._prior_nll(log_variance).mean()
        return mean

    def half_width(self, level: float) -> Tensor:
        """Of each output by itself: √2·erf⁻¹(level)·σ."""
        factor = math.sqrt(2.0) * float(torch.special.erfinv(torch.tensor(level)))
        return self.sigma * factor

    def distribution(self, output: Tensor) -> MultivariateNormal:
        """N(f, Σ) in the target's unit; the last axis is the event."""
        if self.unit is not None:
            self.unit.warn_if_unknown("MultivariateGaussian.distribution")
        return MultivariateNormal(self.location(output), scale_tril=self._scale_tril().detach())

    def extra_repr(self) -> str:
        """The dimension, and the present s."""
        return f"dim={self.dim}, {super().extra_repr()}"
