"""Learned weights with damped ratios."""

import math
from collections.abc import Callable, Iterable

import pytest
import torch

import equipoise as eq
from equipoise.weighting import Damped, Learned

KINDS = {
    "gaussian": lambda s: eq.Gaussian(standardize=False, init=s),
    "laplace": lambda s: eq.Laplace(standardize=False, init=s),
    "student": lambda s: eq.StudentT(df=4.0, standardize=False, init=s),
    "classes": lambda s: eq.Categorical(init=s),
    "exact classes": lambda s: eq.Categorical(exact=True, init=s),
    "flags": lambda s: eq.Bernoulli(init=s),
}
LOG_VARIANCES = {"gaussian": -3.0, "laplace": -1.0, "student": 0.5, "classes": 0.2, "exact classes": 0.7, "flags": 1.0}


def batch(names: Iterable[str]) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    drawn = torch.Generator().manual_seed(0)
    outputs, targets = {}, {}
    for name in names:
        shape = (6, 3) if "classes" in name or name == "flags" else (6,)
        outputs[name] = torch.randn(shape, generator=drawn, dtype=torch.float64, requires_grad=True)
        noise = torch.randn(shape, generator=drawn, dtype=torch.float64)
        targets[name] = noise
        if "classes" in name:
            targets[name] = torch.randint(3, (6,), generator=drawn)
        if name == "flags":
            targets[name] = (noise > 0).double()
    return outputs, targets


def of_all_kinds() -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood({name: make(LOG_VARIANCES[name]) for name, make in KINDS.items()}).double()


def gradients(method: eq.weighting.Weighting, likelihood: eq.MultiTaskLikelihood) -> dict[str, torch.Tensor]:
    likelihood.zero_grad()
    outputs, targets = batch(likelihood.keys())
    method.backward(likelihood(outputs, targets))
    return {name: output.grad for name, output in outputs.items()}


@pytest.mark.parametrize("damping", [0.0, 0.25, 0.5, 1.0])
def test_each_gradient_is_the_learned_one_times_its_own_factor(damping):
    likelihood = of_all_kinds()
    learned, damped = gradients(Learned(), likelihood), gradients(Damped(damping), likelihood)
    mean = sum(LOG_VARIANCES.values()) / len(LOG_VARIANCES)
    for name, s in LOG_VARIANCES.items():
        torch.testing.assert_close(damped[name], learned[name] * math.exp(damping * (s - mean)), rtol=1e-5, atol=0)


def test_one_task_is_trained_as_without_damping():
    likelihood = eq.MultiTaskLikelihood({"gaussian": KINDS["gaussian"](-3.0)}).double()
    torch.testing.assert_close(gradients(Damped(), likelihood), gradients(Learned(), likelihood))


def test_half_damping_lets_gaussian_and_laplace_tasks_pull_alike_whatever_their_spread():
    """The gradient's norm on each output, σ at its optimum; where |r| = b everywhere, Laplace has √2 times that."""
    torch.manual_seed(0)
    signs = torch.where(torch.arange(4000) % 2 == 0, 1.0, -1.0).double()
    targets = {"a": 0.01 * torch.randn(4000).double(), "b": 3.0 * torch.randn(4000).double(), "c": 0.2 * signs}
    kinds = {"a": eq.Gaussian, "b": eq.Gaussian, "c": eq.Laplace}
    likelihood = eq.MultiTaskLikelihood({name: kind(standardize=False) for name, kind in kinds.items()}).double()
    outputs = {name: torch.zeros(4000, dtype=torch.float64, requires_grad=True) for name in targets}
    likelihood.refit(outputs, targets)
    Damped(0.5).backward(likelihood(outputs, targets))
    norms = [float(output.grad.norm()) for output in outputs.values()]
    assert norms[0] == pytest.approx(norms[1])
    assert norms[2] == pytest.approx(2**0.5 * norms[0])  # √2, as σ = √2·b


def test_the_noise_has_the_same_optimum():
    torch.manual_seed(0)
    likelihood = eq.MultiTaskLikelihood({"easy": eq.Gaussian(standardize=False), "hard": eq.Laplace(standardize=False)})
    outputs = {"easy": torch.zeros(200), "hard": torch.zeros(200)}
    targets = {"easy": 0.05 * torch.randn(200), "hard": 2.0 * torch.randn(200)}
    best = {name: likelihood[name].optimal_log_variance(outputs[name], targets[name]).item() for name in outputs}
    optimizer = torch.optim.Adam(likelihood.parameters(), lr=0.05)
    for _ in range(800):
        optimizer.zero_grad()
        Damped().backward(likelihood(outputs, targets))
        optimizer.step()
    found = {name: likelihood[name].log_variance.item() for name in outputs}
    assert found == pytest.approx(best, abs=1e-3)


