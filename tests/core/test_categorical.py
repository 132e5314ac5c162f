"""Classes: against torch.distributions, closed forms and float64 finite differences."""

import math

import pytest
import torch
from torch.nn import functional

import equipoise as eq
from tests.core.test_likelihoods import double


@pytest.mark.parametrize("shape", [[], [3], [2, 3], [2, 1, 3]])
def test_exact_value_is_that_of_the_density(shape):
    generator = torch.Generator().manual_seed(0)
    output = torch.randn([4, 5, *shape], dtype=torch.float64, generator=generator)
    target = torch.randint(5, [4, *shape], generator=generator)
    likelihood = double(eq.Categorical(exact=True))
    term = likelihood(output, target)
    assert term.nll.item() == pytest.approx(-likelihood.distribution(output).log_prob(target).mean().item())
    assert term.weight is None


def test_approximate_by_hand_and_equal_to_exact_at_sigma_one():
    output, target = torch.randn(6, 4).double(), torch.tensor([0, 1, 2, 3, 0, 1])
    entropy = functional.cross_entropy(output, target).item()
    term = double(eq.Categorical(), math.log(2.0))(output, target)
    assert term.nll.item() == pytest.approx(entropy / 2 + 0.5 * math.log(2))
    assert term.loss.item() == pytest.approx(entropy)
    assert term.weight.item() == pytest.approx(0.5)
    one, other = (double(eq.Categorical(exact=e), 0.0)(output, target).nll.item() for e in (False, True))
    assert one == pytest.approx(other)


def test_the_optimum_is_twice_the_cross_entropy():
    output, target = torch.randn(6, 4).double(), torch.tensor([0, 1, 2, 3, 0, 1])
    likelihood = double(eq.Categorical())
    best = likelihood.optimal_log_variance(output, target)
    assert best.exp().item() == pytest.approx(2 * functional.cross_entropy(output, target).item())


@pytest.mark.parametrize("exact", [False, True])
def test_gradients_against_finite_differences(exact):
    output = torch.randn(3, 4, 2).double().requires_grad_()
    target = torch.tensor([[0, 255], [3, 1], [2, 2]])
    likelihood = double(eq.Categorical(exact=exact, ignore_index=255)).eval()

    def nll(f, s):
        return torch.func.functional_call(likelihood, {"noise.bank.log_variance": s}, (f, target)).nll

    assert torch.autograd.gradcheck(nll, (output, next(likelihood.parameters())))


def test_exact_recovers_a_temperature():
    torch.manual_seed(0)
    logits = 2 * torch.randn(20_000, 5)
    target = torch.distributions.Categorical(logits=logits / 2.5).sample()
    likelihood = eq.Categorical(exact=True)
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.05)
    for _ in range(200):
        optimizer.zero_grad()
        likelihood(logits, target).nll.backward()
        optimizer.step()
    assert likelihood.log_variance.exp().item() == pytest.approx(2.5, rel=0.04)


def test_ignored_and_masked_pixels_never_leak():
    output, target = torch.randn(2, 3, 4), torch.randint(3, (2, 4))
    target[0, 0] = 255
    output[0, :, 0] = float("nan")
    output[1, :, 3] = float("nan")
    mask = torch.ones(2, 4, dtype=torch.bool)
    mask[1, 3] = False
    output.requires_grad_()
    term = eq.Categorical(ignore_index=255)(output, target, mask)
    term.nll.backward()
    assert term.count.item() == 6
    assert torch.isfinite(output.grad).all()
    assert output.grad[0, :, 0].tolist() == [0.0] * 3


def test_what_raises():
    likelihood = eq.Categorical(ignore_index=255)
    with pytest.raises(ValueError, match=r"outputs \(N, C, \*\)"):
        likelihood(torch.zeros(2, 3, 4), torch.zeros(2, 3, dtype=torch.long))
    with pytest.raises(TypeError, match="integers"):
        likelihood(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(ValueError, match=r"class indices 0 … 2, found 3"):
        likelihood(torch.zeros(2, 3), torch.tensor([3, 0]))
    with pytest.raises(ValueError, match="channels"):
        eq.Categorical(channels=3)
    with pytest.raises(ValueError, match="exact form has no closed form"):
        eq.Categorical(exact=True, update="closed_form")
