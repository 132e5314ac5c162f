"""A regression owns its target's unit: no odd first batch may set it for good, and nothing else may change it."""

import math
import sys
import warnings

import pytest
import torch

import equipoise as eq

KINDS = {
    "Gaussian": eq.Gaussian,
    "Laplace": eq.Laplace,
    "StudentT": lambda **k: eq.StudentT(4.0, **k),
}
every = pytest.mark.parametrize("kind", KINDS)


def shown(likelihood: eq.Likelihood, *batches: torch.Tensor) -> eq.Likelihood:
    for target in batches:
        output = torch.zeros(target.shape, dtype=target.dtype if target.is_floating_point() else torch.float32)
        likelihood(output, target)
    return likelihood


def normal(n: int, mean: float, deviation: float, seed: int = 0) -> torch.Tensor:
    return mean + deviation * torch.randn(n, generator=torch.Generator().manual_seed(seed))


@every
def test_the_paper_s_form_and_classes_have_none(kind):
    assert KINDS[kind]().unit is not None
    assert KINDS[kind](standardize=False).unit is None
    assert eq.Laplace(form="paper").unit is None


@every
def test_offset_and_scale_are_mean_and_deviation(kind):
    target = normal(500, 30.0, 4.0)
    unit = shown(KINDS[kind](), target).unit
    assert unit.offset.item() == pytest.approx(target.mean().item(), rel=1e-6)
    assert unit.scale.item() == pytest.approx(target.std(correction=0).item(), rel=1e-5)


@every
def test_one_or_two_nearly_equal_targets_first(kind):
    """The first batch has a 10,000th of the right spread; those after it set it right, without a warning."""
    likelihood = shown(KINDS[kind](), torch.tensor([70.0, 70.001]))
    assert likelihood.unit.scale.item() == pytest.approx(7.0, rel=0.01)  # a tenth of the offset, for now
    likelihood = shown(likelihood, *(normal(16, 70.0, 10.0, seed) for seed in range(4)))
    assert likelihood.unit.scale.item() == pytest.approx(10.0, rel=0.3)
    assert bool(likelihood.unit.is_settled)


@every
def test_a_single_sample_a_batch(kind):
    target = normal(40, 5.0, 2.0)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the targets have no spread so far")
        likelihood = shown(KINDS[kind](), *target.reshape(-1, 1))
    assert likelihood.unit.scale.item() == pytest.approx(target[:32].std(correction=0).item(), rel=0.3)


@every
@pytest.mark.parametrize("outlier", [1e6, -1e6])
def test_an_outlier_does_not_count(kind, outlier):
    target = normal(200, 70.0, 10.0)
    spoilt = target.clone()
    spoilt[17] = outlier
    unit = shown(KINDS[kind](), spoilt).unit
    assert unit.scale.item() == pytest.approx(target.std(correction=0).item(), rel=0.02)
    assert unit.offset.item() == pytest.approx(target.mean().item(), rel=0.01)


@every
def test_a_nearly_empty_mask_first(kind):
    likelihood = KINDS[kind]()
    target, mask = normal(1000, 70.0, 10.0), torch.zeros(1000, dtype=torch.bool)
    mask[:2] = True
    likelihood(torch.zeros(1000), target, mask)
    assert not bool(likelihood.unit.is_settled)
    shown(likelihood, target)
    assert likelihood.unit.scale.item() == pytest.approx(10.0, rel=0.1)


@every
def test_a_sorted_loader_warns_and_is_set_right(kind):
    target = normal(1600, 0.0, 10.0).sort().values
    likelihood = KINDS[kind]()
    with pytest.warns(UserWarning, match="not typical"):
        shown(likelihood, *target.split(100))
    assert likelihood.unit.scale.item() == pytest.approx(10.0, rel=0.5)
    assert abs(likelihood.unit.offset.item()) < 10.0


@every
def test_shuffled_batches_never_change_it_again(kind):
    likelihood = shown(KINDS[kind](), normal(64, 3.0, 2.0))
    before = likelihood.unit.known.clone()
    shown(likelihood, *(normal(64, 3.0, 2.0, seed) for seed in range(1, 30)))
    assert torch.equal(likelihood.unit.known, before)


@every
def test_integers_far_from_zero(kind):
    """Timestamps in seconds, days apart: float32 has steps of 128 s there, so the offset is taken off first."""
    seconds = 3_600 * torch.tensor([0, 1, 2, 3, 24, 48] * 10)
    likelihood = shown(KINDS[kind](), 1_700_000_000 + seconds)
    deviation = seconds.double().std(correction=0).item()
    assert likelihood.unit.scale.item() == pytest.approx(deviation, rel=1e-4)
    term = likelihood(torch.zeros(60), 1_700_000_000 + seconds)
    wanted = seconds.double() - seconds.double().mean()
    raw = wanted.abs().mean() if kind == "Laplace" else wanted.square().mean()
    assert term.loss.item() == pytest.approx(raw.item(), rel=1e-3)


@every
def test_bfloat16_with_an_offset(kind):
    """bf16 has steps of 0.5 at 100: the targets' spread of 8 is still seen, in float32."""
    target = normal(400, 100.0, 8.0).to(torch.bfloat16)
    unit = shown(KINDS[kind](), target).unit
    assert unit.scale.dtype == torch.float32
    assert unit.scale.item() == pytest.approx(target.float().std(correction=0).item(), rel=0.01)


