"""How much elements count: weights of elements and samples, class weights, label smoothing, positive weights."""

import math

import pytest
import torch
from torch.nn import functional

import equipoise as eq

KINDS = {
    "Gaussian": lambda **k: eq.Gaussian(standardize=False, **k),
    "Gaussian, channels": lambda **k: eq.Gaussian(standardize=False, channels=2, **k),
    "Laplace": lambda **k: eq.Laplace(standardize=False, **k),
    "StudentT": lambda **k: eq.StudentT(3.0, standardize=False, **k),
    "Multivariate": lambda **k: eq.MultivariateGaussian(2, standardize=False, **k),
    "Categorical": eq.Categorical,
    "Categorical, all": lambda **k: eq.Categorical(class_weights=[0.5, 2.0], label_smoothing=0.1, **k),
    "exact": lambda **k: eq.Categorical(exact=True, **k),
    "Bernoulli": eq.Bernoulli,
    "Bernoulli, positive": lambda **k: eq.Bernoulli(pos_weight=3.0, **k),
    "Bernoulli, exact": lambda **k: eq.Bernoulli(exact=True, **k),
    "Gibbs": lambda **k: eq.Gibbs(lambda f, y: (f - y).abs(), **k),
}
every = pytest.mark.parametrize("kind", KINDS)
TIMES = torch.tensor([2, 0, 1, 3, 1, 4, 0, 1])


def data(kind: str) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    output = torch.randn(8, 2, generator=g, dtype=torch.float64)
    if kind.startswith(("Categorical", "exact")):
        wrong = torch.tensor([0, 0, 1, 0, 1, 0, 0, 0])
        return output, (output.argmax(1) + wrong) % 2
    if kind.startswith("Bernoulli"):
        return output, torch.tensor([[0.0, 1.0]] * 8, dtype=torch.float64)
    return output, torch.randn(8, 2, generator=g, dtype=torch.float64)


