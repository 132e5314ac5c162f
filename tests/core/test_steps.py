"""What holds after every optimizer's step: bounds, no overshoot, and σ of a task without labels stays put."""

import math
import warnings

import pytest
import torch

import equipoise as eq

OPTIMIZERS = {
    "SGD": lambda p, lr: torch.optim.SGD(p, lr=lr),
    "momentum": lambda p, lr: torch.optim.SGD(p, lr=lr, momentum=0.9),
    "Adam": lambda p, lr: torch.optim.Adam(p, lr=lr),
}
either = pytest.mark.parametrize("optimizer", OPTIMIZERS)


@pytest.mark.parametrize("joint", [False, True])
@either
def test_bounds_hold_after_the_step(optimizer, joint):
    """A huge loss at a huge rate: s is within its bounds at once, and what is computed from it."""
    one = eq.Gaussian(standardize=False, bounds=(-3.0, 3.0))
    holder = eq.MultiTaskLikelihood({"a": one}) if joint else one
    steps = OPTIMIZERS[optimizer](holder.parameters(), 50.0)
    output, target = torch.zeros(9), torch.full((9,), 1e3)
    loss = holder({"a": output}, {"a": target}).loss if joint else holder(output, target).nll
    loss.backward()
    steps.step()
    assert one.log_variance.item() == 3.0
    assert one.eval().distribution(torch.zeros(1)).stddev.item() == pytest.approx(math.exp(1.5))


@either
def test_no_step_carries_s_far_beyond_its_optimum(optimizer):
    """Loss 10⁶, optimum 13.8: the first step of SGD at 0.1 would go to 5·10⁴, where the weight is gone."""
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False)})
    steps = OPTIMIZERS[optimizer](likelihood.parameters(), 0.1)
    for _ in range(30):
        steps.zero_grad()
        likelihood({"a": torch.zeros(9)}, {"a": torch.full((9,), 1e3)}).loss.backward()
        steps.step()
        assert likelihood["a"].log_variance.item() < 13.816 + 1.01


def test_beyond_its_bounds_a_task_comes_back_at_once():
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False, bounds=(-2.0, 2.0))})
    with torch.no_grad():
        likelihood["a"].log_variance.fill_(35.0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*bounds")
        joint = likelihood({"a": torch.zeros(3)}, {"a": torch.ones(3)})
    assert joint.tasks["a"].weight.item() == pytest.approx(0.5 * math.exp(-2.0))


@pytest.mark.parametrize("set_to_none", [True, False])
@pytest.mark.parametrize("compiled", [False, True])
@either
def test_s_of_an_unlabelled_task_stays_put(optimizer, compiled, set_to_none):
    """Adam and momentum would carry it on, and a gradient of zero is a step of theirs as well."""
    torch._dynamo.reset()
    likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in "ab"})
    steps = OPTIMIZERS[optimizer](likelihood.parameters(), 0.01)

    def loss(y: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        return likelihood({"a": torch.zeros(8), "b": torch.zeros(8)}, {"a": y, "b": z}).loss

    loss = torch.compile(loss, fullgraph=True, backend="aot_eager") if compiled else loss
    g = torch.Generator().manual_seed(0)
    for i in range(16):
        y = 10 * torch.randn(8, generator=g)
        if i == 8:
            then = {name: likelihood[name].log_variance.item() for name in "ab"}
        steps.zero_grad(set_to_none=set_to_none)
        loss(y, y if i < 8 else torch.full((8,), math.nan)).backward()
        steps.step()
    assert likelihood["b"].log_variance.item() == then["b"] != 0.0
    assert likelihood["a"].log_variance.item() > then["a"]


def test_accumulation_counts_a_label_of_any_micro_batch():
    """The task has labels in the first of two micro-batches: s moves, though the last one had none."""
    likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in "ab"})
    steps = torch.optim.Adam(likelihood.parameters(), 0.01)
    for target in (torch.full((4,), 5.0), None):
        likelihood({"a": torch.zeros(4), "b": torch.zeros(4)}, {"a": torch.ones(4), "b": target}).loss.backward()
    steps.step()
    assert likelihood["b"].log_variance.item() == pytest.approx(0.01, rel=1e-3)