@every
def test_equal_targets_leave_it_unknown_and_warn(kind):
    likelihood = KINDS[kind]()
    with pytest.warns(UserWarning, match="no spread"):
        shown(likelihood, torch.full((50,), 7.0))
    assert likelihood.unit.scale.item() == 1.0
    shown(likelihood, normal(100, 7.0, 3.0))
    assert likelihood.unit.scale.item() == pytest.approx(3.0, rel=0.5)


@every
def test_infinite_targets_are_an_error_and_set_nothing(kind):
    likelihood = KINDS[kind]()
    with pytest.raises(FloatingPointError):
        shown(likelihood, torch.tensor([60.0, math.inf, 80.0]))
    assert math.isfinite(likelihood.unit.scale.item())
    shown(likelihood, normal(500, 70.0, 10.0))
    assert likelihood.unit.scale.item() == pytest.approx(10.0, rel=0.1)


@every
def test_fit_is_for_good(kind):
    likelihood = KINDS[kind]()
    likelihood.fit(normal(1000, 70.0, 10.0))
    before = likelihood.unit.known.clone()
    shown(likelihood, *(normal(64, -500.0, 1.0, seed) for seed in range(20)))
    assert torch.equal(likelihood.unit.known, before)
    with pytest.raises(ValueError, match="fit: expected standardize=True"):
        KINDS[kind](standardize=False).fit(torch.zeros(3))


@every
def test_evaluation_and_answers_change_nothing(kind):
    likelihood = KINDS[kind]()
    target = normal(100, 5.0, 2.0)
    likelihood.optimal_log_variance(torch.zeros(100), target)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*unit is not known yet")
        likelihood.eval()(torch.zeros(100), target)
    assert bool((likelihood.unit.known == 0).all())
    assert bool((likelihood.unit.gathered == 0).all())


@every
@pytest.mark.parametrize("masked", [False, True])
def test_evaluating_before_it_is_known_warns(kind, masked):
    likelihood = KINDS[kind]().eval()
    target, mask = normal(64, 5.0, 2.0), torch.ones(64, dtype=torch.bool) if masked else None
    with pytest.warns(UserWarning, match="unit is not known yet"):
        likelihood(torch.zeros(64), target, mask)


@every
def test_a_change_of_unit_changes_only_what_is_reported(kind):
    """y → 1000·y: the same nll and s; σ, loss and weight in the new unit."""
    target = normal(200, 3.0, 2.0)
    output = normal(200, 0.0, 0.5, 1)
    one, other = KINDS[kind](), KINDS[kind]()
    terms = [one(output, target), other(output, 1000 * target)]
    assert terms[1].nll.item() == pytest.approx(terms[0].nll.item(), rel=1e-4)
    assert terms[1].sigma.item() == pytest.approx(1000 * terms[0].sigma.item(), rel=1e-4)
    power = 1 if kind == "Laplace" else 2
    assert terms[1].loss.item() == pytest.approx(1000**power * terms[0].loss.item(), rel=1e-4)
    assert terms[1].raw_loss.item() == pytest.approx(terms[1].loss.item(), rel=1e-6)
    assert terms[1].standardized_loss.item() == pytest.approx(terms[0].standardized_loss.item(), rel=1e-4)
    if kind != "StudentT":
        assert (terms[1].weight * terms[1].loss).item() == pytest.approx(
            (terms[0].weight * terms[0].loss).item(), rel=1e-4
        )


def test_channels_have_units_of_their_own():
    target = torch.stack([normal(100, 0.0, 1.0), normal(100, 500.0, 30.0, 1)], 1)
    unit = shown(eq.Gaussian(channels=2), target).unit
    assert unit.offset.tolist() == pytest.approx(target.mean(0).tolist(), abs=1e-3)
    assert unit.scale.tolist() == pytest.approx(target.std(0, correction=0).tolist(), rel=1e-4)


def test_a_device_that_is_not_read_back_stops_gathering_too(monkeypatch):
    """As on a GPU, where the forward pass looks at nothing: 32 elements settle the unit, later ones do not count."""
    for module in [m for name, m in sys.modules.items() if name.startswith("equipoise.")]:
        if hasattr(module, "is_readable"):
            monkeypatch.setattr(module, "is_readable", lambda *tensors: False)
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian()})
    optimizer = torch.optim.SGD(likelihood.parameters(), lr=1e-3)
    for i in range(40):
        optimizer.zero_grad()
        likelihood({"a": torch.zeros(64, 1)}, {"a": normal(64, 7.0, 2.0, i).reshape(64, 1)}).loss.backward()
        optimizer.step()
    unit = likelihood["a"].unit
    assert not unit.pending
    assert unit.gathered[0].item() < 40 * 64
    assert unit.scale.item() == pytest.approx(normal(64, 7.0, 2.0).std(correction=0).item(), rel=0.2)


@pytest.mark.parametrize("make", [eq.Gaussian, lambda: eq.MultivariateGaussian(2)], ids=["Gaussian", "Multivariate"])
def test_integer_targets_keep_the_fraction_of_their_offset(make):
    """Small counts have a mean that is no integer: the loss is that of the predictions, in the target's unit."""
    torch.manual_seed(0)
    target = torch.randint(0, 4, (400, 2))
    likelihood = make()
    likelihood.fit(target.float())
    output = torch.randn(400, 2)
    expected = (likelihood.predict(output) - target).square().mean().item()
    assert likelihood(output, target).loss.item() == pytest.approx(expected, rel=1e-5)
