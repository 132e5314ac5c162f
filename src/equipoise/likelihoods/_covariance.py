"""A full covariance Σ = D·R·Rᵀ·D of the noise: D the standard deviations, R the Cholesky factor of the correlations."""

import math

import torch
from torch import Tensor, nn

from equipoise._execution import without_autocast
from equipoise.functional import prior_nll
from equipoise.likelihoods._bank import NoiseBank
from equipoise.likelihoods._noise import Noise
from equipoise.likelihoods._sharding import as_stored, full, is_sharded, local
from equipoise.likelihoods._spec import NoiseSpec

PLENTY = 10
"""A sample covariance of this many rows per dimension or more is used unchanged; one of fewer rows is shrunk."""


class CovarianceNoise(Noise):
    """D = diag e^(s/2), and R = I plus a strictly lower triangle, its rows scaled to length one.

    Hence diag Σ = e^s exactly, and every value of the parameters gives a covariance.
    """

    lower: Tensor
    scatter: Tensor

    def __init__(self, spec: NoiseSpec) -> None:
        super().__init__(NoiseBank([spec]), 0, spec)
        dim = spec.size
        if self.bank.by_gradient:
            self.lower = nn.Parameter(torch.empty(dim, dim))
        else:
            self.register_buffer("lower", torch.empty(dim, dim))
            # Running sums of w, w·rows and w·scatter.
            self.register_buffer("scatter", torch.empty(2 + dim * dim))
        self.reset_parameters()

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Reset to no correlation, as is needed after ``to_empty``."""
        self.bank.reset_parameters()
        local(self.lower).zero_()
        if not self.bank.by_gradient:
            self.scatter.zero_()

    def correlation_factor(self) -> Tensor:
        """R."""
        return correlation_factor(full(self.lower))

    @torch.no_grad()
    def follow(self, scatter: Tensor, rows: Tensor) -> None:
        """Add a batch to the running scatter, and follow it once it has as many rows as dimensions."""
        informed = (rows > 0) & torch.isfinite(scatter).all() & (scatter.diagonal() > 0).all()
        seen = informed.to(self.scatter.dtype)
        momentum = self.bank.momentum
        keep = 1.0 - seen * (1.0 - momentum)
        new = torch.cat([torch.ones(2, device=scatter.device, dtype=scatter.dtype), scatter.reshape(-1)])
        new[1] = rows
        self.scatter.mul_(keep).add_((1.0 - keep) * torch.nan_to_num(new).to(self.scatter.dtype))
        weight, total = self.scatter[0], self.scatter[2:].reshape(len(scatter), -1)
        effective = self.scatter[1] / (1.0 - momentum)
        self.set_covariance(total / torch.where(weight > 0, weight, 1.0), effective)

    @torch.no_grad()
    def set_covariance(self, covariance: Tensor, rows: Tensor, where: Tensor | bool = True) -> Tensor:
        """Set s and R to a sample covariance of ``rows`` rows; return whether it was usable.

        It is not usable with fewer rows than dimensions, a zero variance or entries that are not finite. A covariance
        of few rows is shrunk towards its diagonal: by half for as many rows as dimensions, not at all for ten times as
        many.
        """
        dim = len(covariance)
        usable = (rows >= dim) & torch.isfinite(covariance).all() & (covariance.diagonal() > 0).all() & where
        low, high = self.settings.bounds
        variance = covariance.diagonal().clamp(math.exp(low), math.exp(high))
        eye = torch.eye(dim, dtype=covariance.dtype, device=covariance.device)
        safe = torch.where(usable, covariance / variance.sqrt() / variance.sqrt()[:, None], eye)
        shrink = 0.5 * ((PLENTY * dim - rows) / ((PLENTY - 1) * dim)).clamp(1e-7, 1.0)
        factor, failed = torch.linalg.cholesky_ex(safe + shrink * (eye - safe))
        # Rounding alone can still make it fail: then take the deviations without correlations.
        factor = torch.where(failed == 0, factor, eye)
        lower = (factor / factor.diagonal()[:, None]).tril(-1)
        usable = usable & torch.isfinite(lower).all()
        self._put_lower(torch.where(usable, lower.to(self.lower.dtype), full(self.lower)))
        self.set_log_variance(variance.log(), usable.expand(dim))
        return usable

    def _put_lower(self, value: Tensor) -> None:
        if not is_sharded(self.lower):
            self.lower.copy_(value)
            return
        local(self.lower).copy_(as_stored(value, self.lower))

    def tensors(self) -> dict[str, Tensor]:
        """What is saved, by name."""
        found = super().tensors() | {"lower": full(self.lower.detach())}
        return found if self.bank.by_gradient else found | {"scatter": self.scatter}

    def put(self, name: str, value: Tensor) -> None:
        """Set one of ``tensors``."""
        if name == "lower":
            with torch.no_grad():
                self._put_lower(value.detach().to(self.bank.low.device))
        elif name == "scatter":
            self.scatter.copy_(value)
        else:
            super().put(name, value)

    def fit_with_prior(self, covariance: Tensor, prior: tuple[float, float]) -> None:
        """Move s and R to the minimum of nll plus prior by L-BFGS, since there is no closed form."""
        s = self.bank.values().detach().double().clone().requires_grad_()
        lower = full(self.lower).detach().double().clone().requires_grad_()
        scatter = covariance.double()
        optimizer = torch.optim.LBFGS([s, lower], max_iter=200, tolerance_grad=1e-12, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = covariance_nll(scatter, correlation_factor(lower), s) + prior_nll(s, *prior).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self._put_lower(lower.tril(-1).to(self.lower.dtype))
            self.set_log_variance(s)


def correlation_factor(lower: Tensor) -> Tensor:
    """R of the strictly lower triangle of its unscaled rows."""
    factor = torch.eye(len(lower), dtype=lower.dtype, device=lower.device) + lower.tril(-1)
    scaled: Tensor = factor / torch.linalg.vector_norm(factor, dim=1, keepdim=True)
    return scaled


def covariance_nll(scatter: Tensor, factor: Tensor, log_variance: Tensor) -> Tensor:
    """(½·tr(Σ⁻¹·S) + ½·log det Σ)/dim, with S the mean scatter of a row and Σ = D·R·Rᵀ·D."""
    scale = torch.exp(-0.5 * log_variance)
    with without_autocast(scatter):
        whitened = torch.linalg.solve_triangular(factor, scatter * scale * scale[:, None], upper=False)
        whitened = torch.linalg.solve_triangular(factor, whitened.T, upper=False)
    log_determinant = log_variance.sum() + 2 * factor.diagonal().log().sum()
    nll: Tensor = 0.5 * (whitened.diagonal().sum() + log_determinant) / len(factor)
    return nll
