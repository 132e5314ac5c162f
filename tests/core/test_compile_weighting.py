"""Methods of weighing under ``torch.compile``: network, likelihood and loss in one graph."""

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import Tensor

import equipoise as eq
from equipoise import weighting

pytestmark = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"
)  # PyTorch's own look.

WEIGHTS = {"a": 1.0, "b": 2.0, "c": 0.5}
METHODS: dict[str, Any] = {
    "Learned": weighting.Learned,
    "Damped": weighting.Damped,
    "Equal": weighting.Equal,
    "Fixed": lambda: weighting.Fixed(WEIGHTS),
    "Grown": weighting.Grown,
    "Grown, fixed": lambda: weighting.Grown(WEIGHTS),
    "RateMatched": weighting.RateMatched,
}


def likelihood(*, exact: bool = True) -> eq.MultiTaskLikelihood:
    """With ``exact`` the flags' noise has no linear form, so that it lies beside that of the others."""
    kinds = {"a": eq.Gaussian(init=-1.0), "b": eq.Laplace(standardize=False, init=0.8)}
    return eq.MultiTaskLikelihood(kinds | {"c": eq.Bernoulli(exact=exact, init=-0.4)})


def batch(step: int, rows: int) -> tuple[Tensor, dict[str, Tensor]]:
    g = torch.Generator().manual_seed(step)
    inputs = torch.randn(rows, 4, generator=g)
    noise = torch.randn(rows, 3, generator=g)
    return inputs, {"a": 5 + noise[:, :1], "b": noise[:, 1:2], "c": (noise[:, 2:] > 0).float()}


def trained(name: str, parts: tuple[Any, Any], rows: list[int], **compiling: Any) -> list[Tensor]:
    """Losses and gradients of a few steps, and the parameters they end with."""
    network, tasks = copy.deepcopy(parts)
    method = METHODS[name]()

    def loss(inputs: Tensor, targets: dict[str, Tensor]) -> Tensor:
        outputs = network(inputs)
        return method.loss(tasks({"a": outputs[:, :1], "b": outputs[:, 1:2], "c": outputs[:, 2:]}, targets))

    run = torch.compile(loss, fullgraph=True, backend="aot_eager", **compiling) if compiling else loss
    optimizer = torch.optim.SGD(eq.param_groups(network, tasks, lr=0.05), lr=0.05)
    found = []
    for step, number in enumerate(rows):
        optimizer.zero_grad()
        value = run(*batch(step, number))
        value.backward()
        parameters = [*network.parameters(), *tasks.parameters()]
        # Without noise in the loss, s has no gradient.
        found += [value.detach(), *(p.grad.clone() for p in parameters if p.grad is not None)]
        optimizer.step()
    return found + [p.detach() for p in [*network.parameters(), *tasks.parameters()]]


QUICK = {("Damped", True), ("Equal", False), ("Grown, fixed", False), ("RateMatched", False)}


@pytest.mark.parametrize(
    ("name", "dynamic"),
    [
        pytest.param(name, dynamic, marks=[] if (name, dynamic) in QUICK else pytest.mark.slow)
        for name in METHODS
        for dynamic in (False, True)
    ],
)
def test_losses_and_gradients_as_in_eager_mode(name, dynamic):
    torch._dynamo.reset()
    torch.manual_seed(0)
    parts = (torch.nn.Linear(4, 3), likelihood(exact=name != "RateMatched"))
    rows = [40, 40, 23, 57, 8] if dynamic else [40, 40, 40]
    expected, found = trained(name, parts, rows), trained(name, parts, rows, dynamic=dynamic)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("dynamic", [False, True])
