"""Under ``torch.compile``: the same numbers as in eager mode, starts that end, and errors that are not lost."""

import copy
import math
import warnings

import pytest
import torch

import equipoise as eq

KINDS = {
    "Gaussian": lambda **k: eq.Gaussian(standardize=False, **k),
    "Laplace, channels": lambda **k: eq.Laplace(standardize=False, channels=2, **k),
    "StudentT": lambda **k: eq.StudentT(4.0, standardize=False, **k),
    "Multivariate": lambda **k: eq.MultivariateGaussian(2, standardize=False, **k),
    "Categorical": eq.Categorical,
    "Categorical, exact": lambda **k: eq.Categorical(exact=True, **k),
    "Bernoulli, exact": lambda **k: eq.Bernoulli(exact=True, **k),
}


def batch(kind: str, i: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The first batch is ten times noisier than the others."""
    g = torch.Generator().manual_seed(i)
    output = torch.randn(32, 2, generator=g)
    if kind.startswith("Categorical"):
        return output, torch.multinomial((output * (0.5 if i else 1.5)).softmax(1), 1, generator=g)[:, 0]
    if kind.startswith("Bernoulli"):
        return output, torch.bernoulli((output * (0.5 if i else 1.5)).sigmoid(), generator=g)
    return output, output + torch.randn(32, 2, generator=g) * (0.3 if i else 3.0)


def train(
    likelihood: eq.Likelihood, kind: str, steps: int, *, compiled: bool, backend: str = "aot_eager"
) -> list[list[float]]:
    torch._dynamo.reset()
    trained = list(likelihood.parameters()) or [torch.nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.Adam(trained, lr=0.05)
    scale = torch.ones(1, requires_grad=True)

    def loss(output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return likelihood(output * scale, target).nll

    run = torch.compile(loss, fullgraph=True, backend=backend) if compiled else loss
    found = []
    for i in range(steps):
        optimizer.zero_grad()
        value = run(*batch(kind, i))
        value.backward()
        optimizer.step()
        found.append([value.item(), *likelihood.log_variance.detach().reshape(-1).tolist()])
    return found


SETTINGS = {
    "gradient": {},
    "first batch": {"init": "first_batch"},
    "closed form": {"update": "closed_form", "momentum": 0.9},
}
QUICK = {("StudentT", "first batch"), ("Categorical, exact", "first batch"), ("Gaussian", "closed form")}
"""A few of all pairs are compiled each time; the others are slow."""


@pytest.mark.parametrize(
    ("kind", "noise"),
    [
        pytest.param(kind, noise, marks=[] if (kind, name) in QUICK else pytest.mark.slow, id=f"{kind}, {name}")
        for kind in KINDS
        for name, noise in SETTINGS.items()
        if not (noise.get("update") and kind.endswith("exact"))  # The exact forms have no closed form.
    ],
)
def test_thirty_steps_as_in_eager_mode(kind, noise):
    """Losses and log-variances; a start that never ended would put s to each batch's own optimum."""
    first = KINDS[kind](**noise)
    second = copy.deepcopy(first)
    eager = train(first, kind, 30, compiled=False)
    compiled = train(second, kind, 30, compiled=True)
    assert torch.tensor(compiled) == pytest.approx(torch.tensor(eager), abs=2e-4)
    if noise.get("init"):
        assert eager[0][1] != pytest.approx(eager[-1][1], abs=0.1)  # it moves
        best = second.optimal_log_variance(*batch(kind, 29)).reshape(-1)[0].item()
        assert eager[2][1] != pytest.approx(best, abs=0.05)  # and not at once


def test_a_start_costs_what_it_costs_once():
    """The graph of a pending start is another one, which is left after the first step: at most three compilations."""
    torch._dynamo.reset()
    counters = torch._dynamo.utils.counters
    counters.clear()
    train(eq.StudentT(4.0, init="first_batch"), "StudentT", 12, compiled=True)
    assert 1 <= counters["stats"]["unique_graphs"] <= 4


@pytest.mark.parametrize("unit", [True, False])
def test_a_unit_is_gathered_as_in_eager_mode(unit):
    found = []
    for compiled in (False, True):
        torch._dynamo.reset()
        likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=unit), "c": eq.Categorical()})
        optimizer = torch.optim.SGD(likelihood.parameters(), lr=0.01)

        def loss(y: torch.Tensor, c: torch.Tensor, likelihood=likelihood) -> torch.Tensor:
            return likelihood({"a": torch.zeros(8, 1), "c": torch.zeros(8, 2)}, {"a": y, "c": c}).loss

        run = torch.compile(loss, fullgraph=True, backend="aot_eager") if compiled else loss
        values = []
        for i in range(20):
            g = torch.Generator().manual_seed(i)
            optimizer.zero_grad()
            value = run(100 + 10 * torch.randn(8, 1, generator=g), torch.randint(2, (8,), generator=g))
            value.backward()
            optimizer.step()
            values.append(value.item())
        found.append(values + [v.double().sum().item() for v in likelihood.state_dict().values()])
    assert found[1] == pytest.approx(found[0], rel=1e-4)


