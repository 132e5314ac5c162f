"""The von Mises-Fisher likelihood, against closed forms and numeric integration over the sphere."""

import math

import pytest
import torch

import equipoise as eq
from equipoise.likelihoods.von_mises_fisher import VonMisesFisherDistribution, one_minus_mean_cosine

UP = torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)


def at(concentration: float, **noise) -> eq.VonMisesFisher:
    likelihood = eq.VonMisesFisher(**noise).double()
    with torch.no_grad():
        likelihood.log_variance.fill_(-math.log(concentration))
    return likelihood


@pytest.mark.parametrize("concentration", [1e-6, 0.3, 5.0, 200.0])
def test_the_density_integrates_to_one(concentration):
    """By the area element: with w = μ·x, the sphere's area is 2π·dw."""
    w = torch.linspace(-1.0, 1.0, 2_000_001, dtype=torch.float64)
    x = torch.stack([torch.sqrt(1 - w**2), -w, torch.zeros_like(w)], -1)
    density = VonMisesFisherDistribution(UP.expand(len(w), 3), torch.tensor(concentration)).log_prob(x).exp()
    assert 2 * math.pi * torch.trapezoid(density, w).item() == pytest.approx(1.0, rel=1e-6)


@pytest.mark.parametrize("concentration", [0.05, 0.7, 4.0, 30.0, 1e4])
def test_the_optimum_against_the_closed_form(concentration):
    """Mean cosine coth κ − 1/κ gives κ back."""
    cosine = 1 / math.tanh(concentration) - 1 / concentration
    target = torch.stack([math.sqrt(1 - cosine**2) * torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64) + cosine * UP])
    found = eq.VonMisesFisher().double().optimal_log_variance(3 * UP[None], target)
    assert math.exp(-found.item()) == pytest.approx(concentration, rel=1e-5)


def test_directions_that_point_the_other_way_have_no_concentration():
    assert eq.VonMisesFisher().double().optimal_log_variance(UP[None], -UP[None]).item() == pytest.approx(40.0)


