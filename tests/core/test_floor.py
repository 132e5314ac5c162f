"""A task whose loss tends to zero does not take all the weight: its σ has a floor, which warns."""

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

import equipoise as eq


@contextmanager
def recorded(said: list[str]) -> Iterator[None]:
    """Append the texts of warnings to a list."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    said += [str(one.message) for one in found]


def joint(**tasks: eq.Likelihood) -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood(tasks)


@pytest.mark.parametrize("kind", [eq.Gaussian, eq.Laplace])
def test_a_memorised_task_beside_another(kind):
    """Its prediction is exact. The floor holds and warns, and the other task still learns."""
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 1)
    likelihood = joint(memorised=kind(), other=eq.Gaussian())
    optimizer = torch.optim.Adam(eq.param_groups(net, likelihood, lr=0.02))
    target = torch.randn(64, 1)
    unit = (target - target.mean()) / target.std(correction=0)
    said = []
    for _ in range(300):
        x = torch.randn(64, 2)
        optimizer.zero_grad()
        with recorded(said):
            terms = likelihood({"memorised": unit, "other": net(x)}, {"memorised": target, "other": 5 + 3 * x[:, :1]})
            terms.loss.backward()
            optimizer.step()
    floors = [text for text in said if "reached its floor" in text]
    assert len(floors) == 1
    assert floors[0].startswith("task 'memorised'")
    # σ is 1 % of the target's spread.
    assert likelihood["memorised"].sigma.item() == pytest.approx(0.01 * target.std(correction=0).item(), rel=1e-3)
    assert likelihood["memorised"].log_variance.item() == pytest.approx(2 * math.log(0.01), rel=1e-5)
    power = 2 if kind is eq.Gaussian else 1
    weight = 0.5e4 if power == 2 else math.sqrt(2) * 100
    assert terms.tasks["memorised"].weight.item() * target.std(correction=0).item() ** power == pytest.approx(
        weight, rel=1e-2
    )
    assert net.weight[0, 0].item() == pytest.approx(net.weight.norm().item(), rel=0.05)
    assert terms.tasks["other"].loss.item() < 0.1


def floored(likelihood: eq.Likelihood, output: torch.Tensor, target: torch.Tensor, first: torch.Tensor | None = None):
    """After batches of zero loss with steps that would carry s anywhere."""
    optimizer = torch.optim.SGD(likelihood.parameters(), lr=30.0)
    said: list[str] = []
    with recorded(said):
        if first is not None:
            likelihood(first, target).nll.backward()
        for _ in range(5):
            optimizer.zero_grad()
            likelihood(output, target).nll.backward()
            optimizer.step()
    assert any("floor" in text for text in said)
    return likelihood.log_variance.item()


def test_a_classifier_s_floor_refers_to_a_coin_flip():
    """e^s = 2·log 2 for a coin: σ stays above a hundredth of that."""
    output = torch.tensor([[60.0, -60.0]] * 4)
    s = floored(eq.Categorical(), output, torch.zeros(4).long())
    assert s == pytest.approx(math.log(2 * math.log(2)) + 2 * math.log(0.01), rel=1e-5)


def test_without_a_reference_it_refers_to_the_first_batch():
    target = torch.arange(8.0)
    s = floored(eq.Gaussian(standardize=False), target.clone(), target, first=target + 3.0)
    assert s == pytest.approx(math.log(9.0) + 2 * math.log(1e-4), rel=1e-4)


@pytest.mark.parametrize("floor", [0.1, 1e-3])
def test_it_may_be_set(floor):
    target = torch.linspace(-1, 1, 64)
    unit = (target - target.mean()) / target.std(correction=0)
    assert floored(eq.Gaussian(floor=floor), unit, target) == pytest.approx(2 * math.log(floor), rel=1e-4)


def test_it_may_be_turned_off():
    target = torch.linspace(-1, 1, 64)
    likelihood = eq.Gaussian(floor=0.0, bounds=(-20.0, 20.0))
    optimizer = torch.optim.SGD(likelihood.parameters(), lr=30.0)
    said: list[str] = []
    with recorded(said):
        for _ in range(10):
            optimizer.zero_grad()
            likelihood((target - target.mean()) / target.std(correction=0), target).nll.backward()
            optimizer.step()
    assert likelihood.log_variance.item() < 2 * math.log(0.01) - 1
    assert not [text for text in said if "floor" in text]


def test_a_prior_holds_it_instead():
    """Strength 0.1 and σ₀ = 0.2: the optimum at zero loss is e^s = k·σ₀²/(1 + k)."""
    target = torch.linspace(-1, 1, 64)
    unit = (target - target.mean()) / target.std(correction=0)
    likelihood = eq.Gaussian(prior=(0.2, 0.1))
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.1)
    for _ in range(300):
        optimizer.zero_grad()
        likelihood(unit, target).nll.backward()
        optimizer.step()
    assert likelihood.log_variance.exp().item() == pytest.approx(0.1 * 0.04 / 1.1, rel=0.02)


def test_a_one_class_data_set():
    """Weight 2·10¹⁷ in silence once: now the floor holds it at 1/(2·log 2·10⁻⁴)."""
    torch.manual_seed(0)
    net = torch.nn.Linear(2, 3)
    likelihood = eq.MultiTaskLikelihood({"c": eq.Categorical()})
    optimizer = torch.optim.Adam(eq.param_groups(net, likelihood, lr=0.1))
    said: list[str] = []
    with recorded(said):
        for _ in range(400):
            optimizer.zero_grad()
            likelihood({"c": net(torch.randn(8, 2))}, {"c": torch.zeros(8).long()}).loss.backward()
            optimizer.step()
    assert likelihood.weights()["c"] == pytest.approx(1 / (2 * math.log(2) * 1e-4), rel=1e-3)
    assert len([text for text in said if "floor" in text]) == 1
