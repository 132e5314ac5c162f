"""The formulas of the likelihoods: negative log-likelihoods, the log-variances that minimise them, and numerics.

Notation: s = log σ² is the log-variance; L is a mean raw loss (squared error, absolute error, cross entropy) of 0 or
more. Constants are dropped. All functions work element by element on floating-point tensors of any shape.
"""

import math
from collections.abc import Callable
from statistics import NormalDist

import torch
from torch import Tensor

SQRT2 = math.sqrt(2.0)


def linear_nll(
    loss: Tensor, log_variance: Tensor, log_coefficient: Tensor, negative_rate: Tensor, penalty: Tensor
) -> Tensor:
    r"""a·e^(−r·s)·L + p·s, for many tasks at once: covers every likelihood whose nll is linear in its raw loss L.

    (a, r, p) is (½, 1, ½) for a Gaussian (Kendall, Gal & Cipolla, CVPR 2018, eq. 5, without ½·log 2π) and for the
    paper's L1 loss; (√2, ½, ½) for a Laplace (s = log 2b², without ½·log 2); (1, 1, ½) for the paper's approximate
    classification (eq. 10); and (1, 1, 1) for PoseNet (Kendall & Cipolla, CVPR 2017).

    The arguments are log a and −r because that saves operations. Plain products are used because the backward pass of
    ``addcmul`` makes twice as many operations.

    >>> half = torch.tensor(0.5)
    >>> linear_nll(torch.tensor(4.0), torch.tensor(0.0), half.log(), torch.tensor(-1.0), half)
    tensor(2.)
    """
    return torch.exp(log_coefficient + negative_rate * log_variance) * loss + penalty * log_variance


def linear_optimum(
    loss: Tensor,
    coefficient: float | Tensor,
    rate: float | Tensor,
    penalty: float | Tensor,
    sigma0: float | Tensor,
    strength: float | Tensor,
) -> Tensor:
    r"""The s that minimises ``linear_nll`` + ``prior_nll``, for rates of 1 or ½. Strength 0 means no prior.

    For rate 1, e^s = (a·L + ½kσ₀²)/(p + ½k). For rate ½, u = e^(−s/2) solves kσ₀²·u² + a·L·u − (2p + k) = 0.

    >>> linear_optimum(torch.tensor(3.0), 0.5, 1.0, 0.5, 0.0, 0.0).exp()  # a Gaussian's variance is its mean square
    tensor(3.)
    >>> linear_optimum(torch.tensor(3.0), SQRT2, 0.5, 0.5, 0.0, 0.0).exp().round()  # a Laplace's is 2·MAE²
    tensor(18.)
    """
    linear = coefficient * loss
    observed = 0.5 * strength * sigma0**2
    whole = torch.log((linear + observed) / (penalty + 0.5 * strength))
    constant = 2.0 * penalty + strength
    root = torch.sqrt(linear.square() + 8.0 * observed * constant)
    half = 2.0 * torch.log((linear + root) / (2.0 * constant))
    if isinstance(rate, Tensor):
        return torch.where(rate == 1.0, whole, half)
    return whole if rate == 1.0 else half


def prior_nll(log_variance: Tensor, sigma0: float | Tensor, strength: float | Tensor) -> Tensor:
    r"""strength·(½·s + ½·σ₀²·e^(−s)): as if that fraction of each batch were observations with error σ₀."""
    return strength * (0.5 * log_variance + 0.5 * sigma0**2 * torch.exp(-log_variance))


def log1p_nll(loss: Tensor, log_variance: Tensor, coefficient: float) -> Tensor:
    r"""coefficient·e^(−s)·L + log(1 + e^s), which is never negative. Source: Liebel & Körner (arXiv 1805.06334)."""
    return coefficient * torch.exp(-log_variance) * loss + torch.nn.functional.softplus(log_variance)


def log1p_optimum(loss: Tensor, coefficient: float) -> Tensor:
    r"""The s that minimises ``log1p_nll``: v = e^s solves v² = coefficient·L·(1 + v)."""
    scaled = coefficient * loss
    return torch.log(0.5 * (scaled + torch.sqrt(scaled**2 + 4.0 * scaled)))


def regression_residual(output: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Output − target where valid, else 0. A NaN in an invalid element reaches neither the value nor the gradient."""
    return torch.where(valid, output - target, 0.0)


def at_least_single(tensor: Tensor) -> Tensor:
    """Convert half precision to float32, which sums over many elements need."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def increasing_root(
    slope: Callable[[Tensor], Tensor], low: float, high: float, like: Tensor, steps: int = 60
) -> Tensor:
    """Find where an increasing function of s crosses zero, by bisection between ``low`` and ``high``.

    Works element by element. Where there is no root in between, the result is the end nearer to it.

    >>> increasing_root(lambda s: s - 3.0, -10.0, 10.0, torch.zeros(2))
    tensor([3., 3.])
    """
    lower, upper = torch.full_like(like, low), torch.full_like(like, high)
    for _ in range(steps if like.dtype == torch.float64 else min(steps, 40)):
        middle = 0.5 * (lower + upper)
        above = slope(middle) > 0
        lower, upper = torch.where(above, lower, middle), torch.where(above, middle, upper)
    return 0.5 * (lower + upper)


def normal_half_width(level: float) -> float:
    """The a with P(|z| ≤ a) = level for a standard normal z.

    >>> round(normal_half_width(0.95), 2)
    1.96
    """
    return NormalDist().inv_cdf(0.5 + 0.5 * level)


def student_t_quantile(df: float, probability: float) -> float:
    """The quantile of Student's t distribution with ``df`` degrees of freedom.

    Integrates the density by the trapezoid rule after substituting x = √ν·tan θ. The error is below 0.1 % for df ≥ 1
    and grows below that, where the density of θ has poles at its ends.

    >>> round(student_t_quantile(1.0, 0.75), 6)  # Cauchy
    1.0
    """
    angle = torch.linspace(-math.pi / 2, math.pi / 2, 200_001, dtype=torch.float64, device="cpu")
    # The density of θ is cos(θ)^(ν−1), up to a constant.
    density = torch.cos(angle).clamp_min(1e-300) ** (df - 1)
    density[0] = density[-1] = 0.0 if df > 1 else float(density[1])
    mass = torch.cumulative_trapezoid(density, angle)
    index = int(torch.searchsorted(mass, probability * mass[-1]))
    below = float(mass[index - 1]) if index else 0.0
    part = (probability * float(mass[-1]) - below) / (float(mass[index]) - below)
    theta = float(angle[index]) + part * float(angle[1] - angle[0])
    return math.sqrt(df) * math.tan(theta)
