"""Methods that set the weights themselves see standardized losses: the target's unit does not matter to them."""

import pytest
import torch

import equipoise as eq

METHODS = {
    "Learned": lambda: eq.weighting.Learned(),
    "Equal": lambda: eq.weighting.Equal(),
    "Fixed": lambda: eq.weighting.Fixed({"a": 1.0, "b": 3.0}),
    "Scalarized": lambda: eq.weighting.Scalarized(pytest.importorskip("torchjd.scalarization").GeometricMean()),
    "Aggregated": lambda: eq.weighting.Aggregated(pytest.importorskip("torchjd.aggregation").UPGrad()),
}
every = pytest.mark.parametrize("name", METHODS)


def gradient(name: str, *, factor: float = 1.0, standardize: bool = True, labelled: bool = True) -> torch.Tensor:
    """Of the shared layer, for targets whose unit is ``factor`` times smaller."""
    torch.manual_seed(0)
    shared, heads = (
        torch.nn.Linear(3, 4).double(),
        torch.nn.ModuleDict({k: torch.nn.Linear(4, 1) for k in "ab"}).double(),
    )
    likelihood = eq.MultiTaskLikelihood(
        {"a": eq.Gaussian(standardize=standardize), "b": eq.Laplace(standardize=standardize)}
    ).double()
    x = torch.randn(40, 3, dtype=torch.float64)
    targets = {"a": factor * (5 + 2 * x[:, :1]), "b": factor * (x[:, 1:2] - 7) if labelled else None}
    hidden = shared(x)
    joint = likelihood({k: head(hidden) for k, head in heads.items()}, targets)
    METHODS[name]().backward(joint, shared.parameters())
    return torch.cat([p.grad.reshape(-1) for p in shared.parameters()])


@every
@pytest.mark.parametrize("factor", [1e-3, 1e4])
def test_the_unit_does_not_matter(name, factor):
    assert torch.allclose(gradient(name, factor=factor), gradient(name), rtol=1e-8, atol=1e-12)


@every
def test_without_a_unit_it_does(name):
    one, other = (gradient(name, factor=factor, standardize=False) for factor in (1.0, 10.0))
    assert not torch.allclose(one, other, rtol=0.1)


@pytest.mark.parametrize(("name", "share"), [("Learned", 0.5), ("Equal", 0.5), ("Fixed", 1.0), ("Aggregated", 1.0)])
def test_a_task_without_labels_adds_nothing(name, share):
    """What is left is the other task's gradient, by the weight that it has."""
    whole = gradient("Fixed", labelled=False)
    assert torch.allclose(gradient(name, labelled=False), share * whole, atol=1e-12)
    assert bool(whole.any())


def test_equal_by_hand():
    """(L_a + L_b)/2 in the network's numbers."""
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(), "b": eq.Gaussian()})
    likelihood.fit({"a": torch.tensor([0.0, 20.0]), "b": torch.tensor([99.0, 101.0])})
    outputs = {k: torch.zeros(2, requires_grad=True) for k in "ab"}
    joint = likelihood(outputs, {"a": torch.tensor([10.0, 30.0]), "b": torch.tensor([100.0, 100.5])})
    eq.weighting.Equal().backward(joint)
    assert joint.tasks["a"].standardized_loss.item() == pytest.approx(2.0)
    assert joint.tasks["a"].raw_loss.item() == pytest.approx(200.0)
    assert outputs["a"].grad.tolist() == pytest.approx([0.0, -1.0])
    assert outputs["b"].grad.tolist() == pytest.approx([0.0, -0.25])


@every
def test_no_labels_at_all(name):
    shared = torch.nn.Linear(3, 1)
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(), "b": eq.Laplace()})
    joint = likelihood({"a": shared(torch.ones(2, 3)), "b": shared(torch.ones(2, 3))}, {})
    METHODS[name]().backward(joint, shared.parameters())
    assert shared.weight.grad is None or not bool(shared.weight.grad.any())
