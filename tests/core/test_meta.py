"""Whole training steps on the meta device: nothing on another device, and nothing read back.

Tensors there have no data, so ``.item()``, ``.tolist()`` and ``bool(tensor)`` raise: what runs there does not stall a
GPU.
"""

from weakref import WeakValueDictionary

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import equipoise as eq
from equipoise import _stepping
from tests.core.contract import CASES, batch, with_noises

NOISES = [{}, {"init": "first_batch"}, {"update": "closed_form"}]


class OneDevice(TorchDispatchMode):
    """Fails where an operation gives a tensor that is not on meta."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        found = {t.device.type for t in tree_leaves(out) if isinstance(t, torch.Tensor)}
        assert found <= {"meta"}, f"{func} gave a tensor on {found}"
        return out


@pytest.fixture(autouse=True)
def _alone(monkeypatch):
    """Only this test's likelihoods look at its optimizer's steps."""
    monkeypatch.setattr(_stepping, "_followed", WeakValueDictionary())


def on_meta(case, shape):
    return tuple(t.to("meta") for t in batch(case, shape, dtype=torch.float32))


def train(model: torch.nn.Module, likelihood: torch.nn.Module, loss_of, steps: int = 3) -> None:
    optimizer = torch.optim.SGD(eq.param_groups(model, likelihood, lr=0.1), momentum=0.9, foreach=False)
    other = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1, device="meta"))], lr=0.1)
    with OneDevice():
        for _ in range(steps):
            optimizer.zero_grad()
            loss_of().backward()
            other.step()
            optimizer.step()


@pytest.mark.parametrize(("case", "noise"), with_noises(*NOISES))
def test_each_likelihood(case, noise):
    likelihood = case.make(**noise).to("meta")
    output, target = on_meta(case, [6, 2])
    scale = torch.nn.Linear(1, 1, bias=False, device="meta")
    train(scale, likelihood, lambda: likelihood(output * scale.weight[0, 0], target).nll)


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_the_joint_likelihood_of_all(noise):
    cases = [case for case in CASES if case.takes(noise)]
    likelihood = eq.MultiTaskLikelihood({case.name: case.make(**noise) for case in cases}).to("meta")
    batches = {case.name: on_meta(case, [6, 2]) for case in cases}
    scale = torch.nn.Linear(1, 1, bias=False, device="meta")
    targets = {name: target for name, (_, target) in batches.items()}
    masks = {name: torch.ones_like(target, dtype=torch.bool) for name, target in targets.items()}

    def loss(masks=None) -> torch.Tensor:
        outputs = {name: output * scale.weight[0, 0] for name, (output, _) in batches.items()}
        return likelihood(outputs, targets, masks).loss

    train(scale, likelihood, loss)
    train(scale, likelihood, lambda: loss(masks))
    likelihood.eval()
    with OneDevice(), torch.no_grad():
        loss()


@pytest.mark.parametrize("noise", NOISES, ids=str)
def test_scalar_losses(noise):
    weighting = eq.UncertaintyWeighting({"a": "l1", "b": "classification", "c": "liebel"}, **noise).to("meta")
    scale = torch.nn.Linear(1, 3, bias=False, device="meta")
    train(scale, weighting, lambda: weighting(dict(zip("abc", scale.weight[:, 0].square(), strict=True))))
    train(scale, weighting, lambda: weighting({"a": scale.weight[0, 0].square(), "b": None}))


@pytest.mark.parametrize("weighting", [eq.weighting.Learned(), eq.weighting.Equal(), eq.weighting.Fixed({"d": 2.0})])
def test_methods_of_weighting(weighting):
    likelihood = eq.MultiTaskLikelihood({"d": eq.Laplace()}).to("meta")
    scale = torch.nn.Linear(1, 1, device="meta")
    inputs = torch.zeros(4, 1, device="meta")
    optimizer = torch.optim.SGD(scale.parameters(), lr=0.1, foreach=False)
    with OneDevice():
        for _ in range(5):
            weighting.backward(likelihood({"d": scale(inputs)}, {"d": inputs}))
            optimizer.step()


def test_printing_there_shows_shapes():
    likelihood = eq.MultiTaskLikelihood({"d": eq.Laplace(channels=2)}).to("meta")
    joint = likelihood({"d": torch.zeros(4, 2, device="meta")}, {"d": torch.zeros(4, 2, device="meta")})
    assert "joint loss meta()" in str(joint)
    assert "meta(2)" in repr(joint.tasks["d"])
