"""Von Mises–Fisher noise: unit vectors in space, such as surface normals."""

import math
from typing import Unpack

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints
from torch.nn.functional import normalize

from equipoise._reduction import Sums
from equipoise.functional import at_least_single, increasing_root
from equipoise.likelihoods._masks import as_row_weights, valid_elements
from equipoise.likelihoods._settings import NoiseOptions
from equipoise.likelihoods.likelihood import Likelihood

DIM = 3
SHORTEST = 1e-6
"""Outputs shorter than this are not brought to unit length: their direction is noise."""
LARGEST_S = 40.0
SERIES_BELOW = 1e-2


class VonMisesFisher(Likelihood):
    r"""Unit vectors y in space about the direction of the output: p(y | f) = κ/(4π·sinh κ)·exp(κ·μ·y), with μ = f/|f|.

    The concentration is κ = e^(−s). nll = κ·L + log((1 − e^(−2κ))/κ), the mean over valid vectors, with the raw loss
    L = mean of 1 − μ·y; log 2π is dropped. The weight is κ. At the optimum the mean cosine is 1 − L = coth κ − 1/κ,
    which is solved by bisection; a mean cosine of 0 or less has no solution, and s goes to its upper bound.

    For large κ, σ = e^(s/2) = 1/√κ is the standard deviation, in radians, of the angle about each of two axes. For
    κ → 0 the distribution becomes uniform on the sphere.

    Args:
        axis: the axis of the three components in outputs and targets: 1 (channels) or −1.
        **noise: see ``NoiseSettings``; ``channels`` and ``update="closed_form"`` are not supported.

    Shapes:
        output: ``(N, 3, *)``, or ``(*, 3)`` with ``axis=-1``; of any length. ``location`` and ``predict`` return μ.
        target: the shape of the output, brought to unit length. A target with a NaN component or of length 0 means "no
            label".
        mask, weights: one a vector, broadcastable to the target, or (weights) without its component axis.
        count: the number of valid vectors.

    Raises:
        ValueError: an unsupported setting; in ``forward``, shapes that do not fit.

    Source: Mardia & Jupp, Directional Statistics (2000), section 9.3.2.

    >>> likelihood = VonMisesFisher()
    >>> up, right = torch.tensor([[0.0, -1.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    >>> likelihood(2 * up, up).loss.item(), likelihood(2 * up, right).loss.item()
    (0.0, 1.0)
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
        found, truth, valid, weight = self._vectors(output, target, mask, weights, where)
        losses = 0.5 * (found - truth).square().sum(-1)
        if weight is None:
            return Sums(torch.where(valid, losses, 0.0).sum()[None], valid.sum())
        weight = torch.where(valid, weight, 0.0).to(losses.dtype)
        return Sums((losses * weight).sum()[None], valid.sum(), weight.sum())

    def _vectors(
        self, output: Tensor, target: Tensor, mask: Tensor | None, weights: Tensor | None, where: str
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Mean directions and targets of unit length, components last; which have a label; and their weights.

        Vectors without a label become a constant, so that nothing of them reaches values or gradients.
        """
        self._expect_vectors(output, target, where)
        axis = self._component_axis(output.dim())
        weights = None if weights is None else as_row_weights(weights, target.shape, axis, where)
        known = valid_elements(target, mask, where).movedim(axis, -1)
        output, target = at_least_single(output).movedim(axis, -1), target.movedim(axis, -1)
        valid = known.all(-1) & (torch.where(known, target, 0.0) != 0).any(-1)
        valid = valid if weights is None else valid & (weights > 0)
        constant = torch.eye(DIM, dtype=output.dtype, device=output.device)[-1]  # Made there: a copy would stall a GPU.
        found = normalize(torch.where(valid[..., None], output, constant), dim=-1, eps=SHORTEST)
        truth = normalize(torch.where(valid[..., None], target.to(output.dtype), constant), dim=-1, eps=0.0)
        return found, truth, valid, weights

    def _component_axis(self, dim: int) -> int:
        """The axis of the components, counted from the first; −1 where there is none."""
        return min(self.axis, dim - 1) if self.axis >= 0 else self.axis + dim

    def _expect_vectors(self, output: Tensor, target: Tensor, where: str) -> None:
        axis = self._component_axis(output.dim())
        fits = output.shape == target.shape and 0 <= axis < output.dim() and output.shape[axis] == DIM
        if not fits:
            raise ValueError(
                f"{where}: expected outputs and targets of equal shape with {DIM} components on axis {self.axis}, "
                f"found {tuple(output.shape)} and {tuple(target.shape)}"
            )

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
        """The mean direction μ, in the shape of the output and of unit length."""
        output = at_least_single(output)
        return normalize(output, dim=self._component_axis(output.dim()), eps=SHORTEST)

    def half_width(self, level: float) -> Tensor:
        """The angle about μ, in radians, within which a share ``level`` of the directions lies.

        P(angle ≤ a) = (1 − e^(−κ(1 − cos a)))/(1 − e^(−2κ)), solved for a.
        """
        concentration = torch.exp(-self.log_variance.detach())
        return angle_of(fall_at(concentration, concentration.new_tensor(level)))

    def distribution(self, output: Tensor) -> "VonMisesFisherDistribution":
        """The distribution of directions about the output's; the components move to the last axis."""
        location = self.location(output).movedim(self._component_axis(output.dim()), -1)
        return VonMisesFisherDistribution(location, torch.exp(-self.log_variance.detach()))

    def extra_repr(self) -> str:
        """The axis, and the present s."""
        return f"axis={self.axis}, {super().extra_repr()}"


