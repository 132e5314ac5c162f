"""Averages of models, by hand and by ``AveragedModel``, gradient scaling, checkpointing, and functorch's transforms."""

import copy
import math
import warnings

import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.checkpoint import checkpoint

import equipoise as eq
from tests.core.test_methods import METHODS

KINDS = {
    "Gaussian": eq.Gaussian,
    "StudentT": lambda **k: eq.StudentT(3.0, **k),
    "Multivariate": lambda **k: eq.MultivariateGaussian(2, **k),
    "Categorical": eq.Categorical,
    "exact": lambda **k: eq.Categorical(exact=True, **k),
}


def batch(kind: str, i: int, offset: float = 101.0) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(i)
    output = torch.randn(32, 2, generator=g)
    if kind in ("Categorical", "exact"):
        return output, torch.randint(2, (32,), generator=g)
    return output, offset + 6 * torch.randn(32, 2, generator=g)


def trained(kind: str, averages: list, **noise) -> eq.MultiTaskLikelihood:
    """Four steps; ``averages`` are called with the likelihood after each."""
    likelihood = eq.MultiTaskLikelihood({"t": KINDS[kind](**noise)})
    optimizer = torch.optim.SGD([*likelihood.parameters(), torch.nn.Parameter(torch.zeros(1))], lr=0.05)
    followers = [make(likelihood) for make in averages]
    for i in range(4):
        optimizer.zero_grad()
        loss = likelihood({"t": batch(kind, i)[0]}, {"t": batch(kind, i)[1]}).loss
        if loss.requires_grad:
            loss.backward()
        optimizer.step()
        for follow in followers:
            follow(likelihood)
    return likelihood


NOISES = {"gradient": {}, "first batch": {"init": "first_batch"}, "closed form": {"update": "closed_form"}}
cases = pytest.mark.parametrize(
    ("kind", "noise"),
    [
        pytest.param(kind, noise, id=f"{kind}, {name}")
        for kind in KINDS
        for name, noise in NOISES.items()
        if not (kind == "exact" and "update" in noise)  # The exact form has no closed form.
    ],
)


@cases
def test_an_ema_of_the_state_resumes_and_refits_nothing(kind, noise):
    """As EMA is usually written: only floating-point entries of the state are averaged, from before training on."""
    averaged: list = []

    def ema(likelihood: eq.MultiTaskLikelihood):
        average = copy.deepcopy(likelihood.state_dict())
        averaged.append(average)

        def follow(now: eq.MultiTaskLikelihood) -> None:
            for name, value in now.state_dict().items():
                assert value.dtype.is_floating_point, name
                average[name].mul_(0.5).add_(0.5 * value)

        return follow

    live = trained(kind, [ema], **noise)
    resumed = eq.MultiTaskLikelihood({"t": KINDS[kind](**noise)})
    resumed.load_state_dict(averaged[0])
    unit = getattr(resumed["t"], "unit", None)
    if unit is not None:
        # An average over different weights of an unchanging unit is that unit, the unknown beginning left out.
        assert torch.allclose(unit.offset, live["t"].unit.offset, rtol=1e-5)
        assert torch.allclose(unit.scale, live["t"].unit.scale, rtol=1e-5)
    before = resumed["t"].log_variance.detach().clone()
    output, target = batch(kind, 9, offset=104.0)  # typical enough, but another mean
    resumed({"t": output}, {"t": target})
    if unit is not None:
        assert torch.allclose(unit.offset, live["t"].unit.offset, rtol=1e-5)
    if not noise.get("update"):
        assert torch.equal(resumed["t"].log_variance, before)  # no second start


