"""Refits, starts and predictions: the optimum of held-out data, or the state as it was and a warning."""

import copy
import math
import warnings

import pytest
import torch

import equipoise as eq


def make(kind: str, **noise) -> eq.Likelihood:
    kinds = {
        "Gaussian": lambda: eq.Gaussian(standardize=False, **noise),
        "Laplace": lambda: eq.Laplace(standardize=False, **noise),
        "StudentT": lambda: eq.StudentT(3.0, standardize=False, **noise),
        "Multivariate": lambda: eq.MultivariateGaussian(2, standardize=False, **noise),
        "Categorical": lambda: eq.Categorical(**noise),
        "exact": lambda: eq.Categorical(exact=True, **noise),
        "Bernoulli": lambda: eq.Bernoulli(exact=True, **noise),
        "Gibbs": lambda: eq.Gibbs(lambda f, y: (f - y).abs(), **noise),
    }
    return kinds[kind]()


def data(kind: str, n: int = 300) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    output = torch.randn(n, 2, generator=g)
    if kind in ("Categorical", "exact"):
        return output, torch.multinomial((output / 2).softmax(1), 1, generator=g)[:, 0]
    if kind == "Bernoulli":
        return output, torch.bernoulli((output / 2).sigmoid(), generator=g)
    return output, output + 3 * torch.randn(n, 2, generator=g)


def nothing(kind: str, how: str) -> tuple[torch.Tensor, torch.Tensor]:
    output, target = data(kind, 20)
    if how == "no label":
        target = torch.full_like(target, -100 if kind in ("Categorical", "exact") else math.nan)
    elif how == "infinite":
        output = torch.full_like(output, math.nan)
    elif how in ("perfect", "separable"):
        is_class = kind in ("Categorical", "exact")
        certain = 2 * (torch.nn.functional.one_hot(target, 2) if is_class else target) - 1
        output = (30.0 if how == "perfect" else 2.5) * certain if is_class or kind == "Bernoulli" else target.clone()
    return output, target


KINDS = ["Gaussian", "Laplace", "StudentT", "Multivariate", "Categorical", "exact", "Bernoulli", "Gibbs"]


@pytest.mark.parametrize(
    ("kind", "how"),
    [(kind, how) for kind in KINDS for how in ("no label", "infinite", "perfect")]
    + [(kind, "separable") for kind in ("Categorical", "exact", "Bernoulli")],
)
def test_a_refit_without_information_warns_and_changes_nothing(kind, how):
    likelihood = make(kind, init=0.7)
    before = {key: value.clone() for key, value in likelihood.state_dict().items()}
    with pytest.warns(UserWarning, match="refit: these data do not determine the noise"):
        likelihood.refit(*nothing(kind, how))
    after = likelihood.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


@pytest.mark.parametrize("kind", ["Gaussian", "Laplace", "StudentT", "Multivariate", "exact", "Bernoulli", "Gibbs"])
@pytest.mark.parametrize("prior", [None, (1.0, 0.5)])
def test_a_refit_is_the_optimum(kind, prior):
    """The gradient of nll, the prior included, is zero there."""
    likelihood = make(kind, prior=prior)
    output, target = data(kind)
    likelihood.refit(output, target)
    assert bool((likelihood.log_variance.abs() > 0.05).all())
    likelihood(output, target).nll.backward()
    for parameter in likelihood.parameters():
        assert parameter.grad.abs().max().item() < 2e-4


# Logits of ±30 have a cross entropy above zero, which is information for the approximate form of Categorical.
# The exact forms have no closed form.
@pytest.mark.parametrize(
    ("kind", "how", "noise"),
    [
        (kind, how, noise)
        for kind in KINDS
        for how in ("no label", "perfect")
        for noise in ({"init": "first_batch"}, {"update": "closed_form"})
        if (kind, how) != ("Categorical", "perfect") and not (noise.get("update") and kind in ("exact", "Bernoulli"))
    ],
)
def test_a_start_waits_for_information(kind, how, noise):
    likelihood = make(kind, **noise)
    likelihood(*nothing(kind, how))
    assert not bool(likelihood.log_variance.any())
    output, target = data(kind)
    wanted = likelihood.optimal_log_variance(output, target)
    likelihood(output, target)
    if kind == "StudentT" and noise.get("update"):
        likelihood(output, target)  # it follows one batch behind
        assert likelihood.log_variance.item() == pytest.approx(wanted.item(), abs=0.5)
    else:
        assert torch.allclose(likelihood.log_variance, wanted, atol=2e-3)


def test_channels_start_one_by_one():
    """A channel that had no label in the first batch starts when its labels come."""
    likelihood = eq.Gaussian(channels=2, init="first_batch", standardize=False)
    likelihood(torch.zeros(2, 2), torch.tensor([[2.0, math.nan], [2.0, math.nan]]))
    assert likelihood.log_variance.tolist() == pytest.approx([math.log(4.0), 0.0])
    likelihood(torch.zeros(2, 2), torch.tensor([[9.0, 3.0], [9.0, 3.0]]))
    assert likelihood.log_variance.tolist() == pytest.approx([math.log(4.0), math.log(9.0)])