@pytest.mark.parametrize("s", [-39.0, -10.0, 0.0, 10.0, 39.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_extreme_concentrations_are_finite(s, dtype):
    likelihood = eq.VonMisesFisher().to(dtype)
    with torch.no_grad():
        likelihood.log_variance.fill_(s)
    output = torch.randn(5, 3, dtype=dtype, requires_grad=True)
    term = likelihood(output, torch.randn(5, 3, dtype=dtype))
    term.nll.backward()
    assert torch.isfinite(term.nll)
    assert torch.isfinite(output.grad).all()
    assert torch.isfinite(likelihood.log_variance.grad).all()
    uniform = math.log(2.0)  # 4π without the 2π that is dropped
    assert s < 39 or term.nll.item() == pytest.approx(uniform, abs=1e-5)


def test_the_expected_cosine_is_continuous_where_the_series_begins():
    k = torch.tensor([0.0099999, 0.0100001], dtype=torch.float64)
    assert torch.allclose(one_minus_mean_cosine(k), 1 - (1 / torch.tanh(k) - 1 / k), atol=1e-12)


def test_samples_have_the_mean_of_the_distribution():
    torch.manual_seed(0)
    found = at(4.0).distribution(2 * UP[None])
    drawn = found.sample((40_000,))
    assert torch.allclose(drawn.norm(dim=-1), torch.ones(()).double())
    assert torch.allclose(drawn.mean(0), found.mean, atol=0.01)
    assert torch.allclose(found.mean, (1 / math.tanh(4.0) - 0.25) * UP[None])


def test_known_concentration_is_recovered():
    torch.manual_seed(1)
    output = torch.randn(20_000, 3, dtype=torch.float64)
    target = at(25.0).distribution(output).sample()
    assert math.exp(-eq.VonMisesFisher().double().optimal_log_variance(output, target).item()) == pytest.approx(
        25.0, rel=0.03
    )


def test_images_labels_and_weights():
    output, target = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    target[0, 1, 0, 0], target[1, :, 2, 2] = torch.nan, 0.0
    likelihood = eq.VonMisesFisher()
    term = likelihood(output, target)
    assert term.count.item() == 2 * 4 * 5 - 2
    cosine = torch.nn.functional.cosine_similarity(output, target, dim=1)
    known = ~torch.isnan(cosine) & (target != 0).any(1)
    assert term.loss.item() == pytest.approx((1 - cosine[known]).mean().item(), rel=1e-5)
    assert term.weight.item() == pytest.approx(math.exp(-likelihood.log_variance.item()))
    first = likelihood(output, target, weights=torch.tensor([1.0, 0.0]))
    assert first.loss.item() == pytest.approx((1 - cosine[0][known[0]]).mean().item(), rel=1e-5)
    assert torch.allclose(likelihood.predict(output).norm(dim=1), torch.ones(2, 4, 5))
    last = eq.VonMisesFisher(axis=-1)(output.movedim(1, -1), target.movedim(1, -1))
    assert last.nll.item() == pytest.approx(term.nll.item(), rel=1e-6)


@pytest.mark.parametrize("concentration", [1e-3, 0.5, 8.0, 400.0])
@pytest.mark.parametrize("level", [0.5, 0.8, 0.95])
def test_the_cone_of_a_level_against_numeric_integration(concentration, level):
    """∫ of the density over the cone, by rings of area 2π·sin a·da."""
    likelihood = at(concentration)
    angle = torch.linspace(0.0, likelihood.half_width(level).item(), 20_001, dtype=torch.float64)
    axis, aside = UP, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64)
    x = angle.cos()[:, None] * axis + angle.sin()[:, None] * aside
    density = likelihood.distribution(UP.expand(len(angle), 3)).log_prob(x).exp()
    share = torch.trapezoid(density * 2 * math.pi * angle.sin(), angle).item()
    assert share == pytest.approx(level, abs=1e-6)
    k, a = concentration, angle[-1].item()
    assert share == pytest.approx(math.expm1(-k * (1 - math.cos(a))) / math.expm1(-2 * k), abs=1e-6)


def test_calibration_report_of_its_own_samples():
    """Coverage within four standard errors, nll that of the density; after a refit of a wrong σ as well."""
    torch.manual_seed(2)
    n = 20_000
    output = torch.randn(n, 3, 1, dtype=torch.float64)
    target = 3 * at(12.0).distribution(output).sample().movedim(-1, 1)
    target[0], target[1, 0] = 0.0, torch.nan
    mask = torch.ones(n, 1, 1, dtype=torch.bool)
    mask[2] = False
    likelihood = eq.MultiTaskLikelihood({"normals": at(200.0)})
    before = eq.calibration_report(likelihood, {"normals": output}, {"normals": target}, {"normals": mask})["normals"]
    assert before.count == n - 3
    assert before.coverage[0.95] < 0.3
    likelihood.refit({"normals": output}, {"normals": target}, {"normals": mask})
    report = eq.calibration_report(likelihood, {"normals": output}, {"normals": target}, {"normals": mask})
    for level, share in report["normals"].coverage.items():
        assert share == pytest.approx(level, abs=4 * math.sqrt(level * (1 - level) / n) + 0.003)
    unit = torch.nn.functional.normalize(target[3:], dim=1).movedim(1, -1)
    expected = -likelihood["normals"].distribution(output[3:]).log_prob(unit).mean().item()
    assert report["normals"].nll == pytest.approx(expected, abs=1e-9)
    assert report["normals"].nll < before.nll
    assert report["normals"].calibration_error is None


def test_weights_are_one_a_vector():
    output, target = torch.randn(2, 3, 4), torch.randn(2, 3, 4)
    output[0, :, 1] = torch.nan
    output.requires_grad_()
    weights = torch.rand(2, 1, 4) + 0.1
    weights[0, 0, 1] = 0.0
    likelihood = eq.VonMisesFisher()
    term = likelihood(output, target, weights=weights)
    losses = 1 - torch.nn.functional.cosine_similarity(output.detach().nan_to_num(1.0), target, dim=1)
    assert term.loss.item() == pytest.approx(((losses * weights[:, 0]).sum() / weights.sum()).item(), rel=1e-5)
    assert likelihood(output, target, weights=weights[:, 0]).nll.item() == pytest.approx(term.nll.item())
    term.nll.backward()
    assert torch.isfinite(output.grad).all()
    with pytest.raises(ValueError, match="expected one weight a row"):
        likelihood(output, target, weights=torch.ones(2, 3, 4))


@pytest.mark.parametrize(("shape", "other"), [((2, 4), (2, 4)), ((2, 3), (2, 3, 1)), ((), ())])
def test_shapes_that_do_not_fit(shape, other):
    with pytest.raises(ValueError, match="expected outputs and targets of equal shape with 3 components on axis 1"):
        eq.VonMisesFisher()(torch.zeros(shape), torch.zeros(other))


@pytest.mark.parametrize("noise", [{"channels": 3}, {"update": "closed_form"}])
def test_settings_that_it_does_not_have(noise):
    with pytest.raises(ValueError, match=f"VonMisesFisher: {next(iter(noise))}: expected"):
        eq.VonMisesFisher(**noise)