def test_damped_losses_of_scalars(dynamic):
    torch._dynamo.reset()
    torch.manual_seed(0)
    found = []
    for compiled in (False, True):
        scalars = eq.UncertaintyWeighting({"a": "l2", "b": "l1", "c": "liebel"}, damping=0.5, init=0.3)

        def loss(x: Tensor, scalars=scalars) -> Tensor:
            return scalars({"a": x.square().mean(), "b": (x - 3).abs().mean(), "c": None})

        run = torch.compile(loss, fullgraph=True, backend="aot_eager", dynamic=dynamic) if compiled else loss
        for rows in (4, 6):
            x = torch.linspace(-1.0, 2.0, rows, requires_grad=True)
            run(x).backward()
            found.append([x.grad, *(p.grad for p in scalars.parameters() if p.grad is not None)])
    # s of the missing task has no gradient in eager mode, and one of zero in a graph.
    for eager, compiled in zip(found[:2], found[2:], strict=True):
        torch.testing.assert_close(compiled[: len(eager)], eager)
        assert all(float(extra.abs().max()) == 0.0 for extra in compiled[len(eager) :])


class TestTasks:
    """Reading ``joint.tasks`` in a graph."""

    def joint(self, inputs: Tensor) -> eq.JointLoss:
        tasks = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False), "c": eq.Categorical()})
        return tasks({"a": inputs[:, :1], "c": inputs}, {"a": torch.zeros(len(inputs), 1), "c": torch.zeros(6).long()})

    @pytest.mark.parametrize("figure", ["nll", "loss", "weight", "sigma", "count", "raw_loss", "standardized_loss"])
    def test_every_figure(self, figure):
        torch._dynamo.reset()
        tasks = likelihood()
        tasks(*self.given())  # The units are then settled enough to be the same in both.

        def figures(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> list[Tensor]:
            return [getattr(term, figure) for term in tasks.eval()(outputs, targets).tasks.values()]

        run = torch.compile(figures, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(run(*self.given()), figures(*self.given()))

    def given(self) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        inputs, targets = batch(0, 40)
        return {"a": inputs[:, :1], "b": inputs[:, 1:2], "c": inputs[:, 2:3]}, targets

    def test_the_same_objects_at_each_read_and_a_graph_when_first_read_to_be_logged(self):
        torch._dynamo.reset()
        tasks = likelihood()

        def run(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> tuple[Tensor, bool]:
            joint = tasks(outputs, targets)
            with torch.no_grad():
                first, raw = joint.tasks, joint.tasks["a"].raw_loss
            same = joint.tasks is first and joint.tasks["a"] is first["a"] and joint.tasks["a"].raw_loss is raw
            return joint.tasks["a"].raw_loss + joint.tasks["b"].nll, same

        outputs, targets = self.given()
        gradients = []
        for function in (run, torch.compile(run, fullgraph=True, backend="aot_eager")):
            given = {name: output.detach().requires_grad_() for name, output in outputs.items()}
            value, same = function(given, targets)
            assert same
            value.backward()
            gradients.append([given["a"].grad, given["b"].grad])
        torch.testing.assert_close(gradients[1], gradients[0])

    def test_a_joint_loss_that_a_graph_returns_is_read_outside(self):
        torch._dynamo.reset()
        tasks = likelihood()

        def run(outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> tuple[eq.JointLoss, Tensor]:
            joint = tasks(outputs, targets)
            return joint, weighting.Equal().loss(joint)

        joint, total = torch.compile(run, fullgraph=True, backend="aot_eager")(*self.given())
        mean = sum(term.standardized_loss for term in joint.tasks.values()) / 3
        torch.testing.assert_close(mean, total)
        assert joint.tasks is joint.tasks


def test_copies_and_pytrees_of_a_joint_loss_that_was_read():
    tasks = likelihood()
    with torch.no_grad():
        joint = tasks(*TestTasks().given())
    expected = {name: term.loss for name, term in joint.tasks.items()}
    leaves, spec = torch.utils._pytree.tree_flatten(joint)
    for other in (
        pickle.loads(pickle.dumps(joint)),
        copy.deepcopy(joint),
        torch.utils._pytree.tree_unflatten(leaves, spec),
    ):
        assert other.tasks is not joint.tasks
        assert other.tasks is other.tasks
        assert {name: term.loss for name, term in other.tasks.items()} == expected
    # What was read is not taken along.
    doubled = torch.utils._pytree.tree_map(lambda leaf: None if leaf is None else 2 * leaf, joint)
    assert doubled.tasks["a"].nll.item() == pytest.approx(2 * joint.tasks["a"].nll.item())
    with pytest.raises(AttributeError):
        joint.tasks = {}