class TestBadBatches:
    @pytest.mark.parametrize("bad", [math.inf, math.nan])
    def test_never_reach_the_weights(self, bad):
        """No step is taken with its gradient: the error comes before, and names the task."""
        torch._dynamo.reset()
        torch.manual_seed(0)
        net = torch.nn.Linear(2, 1)
        likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False)})
        optimizer = torch.optim.SGD(eq.param_groups(net, likelihood, lr=0.1))

        def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return likelihood({"a": net(x)}, {"a": y}).loss

        run = torch.compile(loss, fullgraph=True, backend="aot_eager")
        for i in range(5):
            x = torch.randn(4, 2)
            if i == 1:
                x[0] = bad
            optimizer.zero_grad()
            run(x, torch.randn(4, 1)).backward()
            before = net.weight.detach().clone()
            if i == 1:
                with pytest.raises(FloatingPointError, match="task 'a'"):
                    optimizer.step()
                assert torch.equal(net.weight, before)
            else:
                optimizer.step()
                assert not torch.equal(net.weight, before)
        assert bool(torch.isfinite(net.weight).all())
        assert math.isfinite(likelihood["a"].log_variance.item())

    def test_a_negative_loss(self):
        torch._dynamo.reset()
        weighting = eq.UncertaintyWeighting({"a": "l2", "b": "l1"})
        run = torch.compile(lambda a, b: weighting({"a": a, "b": b}), fullgraph=True, backend="aot_eager")
        run(torch.tensor(1.0), torch.tensor(-2.0))
        with pytest.raises(ValueError, match="task 'b'"):
            weighting.check()
        weighting.check()  # said once


def test_missing_labels_do_not_recompile():
    """Values of labels, masks and counts are no part of the graph."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False), "c": eq.Categorical(ignore_index=255)})
    optimizer = torch.optim.SGD(likelihood.parameters(), lr=0.01)

    def loss(y: torch.Tensor, c: torch.Tensor) -> torch.Tensor:
        return likelihood({"a": torch.zeros(8, 1), "c": torch.zeros(8, 2)}, {"a": y, "c": c}).loss

    run = torch.compile(loss, fullgraph=True, backend="aot_eager")
    for i in range(10):
        y, c = torch.randn(8, 1), torch.randint(2, (8,))
        y[: i % 3], c[i % 4 :] = math.nan, (255, -100)[i % 2]
        optimizer.zero_grad()
        run(y, c).backward()
        optimizer.step()
    # One for the first batch, whose floors are still open, and one for all later ones.
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 3


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "noise"),
    [("Gaussian", {}), ("StudentT", {"init": "first_batch"}), ("Categorical, exact", {"init": "first_batch"})],
)
def test_inductor(kind, noise):
    first = KINDS[kind](**noise)
    second = copy.deepcopy(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        compiled = train(second, kind, 30, compiled=True, backend="inductor")
    assert torch.tensor(compiled) == pytest.approx(torch.tensor(train(first, kind, 30, compiled=False)), abs=1e-3)