class TestZeroLossFirst:
    @pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}])
    @pytest.mark.parametrize("kind", [eq.Gaussian, eq.Laplace])
    def test_weights_stay_sane(self, kind, noise):
        """A first batch that is predicted exactly is no start: later weights are those of the data."""
        torch.manual_seed(0)
        net = torch.nn.Linear(4, 1)
        torch.nn.init.zeros_(net.weight)
        torch.nn.init.zeros_(net.bias)
        likelihood = kind(standardize=False, **noise)
        steps = torch.optim.Adam(eq.param_groups(net, likelihood, lr=1e-2))
        for i in range(20):
            x = torch.randn(32, 4)
            y = x.sum(1, keepdim=True) * (i > 0)
            steps.zero_grad()
            term = likelihood(net(x), y)
            term.nll.backward()
            steps.step()
            assert term.weight.item() < 10.0
            assert abs(term.nll.item()) < 10.0


class TestAccumulation:
    def test_counts_are_refused_while_a_unit_or_start_is_pending(self):
        output, target = {"a": torch.zeros(4)}, {"a": torch.tensor([1.0, 2.0, 3.0, 5.0])}
        unit = eq.MultiTaskLikelihood({"a": eq.Gaussian()})
        start = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False, init="first_batch")})
        closed = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False, update="closed_form")})
        for likelihood in (unit, start, closed):
            with pytest.raises(ValueError, match="task 'a': counts="):
                likelihood(output, target, counts={"a": 8})
        unit.fit(target)
        unit(output, target, counts={"a": 8})
        start(output, target)
        start(output, target, counts={"a": 8})

    @pytest.mark.parametrize(
        "kind", [eq.Gaussian, eq.Laplace, lambda: eq.StudentT(3.0), lambda: eq.MultivariateGaussian(2)]
    )
    def test_micro_batches_of_a_fitted_unit_are_one_batch(self, kind):
        g = torch.Generator().manual_seed(0)
        output, target = (torch.randn(9, 2, generator=g, dtype=torch.float64) for _ in range(2))
        target[2, 1] = math.nan
        found = []
        for parts in ([slice(0, 9)], [slice(0, 2), slice(2, 9)]):
            likelihood = eq.MultiTaskLikelihood({"t": kind()}).double()
            likelihood.fit({"t": 100 + 30 * target})
            count = likelihood({"t": output}, {"t": 100 + 30 * target}).tasks["t"].count
            total = 0.0
            for part in parts:
                joint = likelihood({"t": output[part]}, {"t": 100 + 30 * target[part]}, counts={"t": count})
                joint.loss.backward()
                total += joint.loss.item()
            found.append((total, torch.cat([p.grad.reshape(-1) for p in likelihood.parameters()])))
        assert found[1][0] == pytest.approx(found[0][0], abs=1e-10)
        assert torch.allclose(found[0][1], found[1][1], atol=1e-10)

    def test_scalar_losses_with_totals_are_one_batch(self):
        found = []
        for parts in ([(3.4, 10)], [(2.0, 3), (4.0, 7)]):
            weighting = eq.UncertaintyWeighting({"a": "l2"}, init=0.4)
            total = 0.0
            for loss, count in parts:
                part = weighting({"a": torch.tensor(loss)}, counts={"a": count}, totals={"a": 10})
                part.backward()
                total += part.item()
            found.append((total, weighting["a"].log_variance.grad.item()))
        assert found[1] == pytest.approx(found[0], rel=1e-5)
        assert found[0][0] == pytest.approx(0.5 * math.exp(-0.4) * 3.4 + 0.2, rel=1e-5)

    def test_a_second_pass_with_counts_alone_is_refused(self):
        weighting = eq.UncertaintyWeighting({"a": "l2"})
        steps = torch.optim.SGD(weighting.parameters(), lr=0.1)
        weighting({"a": torch.tensor(2.0)}, counts={"a": 3}).backward()
        with pytest.raises(ValueError, match="totals="):
            weighting({"a": torch.tensor(4.0)}, counts={"a": 7})
        steps.step()
        weighting({"a": torch.tensor(4.0)}, counts={"a": 7})
