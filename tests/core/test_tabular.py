"""Real regressions of two outputs: training does not feel the unit of its targets, from 10⁻⁶ to 10⁶."""

from pathlib import Path

import numpy as np
import pytest
import torch

import equipoise as eq

STEPS = 300
"""With a rate that falls to nothing: a constant one leaves the last bits of float32 to grow."""
DATA = Path(__file__).parents[2] / "../shared/data/tabular"


def tables(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Standardised inputs, and targets as they are."""
    path = DATA / {"enb": "enb/enb.arff", "naval": "naval/data.txt"}[name]
    if not path.exists():
        pytest.skip(f"no data at {path}: this test uses a folder beside the repository")
    if name == "enb":
        rows = [line.split(",") for line in path.read_text().split("@data")[1].split()]
        table = np.array(rows, dtype=np.float64)
    else:
        table = np.loadtxt(path)[::8]
    inputs, targets = table[:, :-2], table[:, -2:]
    spread = inputs.std(0)
    inputs = (inputs - inputs.mean(0)) / np.where(spread > 0, spread, 1.0)
    return torch.from_numpy(inputs), torch.from_numpy(targets)


def errors(name: str, factor: float, likelihood: eq.Likelihood) -> dict[str, float]:
    """Raw error, σ and mean prediction after training, brought back to the data's own unit.

    The naval targets have 1.5 % of their value as spread: in float32 the rounding of the data themselves, another one
    for every factor, is 4·10⁻⁶ of it, and training lets it grow to a few percent. So they are trained in float64.
    """
    dtype = torch.float64 if name == "naval" else torch.float32
    inputs, targets = tables(name)
    inputs, targets = inputs.to(dtype), (factor * targets).to(dtype)
    likelihood = likelihood.to(dtype)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(inputs.shape[1], 32), torch.nn.Tanh(), torch.nn.Linear(32, 2)).to(dtype)
    optimizer = torch.optim.Adam(eq.param_groups(model, likelihood, lr=1e-2, log_variance_lr=5e-2))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for _ in range(STEPS):
        optimizer.zero_grad()
        term = likelihood(model(inputs), targets)
        term.nll.backward()
        optimizer.step()
        schedule.step()
    predicted = likelihood.distribution(model(inputs)).mean
    return {
        "rmse": (predicted - targets).double().square().mean().sqrt().item() / factor,
        "sigma": term.sigma.double().mean().item() / factor,
        "mean": predicted.double().mean().item() / factor,
    }


@pytest.mark.parametrize("name", ["enb", "naval"])
@pytest.mark.parametrize("kind", ["Gaussian", "Laplace", "MultivariateGaussian"])
def test_the_unit_of_the_targets_does_not_matter(name, kind):
    makers = {
        "Gaussian": lambda: eq.Gaussian(standardize=True, channels=2),
        "Laplace": lambda: eq.Laplace(standardize=True, channels=2, init="first_batch"),
        "MultivariateGaussian": lambda: eq.MultivariateGaussian(2, standardize=True, update="closed_form"),
    }
    expected = errors(name, 1.0, makers[kind]())
    _, targets = tables(name)
    assert expected["rmse"] < 0.75 * targets.std(0).mean().item()  # it has learned something
    for factor in (1e-6, 1e6):
        assert errors(name, factor, makers[kind]()) == pytest.approx(expected, rel=0.01)
