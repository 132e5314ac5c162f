"""The joint likelihood: sums, missing labels, names, parameter groups, and the mistakes it finds."""

import copy
import subprocess
import sys
import warnings

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise as eq


def make(**noise) -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood(
        {
            "semantic": eq.Categorical(ignore_index=255, **noise),
            "instance": eq.Laplace(standardize=False, **noise),
            "depth": eq.Gaussian(standardize=False, **noise),
        }
    )


def batch(seed: int = 0) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    g = torch.Generator().manual_seed(seed)
    outputs = {
        "semantic": torch.randn(2, 4, 3, 5, generator=g),
        "instance": torch.randn(2, 2, 3, 5, generator=g),
        "depth": torch.randn(2, 1, 3, 5, generator=g),
    }
    targets = {
        "semantic": torch.randint(4, (2, 3, 5), generator=g),
        "instance": torch.randn(2, 2, 3, 5, generator=g),
        "depth": torch.randn(2, 1, 3, 5, generator=g),
    }
    return outputs, targets


def test_the_loss_is_the_sum_of_the_tasks():
    outputs, targets = batch()
    likelihood = make()
    joint = likelihood(outputs, targets)
    alone = sum(likelihood[name](outputs[name], targets[name]).nll for name in outputs)
    assert joint.loss.item() == pytest.approx(alone.item())
    assert joint.loss.shape == ()
    assert not joint.tasks["depth"].loss.requires_grad


def test_order_of_tasks_is_irrelevant():
    outputs, targets = batch()
    backward = eq.MultiTaskLikelihood(dict(reversed(make().items())))
    assert backward(outputs, targets).loss.item() == pytest.approx(make()(outputs, targets).loss.item())


@given(st.lists(st.booleans(), min_size=30, max_size=30), st.integers(0, 5))
@settings(max_examples=30, deadline=None)
def test_two_parts_are_one_batch_with_unequal_counts(kept, seed):
    """With the counts of the whole, the losses and gradients of two micro-batches add up to those of one batch."""
    outputs, targets = batch(seed)
    targets["depth"][~torch.tensor(kept).reshape(2, 1, 3, 5)] = float("nan")
    targets["semantic"][torch.tensor(kept).reshape(2, 3, 5)] = 255
    whole, parts = make(), make()
    joint = whole(outputs, targets)
    joint.loss.backward()
    counts = {name: term.count for name, term in joint.tasks.items()}
    total = 0.0
    for i in range(2):
        part = parts(
            {k: v[i : i + 1] for k, v in outputs.items()}, {k: v[i : i + 1] for k, v in targets.items()}, counts=counts
        )
        part.loss.backward()
        total += part.loss.item()
    assert total == pytest.approx(joint.loss.item(), abs=1e-5)
    (one,), (two,) = whole.parameters(), parts.parameters()
    assert two.grad.tolist() == pytest.approx(one.grad.tolist(), abs=1e-5)


@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}, {"prior": (1.0, 0.5)}])
def test_a_task_without_labels_adds_nothing(noise):
    outputs, targets = batch()
    likelihood = make(**noise)
    outputs = {name: value.requires_grad_() for name, value in outputs.items()}
    likelihood(outputs, targets)
    before = likelihood["depth"].log_variance.item()
    optimizer = torch.optim.Adam(eq.param_groups(torch.nn.Linear(1, 1), likelihood, lr=0.1))
    for step in range(3):
        labelled = step == 0
        if not labelled:
            targets["depth"] = torch.full_like(targets["depth"], float("nan"))
            before = likelihood["depth"].log_variance.item()
        optimizer.zero_grad()
        joint = likelihood(outputs, targets)
        joint.loss.backward()
        optimizer.step()
    assert joint.tasks["depth"].count.item() == 0
    assert joint.tasks["depth"].nll.item() == 0.0
    assert torch.isnan(joint.tasks["depth"].loss)
    others = joint.tasks["semantic"].nll + joint.tasks["instance"].nll
    assert joint.loss.item() == pytest.approx(others.item())
    assert likelihood["depth"].log_variance.item() == before
    assert all(torch.isfinite(value.grad).all() for value in outputs.values())


def test_no_labels_at_all():
    outputs, targets = batch()
    outputs = {name: value.requires_grad_() for name, value in outputs.items()}
    empty = torch.zeros(1, dtype=torch.bool)
    joint = make()(outputs, targets, dict.fromkeys(outputs, empty))
    joint.loss.backward()
    assert joint.loss.item() == 0.0
    assert all((value.grad == 0).all() for value in outputs.values())


def test_reports():
    likelihood = make(init=0.0)
    assert likelihood.sigmas() == {"semantic": 1.0, "instance": 1.0, "depth": 1.0}
    weights = likelihood.weights()
    assert weights["semantic"] == 1.0
    assert weights["depth"] == 0.5
    assert weights["instance"] == pytest.approx(2**0.5)
    found = likelihood.distribution(batch()[0])
    assert found["semantic"].logits.shape == (2, 3, 5, 4)
    assert isinstance(found["depth"], torch.distributions.Normal)


