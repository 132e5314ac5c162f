"""``UncertaintyWeighting`` with damped ratios."""

import copy
import math

import pytest
import torch
from torch import Tensor

import equipoise as eq

KINDS = {"a": "l2", "b": "l1", "c": "classification", "d": "liebel", "e": (2.0, 3.0)}
LOG_VARIANCES = {"a": -3.0, "b": -1.0, "c": 0.2, "d": 0.7, "e": 1.4}
LOSSES = {"a": 0.05, "b": 0.4, "c": 1.3, "d": 2.0, "e": 0.7}
NLL = {
    "a": lambda loss, s: 0.5 * math.exp(-s) * loss + 0.5 * s,
    "b": lambda loss, s: math.sqrt(2) * math.exp(-s / 2) * loss + 0.5 * s,
    "c": lambda loss, s: math.exp(-s) * loss + 0.5 * s,
    "d": lambda loss, s: 0.5 * math.exp(-s) * loss + math.log(1 + math.exp(s)),
    "e": lambda loss, s: 2.0 * math.exp(-s) * loss + 3.0 * s,
}


def weighing(damping: float, names: str = "abcde") -> eq.UncertaintyWeighting:
    made = eq.UncertaintyWeighting({name: KINDS[name] for name in names}, damping=damping).double()
    for name in names:
        with torch.no_grad():
            made[name].log_variance.fill_(LOG_VARIANCES[name])
    return made


def losses(names: str = "abcde") -> dict[str, Tensor]:
    return {name: torch.tensor(LOSSES[name], dtype=torch.float64, requires_grad=True) for name in names}


def factors(damping: float, names: str = "abcde") -> dict[str, float]:
    """By hand: σ_k² over the geometric mean of all σ², to a power."""
    mean = math.prod(math.exp(LOG_VARIANCES[name]) for name in names) ** (1 / len(names))
    return {name: (math.exp(LOG_VARIANCES[name]) / mean) ** damping for name in names}


