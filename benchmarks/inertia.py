"""How many steps σ takes to become right: from a start that is off by 10⁶, and after the noise changes.

There is no network: residuals are drawn with a known σ, which drops to a tenth after half of the steps. σ counts as
right from the first step at which it is within 10 % of the truth and after which it is so in over 95 % of the steps, up
to the end of its half.
"""

import math
import statistics

import torch

import equipoise as eq

STEPS, BATCH, BEFORE, AFTER, START = 3000, 256, 1.0, 0.1, 1e6
RATES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0)


def trajectory(likelihood: eq.Likelihood, rate: float | None, seed: int) -> list[float]:
    """Return σ after every step."""
    torch.manual_seed(seed)
    parameters = list(likelihood.parameters())
    optimizer = torch.optim.Adam(parameters, lr=rate or 1.0) if parameters else None
    sigmas = []
    for step in range(STEPS):
        sigma = BEFORE if step < STEPS // 2 else AFTER
        term = likelihood(sigma * torch.randn(BATCH), torch.zeros(BATCH))
        if optimizer is not None:
            optimizer.zero_grad()
            term.nll.backward()
            optimizer.step()
        sigmas.append(float(likelihood.sigma))
    return sigmas


def steps_until_right(sigmas: list[float], truth: float) -> float:
    """Return the steps until σ is right within one half; infinity if it never is."""
    right = [abs(math.log(s / truth)) < math.log(1.1) for s in sigmas]
    for step in range(len(right)):
        if right[step] and statistics.mean(right[step:]) > 0.95:
            return step + 1
    return math.inf


def measured(make: type, rate: float | None) -> tuple[float, float]:
    """Return medians over three seeds of the steps from the start and after the change."""
    halves = []
    for seed in range(3):
        sigmas = trajectory(make(), rate, seed)
        half = STEPS // 2
        halves.append((steps_until_right(sigmas[:half], BEFORE), steps_until_right(sigmas[half:], AFTER)))
    return statistics.median(h[0] for h in halves), statistics.median(h[1] for h in halves)


def run() -> list[str]:
    start = 2 * math.log(START)
    bounds = (-40.0, 40.0)
    lines = []
    tried = {rate: measured(lambda: eq.Gaussian(init=start, bounds=bounds, standardize=False), rate) for rate in RATES}
    best = min(tried, key=lambda rate: sum(tried[rate]))
    for rate, (first, second) in tried.items():
        mark = ", the best of these" if rate == best else ""
        lines.append(f"paper's form, start σ = 10⁶, Adam {rate:g}: {first:g} steps, {second:g} after the change{mark}")
    # The rate is chosen in the same way as for the paper's form.
    own = {rate: measured(lambda: eq.Gaussian(init="first_batch", standardize=False), rate) for rate in RATES}
    best = min(own, key=lambda rate: sum(own[rate]))
    first, second = own[best]
    lines.append(f"first-batch start, Adam {best:g} (the best): {first:g} steps, {second:g} after the change")
    for momentum in (0.9, 0.99):
        closed = {"update": "closed_form", "momentum": momentum, "standardize": False}
        first, second = measured(lambda closed=closed: eq.Gaussian(**closed), None)
        lines.append(f"closed form, momentum {momentum:g}: {first:g} steps, {second:g} after the change")
    return lines
