"""Gaussian noise with a full covariance between the outputs of one task."""

from typing import Unpack

import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from equipoise._execution import is_recomputing, without_autocast
from equipoise._reduction import Sums, over_ranks
from equipoise.functional import at_least_single, normal_half_width, regression_residual
from equipoise.likelihoods._covariance import CovarianceNoise, covariance_nll
from equipoise.likelihoods._masks import as_row_weights, valid_elements
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods._standardized import Standardized
from equipoise.likelihoods._unit import Unit
from equipoise.likelihoods._watch import warn_of_refit


class MultivariateGaussian(Standardized):
    r"""Several outputs whose errors go together: p(y | f) = N(f, Σ) with a learned covariance Σ.

    nll = (½·rᵀΣ⁻¹r + ½·log det Σ)/dim with r = y − f, the mean over valid rows; ½·log 2π is dropped. At the optimum Σ
    is the mean of r·rᵀ. The raw loss is the mean squared error. nll is not linear in it, so ``weight`` is ``None``.
    ``log_variance`` is log diag Σ.

    A start, fit or refit needs at least dim rows. The covariance of fewer than ten times as many is shrunk towards its
    diagonal.

    Args:
        dim: the number of outputs.
        standardize: whether the likelihood owns its target's unit, an offset and a scale for each output; see
            ``Regression``.
        **noise: see ``NoiseSettings``. ``init`` is that of log diag Σ, with no correlation. ``prior`` applies to each
            standard deviation by itself, and is refused with ``"closed_form"`` and ``"first_batch"``. ``channels`` is
            refused.

    Shapes:
        output, target: ``(*, dim)``. A row with a NaN or masked component means "no label".
        weights: one a row, ``(*)`` or ``(*, 1)``.
        log_variance, sigma: ``(dim,)``; ``covariance``: ``(dim, dim)``.
        count: the number of valid elements, dim for each row.

    Raises:
        ValueError: a refused setting; in ``forward``, shapes that do not fit. For all others see ``Likelihood``.

    >>> likelihood = MultivariateGaussian(2, standardize=False)
    >>> likelihood(torch.zeros(4, 2), torch.tensor([[1.0, 1.0], [-1.0, -1.0], [2.0, 2.0], [-2.0, -2.0]])).loss.item()
    2.5
    >>> likelihood.covariance.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
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

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """The raw loss and the scatter matrix Σ r·rᵀ, over valid rows; counted by elements."""
        residual, valid, weight, rows = self._residual(output, target, mask, weights, where)
        weighted = residual if weight is None else residual * weight[:, None]
        with without_autocast(residual):
            scatter = residual.T @ weighted
        values = torch.cat([scatter.diagonal().sum()[None], scatter.reshape(-1)])
        return Sums(values, valid.sum() * self.dim, None if weight is None else weight.sum() * self.dim, rows)

    @property
    def _sums_shape(self) -> tuple[int, ...]:
        return (self.summed_rows,)

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
        rows = valid_elements(target, mask, where).all(-1)
        weight = None
        if weights is not None:
            weight = as_row_weights(weights, target.shape, target.dim() - 1, where)
            rows = rows & (weight > 0)
            weight = torch.where(rows, weight, 0.0).reshape(-1).to(output.dtype)
        unit_rows = self._take_unit(target, rows.unsqueeze(-1).expand(target.shape), where)
        residual = regression_residual(output, self._dimensionless(target, output.dtype), rows.unsqueeze(-1))
        return residual.reshape(-1, self.dim), rows.reshape(-1), weight, unit_rows

    def _unit_columns(self, target: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
        rows = valid.all(-1)
        columns = target.reshape(-1, self.dim).T
        return columns, rows.reshape(1, -1).expand(columns.shape)

    def _noise_for(self, means: Tensor, count: Tensor) -> Tensor:
        noise, bank = self.noise, self.noise.bank
        if not self._is_moving:
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
        """The Σ that minimises this rank's nll for these outputs: the mean of r·rᵀ, ``(dim, dim)``.

        It is dimensionless where the likelihood owns its target's unit, and changes no state. Arguments: see
        ``forward``.
        """
        with self._asking():
            return self.statistic(self.sums(output, target, mask, weights, where="MultivariateGaussian").means)

    def optimal_log_variance(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> Tensor:
        """Log diag of ``optimal_covariance``; the present s where the data do not determine it. See ``forward``."""
        with self._asking():
            variance = self.optimal_covariance(output, target, mask, weights=weights).diagonal()
            known = torch.isfinite(variance) & (variance > 0)
            return torch.where(known, torch.where(known, variance, 1.0).log(), self.log_variance.to(variance.dtype))

    def refit(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, *, weights: Tensor | None = None
    ) -> None:
        """Set Σ to its best value for held-out data, those of all ranks together; every rank must call it.

        Σ stays as it was, with a warning, where the data do not determine it. Arguments: see ``forward``.
        """
        with self._asking():
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
        """Σ in the target's unit, ``(dim, dim)``, detached."""
        factor = self._scale_tril().detach()
        return factor @ factor.T

    def _scale_tril(self) -> Tensor:
        deviation = torch.exp(0.5 * self.log_variance)
        if self.unit is not None:
            deviation = deviation * self.unit.scale
        factor: Tensor = self.noise.correlation_factor() * deviation[:, None]
        return factor

    def _raw_losses(self, means: Tensor, power: int) -> Tensor:
        """The mean squared error over all outputs."""
        return self._to_target_unit(self.statistic(means).diagonal(), power).mean()

    def half_width(self, level: float) -> Tensor:
        """That of each output by itself, √2·erf⁻¹(level)·σ in the target's unit, ``(dim,)``."""
        return self.sigma * normal_half_width(level)

    def distribution(self, output: Tensor) -> MultivariateNormal:
        """N(f, Σ) in the target's unit; the last axis is that of the event."""
        self._warn_if_unit_unknown("distribution")
        return MultivariateNormal(self.location(output), scale_tril=self._scale_tril().detach())

    def extra_repr(self) -> str:
        """The dimension, and the present s."""
        return f"dim={self.dim}, {super().extra_repr()}"
