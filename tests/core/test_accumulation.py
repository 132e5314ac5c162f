"""Micro-batches with ``divisors`` as counts: losses and gradients add up to those of the whole batch."""

import itertools

import pytest
import torch
from torch import Tensor

import equipoise as eq
from equipoise.likelihoods import Likelihood, VonMisesFisher

N = 24


def regression(shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    target = torch.randn(N, *shape, dtype=torch.float64)
    target[3:9] = torch.nan
    return torch.randn(N, *shape, dtype=torch.float64), target


def classes() -> tuple[Tensor, Tensor]:
    target = torch.randint(0, 4, (N, 5))
    target[:7, 2:] = 255
    target[20:] = -100
    return torch.randn(N, 4, 5, dtype=torch.float64), target


CASES: dict[str, tuple[Likelihood, tuple[Tensor, Tensor]]] = {}
torch.manual_seed(0)
for _name, _likelihood, _pair in (
    ("gaussian", eq.Gaussian(standardize=False), regression((2,))),
    ("laplace with its unit", eq.Laplace(), regression((3, 4))),
    ("laplace by channel", eq.Laplace(channels=3), regression((3, 2))),
    ("student", eq.StudentT(df=4.0, standardize=False), regression((2,))),
    ("several", eq.MultivariateGaussian(dim=2), regression((2,))),
    ("directions", VonMisesFisher(), regression((3, 2))),
    ("classes", eq.Categorical(ignore_index=255), classes()),
    ("weighted classes", eq.Categorical(ignore_index=255, class_weights=[1.0, 2.0, 0.0, 0.5]), classes()),
    ("smoothed classes", eq.Categorical(ignore_index=255, label_smoothing=0.1), classes()),
    ("exact classes", eq.Categorical(exact=True, ignore_index=255), classes()),
):
    CASES[_name] = (_likelihood, _pair)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_parts_add_up_to_the_whole(name: str, weighted: bool):
    member, (output, target) = CASES[name]
    likelihood = eq.MultiTaskLikelihood({"a": member, "b": eq.Gaussian(standardize=False)}).double().train()
    if getattr(member, "unit", None) is not None:
        likelihood.fit({"a": target})
    outputs = {"a": output, "b": torch.randn(N, 1, dtype=torch.float64)}
    targets = {"a": target, "b": torch.randn(N, 1, dtype=torch.float64)}
    weights = {"a": torch.rand(N, dtype=torch.float64)} if weighted else None
    found = []
    for cuts in ([0, N], [0, 5, 6, 15, N]):
        likelihood.zero_grad()
        given = {key: value.clone().requires_grad_() for key, value in outputs.items()}
        parts = [slice(a, b) for a, b in itertools.pairwise(cuts)]
        shapes = [{key: v.new_zeros(()).expand(v[part].shape) for key, v in outputs.items()} for part in parts]
        labels = [{key: value[part] for key, value in targets.items()} for part in parts]
        shares = [None if weights is None else {"a": weights["a"][part]} for part in parts]
        divisors = [likelihood.divisors(s, t, weights=w) for s, t, w in zip(shapes, labels, shares, strict=True)]
        counts = {key: sum(each[key] for each in divisors) for key in targets}
        total = 0.0
        for part, label, share in zip(parts, labels, shares, strict=True):
            joint = likelihood({k: v[part] for k, v in given.items()}, label, weights=share, counts=counts)
            joint.loss.backward()
            total += joint.loss.item()
        noise = torch.cat([p.grad.reshape(-1) for p in likelihood.parameters()])
        found.append((total, given["a"].grad.clone(), given["b"].grad.clone(), noise))
        if len(parts) == 1:
            plain = likelihood(outputs, targets, weights=weights)
            assert total == pytest.approx(plain.loss.item(), rel=1e-12)
    whole, parted = found
    assert parted[0] == pytest.approx(whole[0], rel=1e-10)
    for one, other in zip(whole[1:], parted[1:], strict=True):
        assert torch.allclose(one, other, rtol=1e-9, atol=1e-12)


def test_divisors_change_nothing():
    likelihood = eq.MultiTaskLikelihood({"depth": eq.Laplace(init="first_batch")}).train()
    before = {key: value.clone() for key, value in likelihood.state_dict().items()}
    found = likelihood.divisors({"depth": torch.zeros(4, 2)}, {"depth": torch.randn(4, 2)})
    assert found == {"depth": torch.tensor(8.0)}
    assert likelihood.divisors({}, {"depth": None}) == {}
    assert all(torch.equal(value, before[key]) for key, value in likelihood.state_dict().items())
    with pytest.raises(ValueError, match="expected the tasks"):
        likelihood.divisors({"dept": torch.zeros(4, 2)}, {})
