"""State follows the task's name: whatever the name, in whatever order, with tasks more or fewer."""

import copy
import io

import pytest
import torch

import equipoise as eq

NAMES = ["depth", "a.b", "forward", "", "surface normals", "глубина", "a%2Eb", "%", "weight", "0"]


def weighting(tasks: dict[str, float]) -> eq.UncertaintyWeighting:
    made = eq.UncertaintyWeighting(dict.fromkeys(tasks, "l2"))
    with torch.no_grad():
        for name, s in tasks.items():
            made[name].log_variance.fill_(s)
    return made


def likelihood(**inits: float) -> eq.MultiTaskLikelihood:
    kinds = {"depth": eq.Laplace, "normal": eq.Laplace, "edge": eq.Bernoulli, "size": eq.StudentT}
    return eq.MultiTaskLikelihood(
        {name: kinds[name](*([3.0] if name == "size" else []), init=s) for name, s in inits.items()}
    )


def values(of: eq.MultiTaskLikelihood | eq.UncertaintyWeighting) -> dict[str, float]:
    return {name: member.log_variance.item() for name, member in of.items()}


def test_any_name_keeps_its_own_value():
    saved = weighting({name: float(i) for i, name in enumerate(NAMES)})
    file = io.BytesIO()
    torch.save(saved.state_dict(), file)
    file.seek(0)
    other = weighting(dict.fromkeys(reversed(NAMES), -1.0))
    other.load_state_dict(torch.load(file, weights_only=True))
    assert values(other) == {name: float(i) for i, name in enumerate(NAMES)}
    # The names make as many different keys.
    assert len([key for key in saved.state_dict() if key.endswith("log_variance")]) == len(NAMES)


@pytest.mark.parametrize("make", [weighting, lambda tasks: likelihood(**tasks)], ids=["weighting", "likelihood"])
def test_another_order(make):
    saved = make({"depth": -3.0, "normal": 2.0, "edge": 0.5})
    other = make({"edge": 0.0, "normal": 0.0, "depth": 0.0})
    other.load_state_dict(saved.state_dict())
    assert values(other) == {"edge": 0.5, "normal": 2.0, "depth": -3.0}


def test_one_task_more_or_fewer_is_reported_by_name():
    saved = likelihood(depth=-3.0, normal=2.0)
    more = likelihood(edge=0.25, depth=0.0, normal=0.0)
    with pytest.raises(RuntimeError, match=r"Missing key.*likelihoods\.edge\.noise\.log_variance"):
        more.load_state_dict(saved.state_dict())
    more = likelihood(edge=0.25, depth=0.0, normal=0.0)
    found = more.load_state_dict(saved.state_dict(), strict=False)
    assert found.missing_keys
    assert all("edge" in key for key in found.missing_keys)
    assert values(more) == {"edge": 0.25, "depth": -3.0, "normal": 2.0}
    fewer = likelihood(normal=0.0)
    with pytest.raises(RuntimeError, match=r"Unexpected key.*likelihoods\.depth\.noise\.log_variance"):
        fewer.load_state_dict(saved.state_dict())
    fewer.load_state_dict(saved.state_dict(), strict=False)
    assert values(fewer) == {"normal": 2.0}


def test_a_state_of_other_channels_is_refused():
    saved = eq.MultiTaskLikelihood({"a": eq.Gaussian(channels=3)})
    with pytest.raises(RuntimeError, match=r"likelihoods\.a\.noise\.log_variance: expected shape \(2,\), found \(3,\)"):
        eq.MultiTaskLikelihood({"a": eq.Gaussian(channels=2)}).load_state_dict(saved.state_dict())