@pytest.mark.parametrize("damping", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("names", ["abcde", "abc"])  # The second takes the fast path.
def test_the_total_by_hand(damping, names):
    c = factors(damping, names)
    expected = sum(c[name] * NLL[name](LOSSES[name], LOG_VARIANCES[name]) for name in names)
    assert weighing(damping, names)(losses(names)).item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("names", ["abcde", "abc"])
def test_without_damping_nothing_changes(names):
    given = {name: KINDS[name] for name in names}
    plain, zero = eq.UncertaintyWeighting(given), eq.UncertaintyWeighting(given, damping=0.0)
    found = []
    for weighting in (plain, zero):
        own = losses(names)
        total = weighting(own)
        total.backward()
        found.append([total, *(loss.grad for loss in own.values()), *(p.grad for p in weighting.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*found, strict=True))
    assert plain.weights() == zero.weights()


@pytest.mark.parametrize("damping", [0.25, 0.5, 1.0])
@pytest.mark.parametrize("names", ["abcde", "abc"])
def test_gradients_are_those_with_c_held_fixed(damping, names):
    """Of a network that makes all losses, and of each s, by central differences."""
    weighting, c = weighing(damping, names), factors(damping, names)
    x = torch.tensor([0.3, -0.8], dtype=torch.float64, requires_grad=True)

    def raw(x: Tensor) -> dict[str, Tensor]:
        return {name: LOSSES[name] + (x * (i + 1)).sin().square().sum() for i, name in enumerate(names)}

    def fixed(x: Tensor, s: dict[str, float]) -> float:
        return sum(c[name] * NLL[name](loss.item(), s[name]) for name, loss in raw(x).items())

    weighting(raw(x)).backward()
    step, start = 1e-6, {name: LOG_VARIANCES[name] for name in names}
    for i in range(2):
        change = torch.zeros(2, dtype=torch.float64)
        change[i] = step
        with torch.no_grad():
            slope = (fixed(x + change, start) - fixed(x - change, start)) / (2 * step)
        assert x.grad[i].item() == pytest.approx(slope, rel=1e-7)
    expected = {}
    for name, s in start.items():
        high, low = fixed(x.detach(), start | {name: s + step}), fixed(x.detach(), start | {name: s - step})
        expected[name] = (high - low) / (2 * step)
    assert slopes(weighting) == pytest.approx(expected, rel=1e-6)


def slopes(weighting: eq.UncertaintyWeighting) -> dict[str, float]:
    """The gradient of each task's s, wherever it lies in a shared vector."""
    found = {}
    for name, likelihood in weighting.items():
        (parameter,) = likelihood.noise.parameters()
        found[name] = parameter.grad.reshape(-1)[likelihood.noise.span].item()
    return found


def test_every_sigma_has_the_same_optimum():
    trained = []
    for damping in (0.0, 0.5, 1.0):
        weighting = weighing(damping, "abc")
        optimizer = torch.optim.Adam(weighting.parameters(), lr=0.05)
        for _ in range(1500):
            optimizer.zero_grad()
            weighting(losses("abc")).backward()
            optimizer.step()
        trained.append(weighting.sigmas())
    # Closed forms: E r² of squared errors, √2·E|r| of absolute ones, √(2·CE) of classes.
    assert trained[0] == pytest.approx({"a": 0.05**0.5, "b": 2**0.5 * 0.4, "c": 2.6**0.5}, rel=1e-4)
    assert trained[1] == pytest.approx(trained[0], rel=1e-4)
    assert trained[2] == pytest.approx(trained[0], rel=1e-4)


class TestMissingTasks:
    @pytest.mark.parametrize("absent", [{}, {"b": None}])
    def test_they_add_nothing_and_the_others_keep_their_factors(self, absent):
        weighting, own, c = weighing(0.5, "abc"), losses("ac"), factors(0.5, "abc")
        total = weighting(own | absent)
        assert total.item() == pytest.approx(sum(c[k] * NLL[k](LOSSES[k], LOG_VARIANCES[k]) for k in "ac"), rel=1e-12)
        total.backward()
        assert slopes(weighting)["b"] == 0.0

    def test_a_single_task_is_weighed_as_without_damping(self):
        found = []
        for damping in (0.0, 0.5):
            weighting, own = weighing(damping, "a"), losses("a")
            total = weighting(own)
            total.backward()
            found.append([total.item(), own["a"].grad.item(), slopes(weighting)["a"]])
        assert found[1] == pytest.approx(found[0], rel=1e-12)

    def test_batches_of_one_task_each_are_damped_alike(self):
        """Alternating batches add up to the batch that has all."""
        weighting = weighing(0.5, "abc")
        parts = sum(weighting({name: loss}) for name, loss in losses("abc").items())
        torch.testing.assert_close(parts, weighting(losses("abc")))

    def test_a_batch_without_any_loss(self):
        total = weighing(0.5)({})
        assert total.item() == 0.0
        total.backward()

    def test_a_mean_over_no_element_is_missing(self):
        own = losses("ab") | {"c": torch.tensor(math.nan, dtype=torch.float64)}
        found = weighing(0.5, "abc")(own, counts={"c": 0})
        assert torch.equal(found, weighing(0.5, "abc")(losses("ab")))


def test_micro_batches_add_up_to_the_batch():
    weighting, totals = weighing(0.5, "abc"), {"a": 10, "b": 4, "c": 0}
    whole = weighting({"a": torch.tensor(3.4).double(), "b": torch.tensor(2.0).double()})
    first = {"a": torch.tensor(2.0).double(), "b": torch.tensor(2.0).double()}
    one = weighting(first, counts={"a": 3, "b": 4}, totals=totals)
    two = weighting({"a": torch.tensor(4.0).double()}, counts={"a": 7}, totals=totals)
    torch.testing.assert_close(one + two, whole)


def test_weights_are_what_multiplies_each_loss():
    for weighting in (weighing(0.0), weighing(0.5)):
        own = losses()
        weighting(own).backward()
        assert {name: loss.grad.item() for name, loss in own.items()} == pytest.approx(weighting.weights(), rel=1e-12)


def test_the_other_figures_are_those_without_damping():
    plain, damped = weighing(0.0), weighing(0.5)
    assert damped.sigmas() == plain.sigmas()
    for name in KINDS:
        assert torch.equal(damped[name].weight, plain[name].weight)
        loss = torch.tensor([LOSSES[name]], dtype=torch.float64)
        nll = damped[name].nll(loss, damped[name].log_variance)
        assert nll.item() == pytest.approx(NLL[name](LOSSES[name], LOG_VARIANCES[name]), rel=1e-12)
    weights = {name: damped[name].weight.item() * c for name, c in factors(0.5).items()}
    assert damped.weights() == pytest.approx(weights, rel=1e-12)


def test_it_weighs_as_damped_does():
    """The same tasks as outputs and targets, and as losses."""
    likelihood = eq.MultiTaskLikelihood(
        {
            name: kind(standardize=False, init=LOG_VARIANCES[name])
            for name, kind in (("a", eq.Gaussian), ("b", eq.Laplace))
        }
    ).double()
    outputs = {name: torch.linspace(-1.0, 2.0, 5).double().requires_grad_() for name in "ab"}
    targets = {name: torch.full((5,), 0.3).double() for name in "ab"}
    eq.weighting.Damped(0.5).backward(likelihood(outputs, targets))
    expected = [output.grad.clone() for output in outputs.values()]
    again = [output.detach().requires_grad_() for output in outputs.values()]
    a, b = (output - 0.3 for output in again)
    weighing(0.5, "ab")({"a": a.square().mean(), "b": b.abs().mean()}).backward()
    torch.testing.assert_close([output.grad for output in again], expected, rtol=1e-6, atol=1e-12)


def test_a_copy_is_damped_too():
    weighting = weighing(0.5)
    assert torch.equal(copy.deepcopy(weighting)(losses()), weighting(losses()))


@pytest.mark.parametrize("damping", [-0.1, 1.5, math.nan, math.inf])
def test_a_damping_out_of_range_is_refused(damping):
    with pytest.raises(ValueError, match=f"UncertaintyWeighting: expected a damping from 0 to 1, found {damping!r}"):
        eq.UncertaintyWeighting({"a": "l2"}, damping=damping)
