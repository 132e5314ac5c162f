"""Arguments: those that do nothing together, or belong elsewhere, are refused by the class that was called."""

from typing import get_type_hints

import pytest
import torch

import equipoise as eq

MAKERS = {
    "Gaussian": eq.Gaussian,
    "Laplace": eq.Laplace,
    "StudentT": lambda **k: eq.StudentT(3.0, **k),
    "MultivariateGaussian": lambda **k: eq.MultivariateGaussian(2, **k),
    "Categorical": eq.Categorical,
    "Bernoulli": eq.Bernoulli,
    "Gibbs": lambda **k: eq.Gibbs(torch.nn.L1Loss(reduction="none"), **k),
    "UncertaintyWeighting": lambda **k: eq.UncertaintyWeighting({"a": "l1"}, **k),
}
every = pytest.mark.parametrize("name", MAKERS)


@every
def test_momentum_with_gradient_updates(name):
    with pytest.raises(ValueError, match=rf"^{name}: momentum: it does nothing with update='gradient'"):
        MAKERS[name](momentum=0.9)
    MAKERS[name](momentum=0.9, update="closed_form")


@every
def test_a_start_with_the_closed_form(name):
    with pytest.raises(ValueError, match=rf"^{name}: init: a closed form starts at the first batch"):
        MAKERS[name](init=3.0, update="closed_form")
    MAKERS[name](init="first_batch", update="closed_form")


@every
def test_unknown_arguments_name_the_class(name):
    with pytest.raises(TypeError, match=rf"^{name}: unexpected argument 'sigma': known are channels"):
        MAKERS[name](sigma=1.0)
    with pytest.raises(TypeError, match=rf"^{name}: unexpected argument 'lr': rates go to equipoise.param_groups"):
        MAKERS[name](lr=1.0)


@pytest.mark.parametrize("name", ["Categorical", "Bernoulli", "Gibbs", "UncertaintyWeighting"])
def test_standardize_where_there_is_no_unit(name):
    with pytest.raises(TypeError, match=rf"^{name}: unexpected argument 'standardize': .*no target with a unit"):
        MAKERS[name](standardize=True)


@every
@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("init", "first"),
        ("init", True),
        ("init", 99.0),
        ("init", float("nan")),
        ("update", "closed"),
        ("bounds", (1.0, 1.0)),
        ("prior", (0.0, 1.0)),
        ("prior", (1.0, -1.0)),
        ("floor", 1.0),
        ("floor", -0.1),
    ],
)
def test_out_of_range(name, argument, value):
    with pytest.raises(ValueError, match=rf"^{name}: {argument}: expected"):
        MAKERS[name](**{argument: value})


@pytest.mark.parametrize("kind", ["l3", (1.0,), (1.0, 2.0, 3.0), (0.0, 1.0), [1.0, "x"], None, 3.0])
def test_kinds_that_are_none(kind):
    with pytest.raises(ValueError, match="task 'x': expected one of l1, l2"):
        eq.UncertaintyWeighting({"x": kind})


def test_a_kind_may_be_a_list():
    assert eq.UncertaintyWeighting({"x": [2.0, 1.0]})({"x": torch.tensor(3.0)}).item() == 6.0


def test_tasks_that_are_none():
    for nothing in ({}, None):
        with pytest.raises(ValueError, match="UncertaintyWeighting: expected a kind"):
            eq.UncertaintyWeighting(nothing)
    with pytest.raises(ValueError, match="expected at least one task"):
        eq.MultiTaskLikelihood({})
    with pytest.raises(TypeError, match="task names that are strings"):
        eq.MultiTaskLikelihood({3: eq.Gaussian()})
    shared = eq.Gaussian()
    with pytest.raises(ValueError, match="a likelihood of its own for each task"):
        eq.MultiTaskLikelihood({"a": shared, "b": shared})


def test_unknown_tasks():
    likelihood, z = eq.MultiTaskLikelihood({"x": eq.Gaussian(), "y": eq.Gaussian()}), torch.zeros(3)
    with pytest.raises(KeyError, match="task 'depth': expected one of 'x', 'y'"):
        likelihood["depth"]
    given = {"outputs": {"q": z}, "targets": {"q": z}, "masks": {"q": z > 0}, "weights": {"q": z}, "counts": {"q": 3}}
    for kind, mapping in given.items():
        arguments = {"outputs": {"x": z}, "targets": {"x": z}} | {kind: mapping}
        with pytest.raises(ValueError, match=rf"{kind}: expected the tasks \['x', 'y'\], found 'q'"):
            likelihood(**arguments)
    for call in (likelihood.refit, lambda o, t: eq.calibration_report(likelihood, o, t)):
        with pytest.raises(ValueError, match=r"outputs: expected the tasks \['x', 'y'\], found 'q'"):
            call({"q": z}, {"q": z})
    with pytest.raises(ValueError, match="task 'x': expected a target"):
        eq.calibration_report(likelihood, {"x": z}, {})


class TestParameterGroups:
    def test_ten_times_the_rate_and_no_decay(self):
        net, likelihood = torch.nn.Linear(2, 1), eq.MultiTaskLikelihood({"a": eq.Gaussian(), "b": eq.StudentT(3.0)})
        network, noise = eq.param_groups(net, likelihood, lr=0.01, weight_decay=0.1)
        assert (network["lr"], network["weight_decay"], len(network["params"])) == (0.01, 0.1, 2)
        assert (noise["lr"], noise["weight_decay"], len(noise["params"])) == (pytest.approx(0.1), 0.0, 2)

    def test_a_rate_of_its_own(self):
        _, noise = eq.param_groups(torch.nn.Linear(2, 1), eq.Gaussian(), lr=0.01, log_variance_lr=0.01)
        assert noise["lr"] == 0.01

    def test_a_likelihood_inside_the_network_is_held_once(self):
        net = torch.nn.ModuleDict({"net": torch.nn.Linear(2, 1), "noise": eq.MultiTaskLikelihood({"a": eq.Gaussian()})})
        groups = eq.param_groups(net, net["noise"], lr=0.01)
        ids = [id(p) for group in groups for p in group["params"]]
        assert sorted(ids) == sorted({id(p) for p in net.parameters()})
        assert [p.shape for p in groups[1]["params"]] == [(1,)]

    def test_frozen_and_buffered_noise_is_left_out(self):
        frozen = eq.Gaussian().requires_grad_(False)
        for likelihood in (frozen, eq.Gaussian(update="closed_form")):
            assert len(eq.param_groups(torch.nn.Linear(2, 1), likelihood, lr=0.01)) == 1


def test_the_keywords_of_the_noise_are_said_once():
    """What type checkers know of ``**noise`` is what ``NoiseSettings`` has."""
    assert get_type_hints(eq.NoiseOptions) == get_type_hints(eq.NoiseSettings)


@pytest.mark.parametrize("kind", [eq.Gaussian, eq.Laplace, eq.Categorical, eq.Bernoulli])
def test_an_unknown_keyword_names_the_class(kind):
    with pytest.raises(TypeError, match=rf"{kind.__name__}: unexpected argument 'lr'"):
        kind(lr=0.1)