def train(noise: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    for _ in range(steps):
        optimizer.zero_grad()
        noise({"a": torch.tensor(9.0), "b": torch.tensor(0.2), "c": torch.tensor(2.0)}).backward()
        optimizer.step()


def test_an_optimizer_resumed_with_the_tasks_in_another_order():
    """As if it had not been interrupted: Adam's moments find the task they belong to."""
    kinds = {"a": "l2", "b": "classification", "c": "l1"}
    whole = eq.UncertaintyWeighting(kinds)
    whole_optimizer = torch.optim.Adam(eq.param_groups(torch.nn.Linear(1, 1), whole, lr=0.01))
    train(whole, whole_optimizer, 5)
    states = copy.deepcopy((whole.state_dict(), whole_optimizer.state_dict()))
    train(whole, whole_optimizer, 5)
    resumed = eq.UncertaintyWeighting(dict(reversed(kinds.items())))
    optimizer = torch.optim.Adam(eq.param_groups(torch.nn.Linear(1, 1), resumed, lr=0.01))
    resumed.load_state_dict(states[0])
    optimizer.load_state_dict(states[1])
    train(resumed, optimizer, 5)
    assert values(resumed) == values(whole)
    assert len(set(values(whole).values())) == 3


def test_a_task_added_to_a_running_optimizer():
    """As ``param_groups`` describes it: the old tasks go on from where they were, and the new one moves."""
    old = eq.UncertaintyWeighting({"a": "l2", "b": "l2"})
    optimizer = torch.optim.Adam(eq.param_groups(torch.nn.Linear(1, 1), old, lr=0.01))
    for _ in range(3):
        optimizer.zero_grad()
        old({"a": torch.tensor(9.0), "b": torch.tensor(0.2)}).backward()
        optimizer.step()
    new = eq.UncertaintyWeighting({"a": "l2", "b": "l2", "c": "l2"})
    new.load_state_dict(old.state_dict(), strict=False)
    assert {name: values(new)[name] for name in "ab"} == values(old)
    for group in eq.param_groups(torch.nn.Linear(1, 1), new, lr=0.01):
        optimizer.add_param_group(group)
    before = values(new)
    train(new, optimizer, 2)
    assert all(values(new)[name] != before[name] for name in "abc")


def test_storage_is_one_vector():
    one = likelihood(depth=1.0, edge=2.0, normal=3.0)
    # In the order of kinds and names, Bernoulli before Laplace.
    (name, stored), *others = [(n, p) for n, p in one.named_parameters()]
    assert name.endswith("noise.bank.log_variance")
    assert not others
    assert stored.tolist() == [2.0, 1.0, 3.0]


def test_a_view_shows_the_stored_gradient():
    one = eq.UncertaintyWeighting({"a": "l2", "b": "l2"})
    one({"a": torch.tensor(3.0), "b": None}).backward()
    assert one["a"].log_variance.grad.item() == pytest.approx(-1.5 + 0.5)
    assert one["b"].log_variance.grad is None
    with torch.no_grad():
        one["b"].log_variance.fill_(1.5)
    assert values(one) == {"a": 0.0, "b": 1.5}


@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}])
@pytest.mark.parametrize("kind", ["Gaussian", "StudentT", "MultivariateGaussian", "Categorical"])
def test_training_resumed_in_the_middle_is_bit_exact(kind, noise):
    """Four steps and four more, in one go and resumed; the unit is still being gathered at the interruption."""

    def make() -> tuple[eq.MultiTaskLikelihood, torch.nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(0)
        one = {
            "Gaussian": lambda: eq.Gaussian(**noise),
            "StudentT": lambda: eq.StudentT(3.0, **noise),
            "MultivariateGaussian": lambda: eq.MultivariateGaussian(2, **noise),
            "Categorical": lambda: eq.Categorical(**noise),
        }[kind]()
        joint, net = eq.MultiTaskLikelihood({"t": one}), torch.nn.Linear(3, 2)
        return joint, net, torch.optim.Adam(eq.param_groups(net, joint, lr=0.01))

    def steps(joint, net, optimizer, numbers) -> None:
        for i in numbers:
            g = torch.Generator().manual_seed(i)
            x = torch.randn(5, 3, generator=g)
            target = torch.randint(2, (5,), generator=g) if kind == "Categorical" else 50 + 9 * x[:, :2]
            optimizer.zero_grad()
            joint({"t": net(x)}, {"t": target}).loss.backward()
            optimizer.step()

    straight = make()
    steps(*straight, range(8))
    first, second = make(), make()
    steps(*first, range(4))
    for one, other in zip(first, second, strict=True):
        other.load_state_dict(copy.deepcopy(one.state_dict()))
    steps(*second, range(4, 8))
    for one, other in zip(straight[:2], second[:2], strict=True):
        mine, wanted = other.state_dict(), one.state_dict()
        assert all(torch.equal(mine[key], wanted[key]) for key in wanted), kind
