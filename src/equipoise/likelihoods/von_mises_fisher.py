"""Von Mises-Fisher noise: unit vectors in space, such as surface normals."""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import normalize

from equipoise._reduction import Sums
from equipoise.functional import at_least_single, increasing_root
from equipoise.likelihoods._masks import as_mask, as_weights
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods.likelihood import Likelihood

DIM = 3
SHORTEST = 1e-6
"""Outputs shorter than this are not brought to unit length: their direction is noise."""
LARGEST_S = 40.0
SERIES_BELOW = 1e-2


class VonMisesFisher(Likelihood):
    r"""p(y | f) = C₃(κ)·exp(κ·μ·y) with μ = f/|f|, κ = e^(−s) and C₃(κ) = κ/(4π·sinh κ), for unit vectors y.

    nll = κ·L + log((1 − e^(−2κ))/κ), mean over valid vectors, with the raw loss L = 1 − μ·y. σ = e^(s/2) = 1/√κ is,
    for large κ, the standard deviation of the angle about each of two axes, in radians; κ → 0 is the uniform
    distribution on the sphere. The weight is κ. The optimum of s solves coth κ − 1/κ = 1 − L (the mean cosine), found
    by bisection; there is none for a mean cosine of 0 or less, where s goes to its bound. Dropped: log 2π.

    Outputs need not be unit vectors; ``location`` and ``predict`` give μ. Targets are brought to unit length; one with
    a NaN component, or of length 0, is no label. ``count`` is that of vectors.

    Args:
        axis: the axis of outputs and targets that holds the three components: 1 (channels), or −1.
        **noise: see ``NoiseSettings``; no channels, and no ``update="closed_form"``.

    Source: Mardia & Jupp, Directional Statistics (2000), section 9.3.2.

    >>> likelihood = VonMisesFisher()
    >>> up = torch.tensor([[0.0, -1.0, 0.0]])
    >>> likelihood(2 * up, up).loss.item()
    0.0
    """

    def __init__(self, *, axis: int = 1, **noise: Unpack[NoiseOptions]) -> None:
        if noise.get("channels") is not None:
            raise ValueError("VonMisesFisher: channels: expected None, since one concentration fits whole vectors")
        if noise.get("update") == "closed_form":
            raise ValueError("VonMisesFisher: update: expected 'gradient', found 'closed_form', which it does not have")
        super().__init__(**noise)
        self.axis = axis

    def sums(
        self, output: Tensor, target: Tensor, mask: Tensor | None = None, weights: Tensor | None = None, *, where: str
    ) -> Sums:
        """The sum of 1 − cos over the valid vectors, and their count."""
        axis = self._expect_vectors(output, target, where)
        output, target = at_least_single(output).movedim(axis, -1), target.movedim(axis, -1)
        valid = ~torch.isnan(target)
        if mask is not None:
            valid = valid & as_mask(mask, target.movedim(-1, axis).shape, where).movedim(axis, -1)
        rows = valid.all(-1) & (torch.where(valid, target, 0.0) != 0).any(-1)
        weight = None
        if weights is not None:
            per_row = weights.select(axis, 0) if weights.dim() == target.dim() else weights
            weight = as_weights(per_row, rows.shape, where)
            rows = rows & (weight > 0)
            weight = torch.where(rows, weight, 0.0).to(output.dtype)
        losses = _one_minus_cosine(output, target.to(output.dtype), rows)
        total = losses.sum() if weight is None else (losses * weight).sum()
        return Sums(total[None], rows.sum(), None if weight is None else weight.sum())

    def _expect_vectors(self, output: Tensor, target: Tensor, where: str) -> int:
        """The axis of the components, counted from the first; raises where shapes do not fit."""
        axis = min(self.axis, output.dim() - 1) if self.axis >= 0 else self.axis + output.dim()
        fits = output.shape == target.shape and 0 <= axis < output.dim() and output.shape[axis] == DIM
        if not fits:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape with {DIM} components on axis {self.axis}, "
                f"found {tuple(output.shape)} and {tuple(target.shape)}"
            )
        return axis

    def _blank(self) -> tuple[Tensor, Tensor]:
        output = self.noise.bank.low.new_zeros((1, DIM))
        return output, torch.full_like(output, torch.nan)

    def nll(self, means: Tensor, log_variance: Tensor) -> Tensor:
        """κ·L + log((1 − e^(−2κ))/κ)."""
        concentration = torch.exp(-log_variance)
        return concentration * means[0] + torch.log(-torch.expm1(-2.0 * concentration)) + log_variance

    def _raw_weight(self, log_variance: Tensor) -> Tensor:
        """∂nll/∂loss = κ."""
        return torch.exp(-log_variance)

    def optimum(self, statistic: Tensor) -> Tensor:
        """The s whose κ fits the mean of 1 − cos, the prior included; the upper bound where no κ does."""
        sigma0, strength = self.noise.prior or (0.0, 0.0)

        def slope(s: Tensor) -> Tensor:
            # −∂nll/∂κ, which increases with s = −log κ.
            concentration = torch.exp(-s)
            prior = 0.5 * strength / concentration - 0.5 * strength * sigma0**2
            return one_minus_mean_cosine(concentration) - statistic + prior

        low, high = self.noise.settings.bounds
        return increasing_root(slope, max(low, -LARGEST_S), min(high, LARGEST_S), statistic)

    def location(self, output: Tensor) -> Tensor:
        """The mean direction, of unit length."""
        output = at_least_single(output)
        return normalize(output, dim=min(self.axis, output.dim() - 1), eps=SHORTEST)

    def distribution(self, output: Tensor) -> "VonMisesFisherDistribution":
        """The distribution of directions; the components move to the last axis."""
        location = self.location(output)
        axis = min(self.axis, output.dim() - 1)
        return VonMisesFisherDistribution(location.movedim(axis, -1), torch.exp(-self.log_variance.detach()))

    def extra_repr(self) -> str:
        """The axis, and the present s."""
        return f"axis={self.axis}, {super().extra_repr()}"


