"""σ follows its own likelihood, whatever method weighs the losses."""

from typing import Any

import pytest
import torch
from torch import Tensor

import equipoise as eq
from equipoise.weighting import Aggregated, Equal, Fixed, Grown, Scalarized
from tests.core.contract import CASES, Case, batch

NAMES = ("first", "second")


def torchjd(module: str, name: str) -> Any:
    return getattr(pytest.importorskip(f"torchjd.{module}"), name)


METHODS: dict[str, Any] = {
    "Equal": Equal,
    "Fixed": lambda: Fixed({"first": 2.0, "second": 0.0}),
    "Grown": Grown,
    "Scalarized": lambda: Scalarized(torchjd("scalarization", "GeometricMean")()),
    "Aggregated": lambda: Aggregated(torchjd("aggregation", "UPGrad")()),
}


def noises(likelihood: eq.MultiTaskLikelihood) -> list[Tensor]:
    return [p for p in likelihood.parameters() if p.requires_grad]


@pytest.mark.parametrize("noise", [{}, {"prior": (0.5, 2.0)}], ids=["no prior", "prior"])
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_its_gradient_is_that_of_the_joint_loss_for_the_noise_and_none_for_the_network(case: Case, noise: Any):
    noise = noise if case.takes(noise) else {}
    likelihood = eq.MultiTaskLikelihood({name: case.make(**noise) for name in NAMES}).double()
    pairs = {name: batch(case, [7], seed=i) for i, name in enumerate(NAMES)}
    outputs = {name: output.requires_grad_() for name, (output, _) in pairs.items()}
    for _ in range(2):  # Some start at their optimum in the first batch, and then have no gradient.
        joint = likelihood(outputs, {name: target for name, (_, target) in pairs.items()})
        for p in noises(likelihood):
            p.data.add_(0.1)
    joint = likelihood(outputs, {name: target for name, (_, target) in pairs.items()})
    torch.testing.assert_close(joint.noise_loss, joint.loss)
    if not noises(likelihood):
        return
    wanted = torch.autograd.grad(joint.loss, noises(likelihood), retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(joint.noise_loss, noises(likelihood)), wanted)
    assert torch.autograd.grad(joint.noise_loss, list(outputs.values()), allow_unused=True) == (None, None)


@pytest.mark.parametrize("name", METHODS)
def test_sigma_is_calibrated_by_every_method(name: str):
    """σ² is the mean squared error, and σ/√2 the mean absolute error, of the network that the method trained."""
    torch.manual_seed(0)
    network = torch.nn.Linear(2, 2)
    likelihood = eq.MultiTaskLikelihood(
        {"first": eq.Gaussian(standardize=False), "second": eq.Laplace(standardize=False)}
    )
    x = torch.randn(200, 2)
    targets = {"first": x[:, :1] + 0.1 * torch.randn(200, 1), "second": 3.0 * torch.randn(200, 1)}
    method = METHODS[name]()
    optimizer = torch.optim.Adam(eq.param_groups(network, likelihood, lr=0.01))
    for _ in range(600):
        optimizer.zero_grad()
        outputs = dict(zip(NAMES, network(x).split(1, 1), strict=True))
        joint = likelihood(outputs, targets)
        method.backward(joint, network.parameters())
        optimizer.step()
    joint = likelihood(outputs, targets)
    expected = [joint.tasks["first"].loss.sqrt().item(), 2**0.5 * joint.tasks["second"].loss.item()]
    assert [likelihood[n].sigma.item() for n in NAMES] == pytest.approx(expected, rel=1e-2)


@pytest.mark.parametrize("name", METHODS)
def test_the_network_is_trained_as_without_it(name: str):
    """By a likelihood whose noise has no gradient, since it is in closed form."""

    def gradient(update: str) -> Tensor:
        weight = torch.tensor([2.0], requires_grad=True)
        likelihood = eq.MultiTaskLikelihood({n: eq.Gaussian(standardize=False, update=update) for n in NAMES})
        joint = likelihood({"first": weight, "second": 3 * weight}, {n: torch.zeros(1) for n in NAMES})
        METHODS[name]().backward(joint, [weight])
        assert weight.grad is not None
        return weight.grad

    torch.testing.assert_close(gradient("gradient"), gradient("closed_form"), rtol=0, atol=0)


def test_the_value_of_a_loss_does_not_change():
    likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False, init=-3.0) for name in NAMES})
    joint = likelihood({name: torch.tensor([2.0]) for name in NAMES}, {name: torch.zeros(1) for name in NAMES})
    assert Equal().loss(joint).item() == 4.0


def test_a_task_without_labels_keeps_its_sigma():
    likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in NAMES})
    output = torch.zeros(5, 1, requires_grad=True)
    optimizer = torch.optim.Adam([output, *likelihood.parameters()], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        joint = likelihood(dict.fromkeys(NAMES, output), {"first": torch.full((5, 1), 0.1), "second": None})
        Equal().backward(joint)
        optimizer.step()
    assert likelihood["first"].log_variance.item() < 0.0
    assert likelihood["second"].log_variance.item() == 0.0


def test_a_total_of_ones_own_with_it():
    """What the documentation recommends to those who weigh the losses themselves."""
    likelihood = eq.MultiTaskLikelihood({"first": eq.Gaussian(standardize=False)})
    output = torch.tensor([2.0], requires_grad=True)
    joint = likelihood({"first": output}, {"first": torch.zeros(1)})
    (10.0 * joint.tasks["first"].raw_loss + joint.noise_loss).backward()
    assert output.grad is not None
    assert output.grad.item() == 40.0  # 10·2·f
    assert [p.grad.item() for p in noises(likelihood) if p.grad is not None] == [-1.5]  # (1 − f²/σ²)/2