class VonMisesFisherDistribution(Distribution):
    r"""The von Mises–Fisher distribution of directions in space: p(x) = κ/(4π·sinh κ)·exp(κ·μ·x).

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
        """Exact samples, by inverting the distribution function of the cosine (Ulrich 1984, in three dimensions)."""
        shape = torch.Size(sample_shape) + self.batch_shape
        location, k = self.location.expand(*shape, DIM), self.concentration.expand(shape)
        with torch.no_grad():
            uniform = torch.rand(shape, dtype=location.dtype, device=location.device)
            fall = fall_at(k, uniform)
            aside = torch.randn(*shape, DIM, dtype=location.dtype, device=location.device)
            aside = normalize(aside - (aside * location).sum(-1, keepdim=True) * location, dim=-1)
            sine = torch.sqrt(fall * (2.0 - fall))
            return (1.0 - fall)[..., None] * location + sine[..., None] * aside


def one_minus_mean_cosine(concentration: Tensor) -> Tensor:
    r"""The expectation of 1 − μ·y, which is 1 − (coth κ − 1/κ) = 1/κ − 2/(e^(2κ) − 1); by its series for small κ.

    >>> one_minus_mean_cosine(torch.tensor([1e-9, 1e9]))
    tensor([1.0000e+00, 1.0000e-09])
    """
    small = concentration < SERIES_BELOW
    k = torch.where(small, 1.0, concentration)
    series = 1.0 - concentration / 3.0 + concentration**3 / 45.0
    return torch.where(small, series, 1.0 / k - 2.0 / torch.expm1(2.0 * k))


def fall_at(concentration: Tensor, probability: Tensor) -> Tensor:
    """The v in 0 … 2 with P(1 − μ·y ≤ v) = p: −log(1 − p·(1 − e^(−2κ)))/κ."""
    fall = -torch.log1p(probability * torch.expm1(-2.0 * concentration)) / concentration
    return fall.clamp(0.0, 2.0)


def angle_of(fall: Tensor) -> Tensor:
    """The angle in radians whose cosine is 1 − v, exact for small angles."""
    return 2.0 * torch.asin(torch.sqrt(0.5 * fall))