class VonMisesFisherDistribution(Distribution):
    r"""Directions in space: p(x) = κ/(4π·sinh κ)·exp(κ·μ·x).

    Args:
        location: μ, unit vectors ``(*, 3)``.
        concentration: κ above 0, broadcastable to ``(*)``.
    """

    arg_constraints = {"concentration": constraints.positive}  # noqa: RUF012

    def __init__(self, location: Tensor, concentration: Tensor) -> None:
        batch_shape = location.shape[:-1]
        self.location, self.concentration = location, concentration.to(location.dtype).expand(batch_shape)
        super().__init__(batch_shape, location.shape[-1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(coth κ − 1/κ)·μ, shorter than 1."""
        return (1.0 - one_minus_mean_cosine(self.concentration))[..., None] * self.location

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density with respect to the sphere's area."""
        k = self.concentration
        loss = 0.5 * (value - self.location).square().sum(-1)
        return -k * loss - torch.log(-torch.expm1(-2.0 * k)) + torch.log(k) - math.log(2.0 * math.pi)

    def sample(self, sample_shape: torch.Size | list[int] | tuple[int, ...] = ()) -> Tensor:
        """Exact, by inverting the distribution function of the cosine (Ulrich 1984, in three dimensions)."""
        shape = torch.Size(sample_shape) + self.batch_shape
        location, k = self.location.expand(*shape, DIM), self.concentration.expand(shape)
        with torch.no_grad():
            uniform = torch.rand(shape, dtype=location.dtype, device=location.device)
            fall = -torch.log1p((1.0 - uniform) * torch.expm1(-2.0 * k)) / k  # 1 − cosine, in 0 … 2
            fall = fall.clamp(0.0, 2.0)
            aside = torch.randn(*shape, DIM, dtype=location.dtype, device=location.device)
            aside = normalize(aside - (aside * location).sum(-1, keepdim=True) * location, dim=-1)
            sine = torch.sqrt(fall * (2.0 - fall))
            return (1.0 - fall)[..., None] * location + sine[..., None] * aside


def one_minus_mean_cosine(concentration: Tensor) -> Tensor:
    r"""1 − (coth κ − 1/κ) = 1/κ − 2/(e^(2κ) − 1), the expectation of 1 − μ·y; by its series for small κ.

    >>> one_minus_mean_cosine(torch.tensor([1e-9, 1e9]))
    tensor([1.0000e+00, 1.0000e-09])
    """
    small = concentration < SERIES_BELOW
    k = torch.where(small, 1.0, concentration)
    series = 1.0 - concentration / 3.0 + concentration**3 / 45.0
    return torch.where(small, series, 1.0 / k - 2.0 / torch.expm1(2.0 * k))


def _one_minus_cosine(output: Tensor, target: Tensor, rows: Tensor) -> Tensor:
    """1 − cos of the angle as ½·|μ − y|², which is never negative and exact for small angles; 0 where not valid."""
    # Invalid vectors become a constant, so that nothing of them reaches values or gradients.
    fill = output.new_tensor([0.0, 0.0, 1.0])
    found = normalize(torch.where(rows[..., None], output, fill), dim=-1, eps=SHORTEST)
    truth = normalize(torch.where(rows[..., None], target, fill), dim=-1, eps=0.0)
    return 0.5 * (found - truth).square().sum(-1)