class TestFewerRowsThanDimensions:
    @pytest.mark.parametrize("noise", [{"init": "first_batch"}, {"update": "closed_form"}])
    @pytest.mark.parametrize(("rows", "dim"), [(8, 12), (8, 256), (12, 12), (13, 12)])
    def test_the_batch_just_seen_has_a_sane_nll(self, noise, rows, dim):
        torch.manual_seed(5)
        likelihood = eq.MultivariateGaussian(dim, standardize=False, **noise)
        target = torch.randn(rows, dim)
        nll = likelihood(torch.zeros(rows, dim), target).nll.item()
        assert -1.0 < nll < 5.0
        fresh = likelihood.eval()(torch.zeros(500, dim), torch.randn(500, dim)).nll.item()
        assert fresh < 5.0  # with the sample covariance itself: 10¹²

    def test_a_refit_needs_as_many(self):
        likelihood = eq.MultivariateGaussian(12, standardize=False)
        with pytest.warns(UserWarning, match="too few rows"):
            likelihood.refit(torch.zeros(8, 12), torch.randn(8, 12))
        assert not bool(likelihood.log_variance.any())


class TestPredict:
    def test_values_in_the_target_s_unit(self):
        likelihood = eq.MultiTaskLikelihood(
            {"g": eq.Gaussian(), "m": eq.MultivariateGaussian(2), "r": eq.Laplace(form="paper")}
        )
        likelihood.fit({"g": torch.tensor([10.0, 30.0]), "m": torch.tensor([[0.0, 100.0], [2.0, 300.0]])})
        found = likelihood.predict(
            {"g": torch.tensor([1.5]), "m": torch.tensor([[1.0, -1.0]]), "r": torch.tensor([4.0])}
        )
        assert found["g"].tolist() == pytest.approx([35.0])
        assert found["m"].tolist() == [pytest.approx([2.0, 100.0])]
        assert found["r"].tolist() == [4.0]
        assert not found["g"].requires_grad

    def test_classes_and_probabilities(self):
        likelihood = eq.MultiTaskLikelihood({"c": eq.Categorical(), "b": eq.Bernoulli()})
        outputs = {"c": torch.tensor([[0.0, 2.0, 1.0]]), "b": torch.tensor([[-1.0, 3.0]])}
        answers = likelihood.predict(outputs)
        assert answers["c"].tolist() == [1]
        assert answers["b"].tolist() == [[0, 1]]
        chances = likelihood.predict(outputs, probabilities=True)
        assert torch.allclose(chances["c"], outputs["c"].softmax(1))
        assert torch.allclose(chances["b"], outputs["b"].sigmoid())

    def test_probabilities_follow_a_refitted_temperature(self):
        likelihood, (output, target) = eq.Categorical(), data("Categorical", 3000)
        likelihood.refit(output, target)
        temperature = likelihood.temperature.log_temperature.exp().item()
        assert temperature == pytest.approx(2.0, rel=0.2)
        assert torch.allclose(likelihood.predict(output, probabilities=True), (output / temperature).softmax(1))

    @pytest.mark.parametrize("kind", [eq.Gaussian, eq.Laplace, lambda: eq.StudentT(3.0)])
    def test_warns_before_the_unit_is_known(self, kind):
        likelihood = kind()
        with pytest.warns(UserWarning, match="unit is not known yet"):
            likelihood.predict(torch.zeros(3))
        likelihood.fit(torch.tensor([1.0, 2.0]))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            likelihood.predict(torch.zeros(3))

    def test_an_unknown_task(self):
        with pytest.raises(ValueError, match=r"outputs: expected the tasks \['c'\], found 'q'"):
            eq.MultiTaskLikelihood({"c": eq.Categorical()}).predict({"q": torch.zeros(1)})


def test_a_closed_form_of_student_reports_the_nll_of_the_s_it_used():
    """It follows one batch behind: in eval mode the same batch has the same nll before the next one comes."""
    likelihood = eq.StudentT(3.0, update="closed_form", momentum=0.5, standardize=False)
    for k in range(4):
        target = 10.0**k * torch.randn(500, generator=torch.Generator().manual_seed(k))
        before = copy.deepcopy(likelihood)
        reported = likelihood(torch.zeros(500), target).nll.item()
        if k:
            before.noise.bank.catch_up(before.noise.span, before.optimum)
            assert reported == pytest.approx(before.eval()(torch.zeros(500), target).nll.item(), rel=1e-5)
        else:
            assert reported == pytest.approx(likelihood.eval()(torch.zeros(500), target).nll.item(), rel=1e-3)
            likelihood.train()