def repeated(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.repeat_interleave(TIMES, 0)


@every
@pytest.mark.parametrize("joint", [False, True])
def test_whole_weights_are_repetitions(kind, joint):
    """A sample of weight 3 is three samples; of weight 0 none: value, gradient of outputs and of s, optimum."""
    output, target = data(kind)
    found, wanted = [], []
    for into, weights in ((found, TIMES.double()), (wanted, None)):
        likelihood = KINDS[kind](init=0.3).double()
        x = output.clone().requires_grad_()
        inputs = (x, target) if weights is not None else (repeated(x), repeated(target))
        if joint:
            both = [{"t": v} for v in inputs]
            given = None if weights is None else {"t": weights}
            term = eq.MultiTaskLikelihood({"t": likelihood})(*both, weights=given).tasks["t"]
        else:
            term = likelihood(*inputs, weights=weights)
        term.nll.backward()
        into += [term.nll, term.loss, x.grad, *[p.grad for p in likelihood.parameters()]]
        into.append(likelihood.optimal_log_variance(*(v.detach() for v in inputs), weights=weights))
    for one, other in zip(found, wanted, strict=True):
        assert torch.allclose(one, other, atol=1e-9)
    assert bool(wanted[2].any())


# The exact forms have no closed form.
@pytest.mark.parametrize(
    ("kind", "noise"),
    [
        (kind, noise)
        for kind in KINDS
        for noise in ({"init": "first_batch"}, {"update": "closed_form"})
        if not (noise.get("update") and kind in ("exact", "Bernoulli, exact"))
    ],
)
def test_starts_and_refits_count_them(kind, noise):
    output, target = data(kind)
    weighted, plain = KINDS[kind](**noise).double(), KINDS[kind](**noise).double()
    weighted(output, target, weights=TIMES.double())
    plain(repeated(output), repeated(target))
    tolerance = 0.05 if kind == "Multivariate" else 1e-6  # shrinkage knows how many rows there are, not their weights
    if kind != "Multivariate":
        assert torch.allclose(weighted.log_variance, plain.log_variance, atol=tolerance)
    assert bool(weighted.log_variance.any())


@every
@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_only_their_ratios_matter(kind, factor):
    output, target = data(kind)
    likelihood = KINDS[kind]().double()
    weights = torch.rand(8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    one, other = (likelihood(output, target, weights=w).nll.item() for w in (weights, factor * weights))
    assert other == pytest.approx(one, abs=1e-9)
    assert one != pytest.approx(likelihood(output, target).nll.item(), abs=1e-4)


@pytest.mark.parametrize("kind", ["Gaussian", "Gaussian, channels", "Laplace", "Bernoulli", "Gibbs"])
def test_weights_of_elements_by_hand(kind):
    """Σ w·loss/Σ w; beside a NaN target and a mask, which both mean no label."""
    output, target = data(kind)
    likelihood = KINDS[kind]().double()
    weights = torch.rand(8, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    target[0, 0] = math.nan
    mask = torch.ones(8, 2, dtype=torch.bool)
    mask[1, 1] = False
    term = likelihood(output, target, mask, weights=weights)
    each = {
        "Gaussian": lambda: (output - target).square(),
        "Gaussian, channels": lambda: (output - target).square(),
        "Laplace": lambda: (output - target).abs(),
        "Gibbs": lambda: (output - target).abs(),
        "Bernoulli": lambda: functional.binary_cross_entropy_with_logits(output, target, reduction="none"),
    }[kind]()
    valid = mask & ~torch.isnan(target)
    wanted = (each * weights)[valid].sum() / weights[valid].sum()
    assert term.loss.item() == pytest.approx(wanted.item(), rel=1e-9)
    assert term.count.item() == 14


def test_weights_that_are_refused():
    likelihood = eq.Gaussian(standardize=False)
    for bad in (torch.tensor([1.0, -1.0, 1.0]), torch.tensor([1.0, math.nan, 1.0]), torch.tensor([1.0, math.inf, 1.0])):
        with pytest.raises(ValueError, match="weights of 0 or more"):
            likelihood(torch.zeros(3, 2), torch.zeros(3, 2), weights=bad)
    with pytest.raises(ValueError, match=r"weights of the target's shape \(3, 2\)"):
        likelihood(torch.zeros(3, 2), torch.zeros(3, 2), weights=torch.ones(2))
    with pytest.raises(ValueError, match="one weight a row"):
        eq.MultivariateGaussian(2, standardize=False)(torch.zeros(3, 2), torch.zeros(3, 2), weights=torch.ones(3, 2))
    with pytest.raises(TypeError, match="weights of elements go to the call"):
        eq.Gaussian(weights=torch.ones(3))


def test_all_weights_zero_is_a_task_without_labels():
    term = eq.Gaussian(standardize=False)(torch.zeros(3), torch.ones(3), weights=torch.zeros(3))
    assert (term.count.item(), term.nll.item()) == (0, 0.0)


SHAPES = [[6], [3, 4], [2, 2, 3]]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("weights", [None, [0.2, 1.0, 3.0], [0.0, 1.0, 1.0]])
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.7])
def test_class_weights_and_smoothing_are_torch_s(shape, weights, smoothing):
    g = torch.Generator().manual_seed(0)
    output = torch.randn([shape[0], 3, *shape[1:]], generator=g, dtype=torch.float64, requires_grad=True)
    target = torch.randint(3, shape, generator=g)
    target.view(-1)[2] = -100
    likelihood = eq.Categorical(class_weights=weights, label_smoothing=smoothing).double()
    tensor = None if weights is None else torch.tensor(weights, dtype=torch.float64)
    wanted = functional.cross_entropy(output, target, weight=tensor, label_smoothing=smoothing)
    term = likelihood(output, target)
    if weights is not None and 0.0 in weights and smoothing:
        # PyTorch still smooths elements of a class without weight; here they are no labels.
        target = torch.where(target == 0, -100, target)
        wanted = functional.cross_entropy(output, target, weight=tensor, label_smoothing=smoothing)
    assert term.loss.item() == pytest.approx(wanted.item(), rel=1e-9)
    (found,) = torch.autograd.grad(term.raw_loss, output)
    assert torch.allclose(found, torch.autograd.grad(wanted, output)[0], atol=1e-12)
    best = likelihood.optimal_log_variance(output, target)
    assert best.exp().item() == pytest.approx(2 * wanted.item(), rel=1e-9)


@pytest.mark.parametrize("weight", [3.0, [0.5, 1.0, 4.0]])
def test_positive_weights_are_torch_s(weight):
    g = torch.Generator().manual_seed(0)
    output = torch.randn(5, 3, generator=g, dtype=torch.float64, requires_grad=True)
    target = torch.rand(5, 3, generator=g, dtype=torch.float64).round()
    likelihood = eq.Bernoulli(pos_weight=weight).double()
    tensor = torch.tensor(weight, dtype=torch.float64)
    wanted = functional.binary_cross_entropy_with_logits(output, target, pos_weight=tensor)
    term = likelihood(output, target)
    assert term.loss.item() == pytest.approx(wanted.item(), rel=1e-9)
    (found,) = torch.autograd.grad(term.raw_loss, output)
    assert torch.allclose(found, torch.autograd.grad(wanted, output)[0], atol=1e-12)
    assert likelihood.optimal_log_variance(output, target).exp().item() == pytest.approx(2 * wanted.item(), rel=1e-9)


@pytest.mark.parametrize(
    ("make", "match"),
    [
        (lambda: eq.Categorical(class_weights=[1.0, -1.0]), "class_weights"),
        (lambda: eq.Categorical(class_weights=[0.0, 0.0]), "class_weights"),
        (lambda: eq.Categorical(label_smoothing=1.0), "label_smoothing"),
        (lambda: eq.Categorical(label_smoothing=0.1, exact=True), "label_smoothing"),
        (lambda: eq.Categorical(class_weights=[1.0] * 3)(torch.zeros(2, 4), torch.zeros(2).long()), "4 class weights"),
        (lambda: eq.Bernoulli(pos_weight=0.0), "pos_weight"),
        (lambda: eq.Bernoulli(pos_weight=[1.0, 2.0])(torch.zeros(3, 3), torch.zeros(3, 3)), "pos_weight"),
    ],
)
def test_what_is_refused(make, match):
    with pytest.raises(ValueError, match=match):
        make()