@pytest.mark.parametrize("method", [Damped(), eq.weighting.Equal(), eq.weighting.RateMatched()])
def test_a_loss_that_is_logged_without_gradients_first_still_trains(method):
    likelihood = eq.MultiTaskLikelihood({"a": KINDS["gaussian"](0.0), "b": KINDS["laplace"](0.0)})
    output = torch.tensor([2.0], requires_grad=True)
    joint = likelihood({"a": output, "b": torch.ones(1)}, {"a": torch.zeros(1), "b": torch.zeros(1)})
    with torch.no_grad():
        assert [float(term.raw_loss) for term in joint.tasks.values()] == [4.0, 1.0]
    method.backward(joint)
    assert float(output.grad) > 0.0


def test_channels_and_covariances_count_by_their_mean_log_variance():
    vector = eq.MultivariateGaussian(3, standardize=False)
    likelihood = eq.MultiTaskLikelihood({"channels": eq.Gaussian(channels=2, standardize=False), "vector": vector})
    with torch.no_grad():
        likelihood["channels"].log_variance.copy_(torch.tensor([-3.0, -1.0]))
    outputs = {"channels": torch.zeros(4, 2), "vector": torch.zeros(4, 3)}
    joint = likelihood(outputs, {name: torch.ones_like(output) for name, output in outputs.items()})
    found = Damped(0.5).factors(joint)
    assert float(found["channels"]) == pytest.approx(math.exp(0.5 * (-2.0 - -1.0)))
    assert float(found["vector"]) == pytest.approx(math.exp(0.5 * (0.0 - -1.0)))


def test_a_task_without_labels_adds_nothing_and_changes_no_other_factor():
    likelihood = eq.MultiTaskLikelihood({"a": KINDS["gaussian"](-2.0), "b": KINDS["gaussian"](0.0)})
    output = torch.tensor([1.0], requires_grad=True)
    joint = likelihood({"a": output, "b": None}, {"a": torch.zeros(1), "b": None})
    Damped(0.5).backward(joint)
    assert output.grad.item() == pytest.approx(math.exp(2.0) * math.exp(-0.5))
    assert likelihood["b"].log_variance.grad is None or float(likelihood["b"].log_variance.grad) == 0.0


def test_batches_in_parts_add_up_to_the_whole():
    likelihood = eq.MultiTaskLikelihood({"a": KINDS["gaussian"](-2.0), "b": KINDS["laplace"](0.3)})
    values = torch.linspace(-1.0, 2.0, 8)
    targets = {"a": values * 0.1, "b": values**2}
    counts = {name: torch.tensor(8.0) for name in targets}

    def gradient(parts: list[slice]) -> list[torch.Tensor]:
        outputs = {name: torch.zeros(8, requires_grad=True) for name in targets}
        likelihood.zero_grad()
        for part in parts:
            given = {name: output[part] for name, output in outputs.items()}
            joint = likelihood(given, {name: t[part] for name, t in targets.items()}, counts=counts)
            Damped().backward(joint)
        return [*(output.grad for output in outputs.values()), *(p.grad for p in likelihood.parameters())]

    torch.testing.assert_close(gradient([slice(0, 3), slice(3, 8)]), gradient([slice(0, 8)]))


def loss_of(network: torch.nn.Linear, inputs: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    likelihood = eq.MultiTaskLikelihood({"a": KINDS["gaussian"](-2.0), "b": KINDS["laplace"](0.3)})
    targets = {"a": 0.1 * inputs[:, :1], "b": inputs[:, 1:2] ** 2}

    def loss(given: torch.Tensor) -> torch.Tensor:
        out = network(given)
        return Damped().loss(likelihood({"a": out[:, :1], "b": out[:, 1:]}, targets))

    return loss


@pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # PyTorch's own look.
@pytest.mark.parametrize("way", ["compiled", "bfloat16"])
def test_compiled_or_in_low_precision_it_trains_alike(way):
    torch.manual_seed(0)
    network, inputs = torch.nn.Linear(3, 2), torch.randn(16, 3)
    loss = loss_of(network, inputs)
    (expected,) = torch.autograd.grad(loss(inputs), network.weight)
    if way == "compiled":
        found = torch.compile(loss, backend="aot_eager")(inputs)
    else:
        with torch.autocast("cpu", torch.bfloat16):
            found = loss(inputs)
    assert found.dtype == torch.float32
    (gradient,) = torch.autograd.grad(found, network.weight)
    near = 1e-5 if way == "compiled" else 3e-2
    torch.testing.assert_close(gradient, expected, rtol=near, atol=near * float(expected.abs().max()))


@pytest.mark.parametrize("damping", [-0.1, 1.5, math.nan])
def test_a_damping_out_of_range_is_refused(damping):
    with pytest.raises(ValueError, match="expected a damping from 0 to 1"):
        Damped(damping)