def test_errors_name_the_task():
    outputs, targets = batch()
    likelihood = make()
    with pytest.raises(ValueError, match="task 'depth': expected an output, since it has a target"):
        likelihood({k: v for k, v in outputs.items() if k != "depth"}, targets)
    with pytest.raises(ValueError, match=r"targets: expected the tasks .* found 'normals'"):
        likelihood(outputs, targets | {"normals": outputs["depth"]})
    with pytest.raises(KeyError, match="task 'dept': expected one of 'semantic', 'instance', 'depth'"):
        likelihood["dept"]
    with pytest.raises(ValueError, match=r"outputs: expected the tasks .* found 'normals'"):
        likelihood(outputs | {"normals": outputs["depth"]}, targets)
    with pytest.raises(ValueError, match="masks: expected the tasks"):
        likelihood(outputs, targets, {"dept": torch.ones(1, dtype=torch.bool)})
    with pytest.raises(ValueError, match="task 'depth': expected outputs and targets of equal shape"):
        likelihood(outputs | {"depth": outputs["depth"][:, 0]}, targets)
    with pytest.raises(FloatingPointError, match="task 'instance'"):
        likelihood(outputs | {"instance": outputs["instance"] * float("inf")}, targets)
    with pytest.raises(TypeError, match="task 'a'"):
        eq.MultiTaskLikelihood({"a": torch.nn.L1Loss()})


def test_parameter_groups():
    model = torch.nn.Sequential(torch.nn.Linear(2, 2), make())  # the likelihood may live inside the model
    groups = eq.param_groups(model, model[1], lr=0.1, weight_decay=0.01, log_variance_lr=0.5)
    assert [(len(g["params"]), g["lr"], g["weight_decay"]) for g in groups] == [(2, 0.1, 0.01), (1, 0.5, 0.0)]
    assert groups[1]["params"][0].shape == (3,)  # one vector holds the noise of all tasks
    assert eq.param_groups(model, model[1], lr=0.1)[1]["lr"] == pytest.approx(1.0)
    assert len(eq.param_groups(torch.nn.Linear(2, 2), make(update="closed_form"), lr=0.1)) == 1


class TestNoiseInNoOptimizer:
    def train(self, optimizer_of, steps: int = 4) -> None:
        model, likelihood = torch.nn.Linear(2, 1), eq.Gaussian(standardize=False)
        optimizer = torch.optim.SGD(optimizer_of(model, likelihood), lr=0.01)
        for _ in range(steps):
            likelihood(model(torch.ones(3, 2)), torch.zeros(3, 1)).nll.backward()
            optimizer.step()

    def test_warns(self):
        with pytest.warns(UserWarning, match="param_groups"):
            self.train(lambda model, likelihood: model.parameters())

    def test_silent_when_held(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            self.train(lambda model, likelihood: eq.param_groups(model, likelihood, lr=0.1))


@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}])
def test_state_and_copies(noise):
    outputs, targets = batch()
    likelihood = make(**noise)
    likelihood(outputs, targets)
    other = make(**noise)
    other.load_state_dict(likelihood.state_dict())
    for twin in (other, copy.deepcopy(likelihood)):
        assert twin(*batch(3)).loss.item() == copy.deepcopy(likelihood)(*batch(3)).loss.item()
    assert "Laplace" in repr(likelihood)


@pytest.mark.parametrize(
    "noise",
    [
        {},
        pytest.param({"init": "first_batch"}, marks=pytest.mark.slow),
        pytest.param({"update": "closed_form"}, marks=pytest.mark.slow),
    ],
)
def test_compiles_without_graph_break(noise):
    outputs, targets = batch()
    likelihood = make(**noise)
    expected = copy.deepcopy(likelihood)(outputs, targets).loss
    compiled = torch.compile(lambda o, t: likelihood(o, t).loss, fullgraph=True, backend="aot_eager")
    assert compiled(outputs, targets).item() == pytest.approx(expected.item(), abs=1e-6)
    outputs["depth"] = outputs["depth"] * float("nan")
    compiled(outputs, targets)
    with pytest.raises(FloatingPointError, match="task 'depth'"):
        likelihood.check()
    likelihood.check()


def test_import_loads_torch_and_nothing_else():
    """Every module that comes with equipoise comes with torch, or is equipoise's own core."""
    code = (
        "import torch, sys; before = set(sys.modules); import equipoise; "
        "print([m for m in sorted(set(sys.modules) - before) if not m.startswith(('equipoise', 'torch'))]);"
        "print([m for m in sys.modules if m.startswith('equipoise.scenes')])"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    assert eval(printed[1]) == []
    loaded = [m for m in eval(printed[0]) if m.split(".")[0] not in sys.stdlib_module_names]
    assert loaded == []


def test_scalar_outputs_of_several_tasks():
    """Tasks of one kind and shape are stacked; scalars have no axis to average over."""
    likelihood = eq.MultiTaskLikelihood({name: eq.Gaussian(standardize=False) for name in "ab"})
    outputs = {"a": torch.tensor(2.0), "b": torch.tensor(3.0)}
    joint = likelihood(outputs, dict.fromkeys("ab", torch.tensor(0.0)))
    assert [joint.tasks[name].loss.item() for name in "ab"] == [4.0, 9.0]
