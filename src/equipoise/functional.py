"""The pure functions behind the likelihoods: negative log-likelihoods, their optima, and what is valid.

Legend: s = log σ² is the log-variance, L a mean raw loss (squared error, absolute error, cross entropy). Constants are
dropped. Every function works on tensors of any shape, element by element.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

SQRT2 = math.sqrt(2.0)


def gaussian_nll(squared_error: Tensor, log_variance: Tensor) -> Tensor:
    r"""½·e^(−s)·L + ½·s, with L the (mean) squared error: −log N(y; f, σ²) without ½·log 2π.

    Source: Kendall, Gal & Cipolla (CVPR 2018), eq. 5.

    >>> gaussian_nll(torch.tensor(4.0), torch.tensor(0.0))
    tensor(2.)
    """
    return 0.5 * torch.exp(-log_variance) * squared_error + 0.5 * log_variance


def laplace_nll(absolute_error: Tensor, log_variance: Tensor) -> Tensor:
    r"""√2·e^(−s/2)·L + ½·s, with L the (mean) absolute error: −log Laplace(y; f, b).

    s = log 2b², so that σ is the standard deviation.

    The derivation that fits training with L1. The paper trains L1 but weighs it like a Gaussian: ``scaled_nll``.
    Dropped: ½·log 2.
    """
    return SQRT2 * torch.exp(-0.5 * log_variance) * absolute_error + 0.5 * log_variance


def scaled_nll(loss: Tensor, log_variance: Tensor, coefficient: float, penalty: float) -> Tensor:
    r"""coefficient·e^(−s)·L + penalty·s.

    (1, ½): the paper's approximate classification, e^(−s)·CE + ½·s. (½, ½): the paper's L1. (1, 1): PoseNet (Kendall &
    Cipolla, CVPR 2017).
    """
    return coefficient * torch.exp(-log_variance) * loss + penalty * log_variance


def log1p_nll(loss: Tensor, log_variance: Tensor, coefficient: float) -> Tensor:
    r"""coefficient·e^(−s)·L + log(1 + e^s), the penalty of Liebel & Körner (arXiv 1805.06334), never below zero."""
    return coefficient * torch.exp(-log_variance) * loss + torch.nn.functional.softplus(log_variance)


def prior_nll(log_variance: Tensor, sigma0: float | Tensor, strength: float | Tensor) -> Tensor:
    r"""strength·(½·s + ½·σ₀²·e^(−s)): as if that fraction of each batch were observations with error σ₀."""
    return strength * (0.5 * log_variance + 0.5 * sigma0**2 * torch.exp(-log_variance))


def scaled_optimum(
    loss: Tensor, coefficient: float, penalty: float, prior: tuple[float, float] | None = None
) -> Tensor:
    r"""The s that minimises ``scaled_nll`` (+ prior): e^s = (coefficient·L + ½kσ₀²) / (penalty + ½k).

    >>> scaled_optimum(torch.tensor(3.0), 0.5, 0.5).exp()  # a Gaussian's variance is its mean squared error
    tensor(3.)
    """
    sigma0, strength = prior or (0.0, 0.0)
    return torch.log((coefficient * loss + 0.5 * strength * sigma0**2) / (penalty + 0.5 * strength))


def laplace_optimum(loss: Tensor, prior: tuple[float, float] | None = None) -> Tensor:
    r"""The s that minimises ``laplace_nll`` (+ prior): b = L, so e^s = 2·L².

    With a prior (σ₀, k), u = e^(−s/2) solves k·σ₀²·u² + √2·L·u − (1 + k) = 0.
    """
    if prior is None:
        return math.log(2.0) + 2.0 * torch.log(loss)
    sigma0, strength = prior
    linear = SQRT2 * loss
    root = torch.sqrt(linear**2 + 4.0 * strength * sigma0**2 * (1.0 + strength))
    return 2.0 * torch.log((linear + root) / (2.0 * (1.0 + strength)))


def linear_nll(
    loss: Tensor, log_variance: Tensor, log_coefficient: Tensor, negative_rate: Tensor, penalty: Tensor
) -> Tensor:
    r"""a·e^(−r·s)·L + p·s for many tasks at once: every form here that is linear in its raw loss L.

    (a, r, p): Gaussian (½, 1, ½), Laplace (√2, ½, ½), the paper's L1 (½, 1, ½), approximate classes (1, 1, ½). Given as
    log a and −r. Plain products, since the backward pass of ``addcmul`` makes twice as many operations.

    >>> half = torch.tensor(0.5)
    >>> linear_nll(torch.tensor(4.0), torch.tensor(0.0), half.log(), torch.tensor(-1.0), half)
    tensor(2.)
    """
    return torch.exp(log_coefficient + negative_rate * log_variance) * loss + penalty * log_variance


def linear_optimum(
    loss: Tensor, coefficient: Tensor, rate: Tensor, penalty: Tensor, sigma0: Tensor, strength: Tensor
) -> Tensor:
    r"""The s that minimises ``linear_nll`` + ``prior_nll``, for rates of 1 or ½; strength 0 is no prior.

    Rate 1: e^s = (a·L + ½kσ₀²)/(p + ½k). Rate ½: u = e^(−s/2) solves kσ₀²·u² + a·L·u − (2p + k) = 0.

    >>> one, half = torch.tensor(1.0), torch.tensor(0.5)
    >>> linear_optimum(torch.tensor(3.0), half, one, half, 0 * one, 0 * one).exp()
    tensor(3.)
    """
    linear = coefficient * loss
    observed = 0.5 * strength * sigma0.square()
    whole = torch.log((linear + observed) / (penalty + 0.5 * strength))
    constant = 2.0 * penalty + strength
    root = torch.sqrt(linear.square() + 8.0 * observed * constant)
    half = 2.0 * torch.log((linear + root) / (2.0 * constant))
    return torch.where(rate == 1.0, whole, half)


def log1p_optimum(loss: Tensor, coefficient: float) -> Tensor:
    r"""The s that minimises ``log1p_nll``: v = e^s solves v² = coefficient·L·(1 + v)."""
    scaled = coefficient * loss
    return torch.log(0.5 * (scaled + torch.sqrt(scaled**2 + 4.0 * scaled)))


def regression_residual(output: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The residual output − target where valid, else 0, in value and in gradient: no masked NaN gets through."""
    return torch.where(valid, output - target, 0.0)


def at_least_single(tensor: Tensor) -> Tensor:
    """Half precisions as float32: sums over many elements need it."""
    return tensor.float() if tensor.dtype in (torch.float16, torch.bfloat16) else tensor


def increasing_root(
    slope: Callable[[Tensor], Tensor], low: float, high: float, like: Tensor, steps: int = 60
) -> Tensor:
    """Where an increasing function of s is zero, for each element, by bisection; the nearer end where it never is.

    >>> increasing_root(lambda s: s - 3.0, -10.0, 10.0, torch.zeros(2))
    tensor([3., 3.])
    """
    lower, upper = torch.full_like(like, low), torch.full_like(like, high)
    for _ in range(steps if like.dtype == torch.float64 else min(steps, 40)):
        middle = 0.5 * (lower + upper)
        above = slope(middle) > 0
        lower, upper = torch.where(above, lower, middle), torch.where(above, middle, upper)
    return 0.5 * (lower + upper)


def student_t_quantile(df: float, probability: float) -> float:
    """The quantile of Student's t with ``df`` degrees of freedom, by the trapezoid rule over x = √ν·tan θ.

    Right to 0.1 % for df ≥ 1; below, the density of θ has poles at its ends, and the error grows.

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