@cases
@pytest.mark.parametrize("ema", [False, True])
def test_averaged_model_with_buffers(kind, noise, ema):
    """By hand: the running mean of s (EMA: halves), and the unit of the live model."""
    made: list = []
    history: list[torch.Tensor] = []

    def average(likelihood: eq.MultiTaskLikelihood):
        options = {"multi_avg_fn": get_ema_multi_avg_fn(0.5)} if ema else {}
        made.append(AveragedModel(likelihood, use_buffers=True, **options))
        return made[0].update_parameters

    def note(likelihood: eq.MultiTaskLikelihood):
        return lambda now: history.append(now["t"].log_variance.detach().clone())

    live = trained(kind, [average, note], **noise)
    found = made[0].module["t"]
    wanted = history[0]
    for i, s in enumerate(history[1:], start=1):
        wanted = 0.5 * wanted + 0.5 * s if ema else wanted + (s - wanted) / (i + 1)
    assert torch.allclose(found.log_variance.detach(), wanted, atol=1e-6)
    if getattr(found, "unit", None) is not None:
        assert torch.allclose(found.unit.scale, live["t"].unit.scale, rtol=1e-5)
    output, target = batch(kind, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isfinite(made[0].module.eval()({"t": output}, {"t": target}).loss.item())


class TestGradScaler:
    def run(self, method, scaler, *, overflow: int | None = None) -> torch.Tensor:
        torch.manual_seed(0)
        trunk, heads = torch.nn.Linear(2, 3), torch.nn.ModuleDict({k: torch.nn.Linear(3, 1) for k in "ab"})
        likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False), "b": eq.Laplace(standardize=False)})
        optimizer = torch.optim.SGD(eq.param_groups(torch.nn.ModuleList([trunk, heads]), likelihood, lr=0.01))
        for i in range(4):
            x = torch.randn(8, 2, generator=torch.Generator().manual_seed(i))
            optimizer.zero_grad()
            hidden = trunk(x)
            joint = likelihood({k: head(hidden) for k, head in heads.items()}, {"a": x[:, :1], "b": 3 + x[:, 1:]})
            method.backward(joint, trunk.parameters(), scaler=scaler)
            if i == overflow:
                trunk.weight.grad[0, 0] = math.inf
            if scaler is None:
                optimizer.step()
            else:
                scaler.step(optimizer)
                scaler.update()
        return torch.cat(
            [p.detach().reshape(-1) for p in (*trunk.parameters(), *heads.parameters(), *likelihood.parameters())]
        )

    @pytest.mark.parametrize("name", METHODS)
    def test_scaled_steps_are_the_plain_ones(self, name):
        plain = self.run(METHODS[name](), None)
        scaled = self.run(METHODS[name](), torch.amp.GradScaler("cpu", init_scale=2.0**12))
        assert torch.allclose(plain, scaled, atol=1e-5)
        assert not torch.allclose(plain, self.run(eq.weighting.Fixed({"a": 0.0, "b": 0.0}), None), atol=1e-3)

    def test_a_step_with_an_overflow_is_skipped(self):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**12)
        found = self.run(eq.weighting.Learned(), scaler, overflow=1)
        assert bool(torch.isfinite(found).all())
        assert scaler.get_scale() == 2.0**11


@cases
def test_activation_checkpointing_counts_a_batch_once(kind, noise):
    """The second forward pass changes neither the state nor the gradients."""
    found = []
    for checkpointed in (False, True):
        likelihood = eq.MultiTaskLikelihood({"t": KINDS[kind](**noise)})
        scale = torch.tensor(1.5, requires_grad=True)
        for i in range(3):
            output, target = batch(kind, i, offset=0.0)

            def loss(scale: torch.Tensor, output=output, target=target, likelihood=likelihood) -> torch.Tensor:
                return likelihood({"t": output * scale}, {"t": target}).loss

            (checkpoint(loss, scale, use_reentrant=False) if checkpointed else loss(scale)).backward()
        gradients = [scale.grad, *[p.grad for p in likelihood.parameters()]]
        found.append([*gradients, *likelihood.state_dict().values()])
    for one, other in zip(*found, strict=True):
        assert one is other is None or torch.allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_vmap_and_grad(kind):
    """One value a sample, as a loop gives it; nothing is moved."""
    likelihood = KINDS[kind]()
    if getattr(likelihood, "unit", None) is not None:
        likelihood.fit(batch(kind, 0)[1])
    outputs = torch.stack([batch(kind, i)[0] for i in range(4)])
    _, target = batch(kind, 0)
    before = copy.deepcopy(likelihood.state_dict())
    found = torch.func.vmap(lambda o: likelihood(o, target).nll)(outputs)
    slopes = torch.func.vmap(torch.func.grad(lambda o: likelihood(o, target).nll))(outputs)
    after = likelihood.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    for output, value, slope in zip(outputs, found, slopes, strict=True):
        output = output.clone().requires_grad_()
        wanted = copy.deepcopy(likelihood)(output, target).nll
        wanted.backward()
        assert value.item() == pytest.approx(wanted.item(), abs=1e-5)
        assert torch.allclose(slope, output.grad, atol=1e-6)
