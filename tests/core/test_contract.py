"""The contract suite: what every likelihood promises, on every device and in every precision.

``contract.py`` lists the likelihoods, the settings, and what is left out, each with its reason.
"""

import copy
import io
import math

import pytest
import torch

import equipoise as eq
from tests.core.contract import CASES, ITEMS, holds
from tests.core.settings import DEVICES, Setting

SHAPES = [[], [5], [4, 3], [2, 3, 4], [2, 3, 2, 4], [2, 3, 2, 2, 2]]
EXACT = Setting("cpu", torch.float64)
STARTS = [{}, {"init": "first_batch"}, {"update": "closed_form"}]


def same_gradient(found: torch.Tensor, wanted: torch.Tensor, setting: Setting) -> bool:
    """Whether gradients by outputs agree."""
    room = setting.gradient_tolerance * wanted.abs().max().item()
    return torch.allclose(found.to(wanted.dtype), wanted, rtol=setting.gradient_tolerance, atol=room)


def test_what_is_left_out_is_part_of_the_contract():
    assert all(case.leaves_out.keys() <= ITEMS.keys() for case in CASES)
    assert all(reason for case in CASES for reason in case.leaves_out.values())


@holds("density")
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_value_against_torch_distributions(case, setting, shape):
    """In float64 on the CPU, of the same rounded outputs."""
    output, target = case.batch(setting, shape)
    exact = case.made(EXACT)
    density = exact.distribution(output.cpu().double())
    wide = target.cpu().double() if target.is_floating_point() else target.cpu()
    dim = 3 if case.name == "MultivariateGaussian" else 1
    expected = -density.log_prob(wide).mean() / dim - case.constant(exact)
    found = case.made(setting)(output, target).nll
    assert found.dtype == setting.wide
    assert found.device.type == setting.device
    assert found.item() == pytest.approx(expected.item(), rel=setting.tolerance, abs=setting.tolerance)


@holds("finite differences")
def test_gradients_against_finite_differences(case, setting):
    output, target = case.batch(setting, [4, 2])
    output.requires_grad_()
    likelihood = case.made(setting).eval()
    names = [name for name, _ in likelihood.named_parameters()]
    parameters = [p for _, p in likelihood.named_parameters()]

    def nll(f, *values):
        return torch.func.functional_call(likelihood, dict(zip(names, values, strict=True)), (f, target)).nll

    # Absolute errors have a kink at 0; random residuals are far from it.
    assert torch.autograd.gradcheck(nll, (output, *parameters))


@holds("optimum", noises=[{}, {"prior": (1.5, 0.3)}])
def test_the_optimum_has_no_gradient(case, setting, noise):
    output, target = case.batch(setting, [200])
    likelihood = case.made(setting, **noise)
    if case.name == "MultivariateGaussian":
        likelihood.refit(output, target)
    else:
        likelihood.noise.set_log_variance(likelihood.optimal_log_variance(output, target))
    likelihood(output, target).nll.backward()
    for parameter in likelihood.parameters():
        assert parameter.grad.abs().max().item() < (1e-5 if setting.wide == torch.float64 else 1e-4)


@holds("unit change")
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_unit_shifts_the_optimum(case, setting, factor):
    output, target = case.batch(setting, [100])
    likelihood = case.made(setting)
    one = likelihood.optimal_log_variance(output, target)
    other = likelihood.optimal_log_variance(factor * output, factor * target)
    assert torch.allclose(other - one, torch.full_like(one, 2 * math.log(factor)), atol=max(1e-6, setting.tolerance))


@holds("masks")
def test_masked_elements_never_leak(case, setting):
    output, target = case.batch(setting, [6])
    mask = torch.tensor([True, False, True, True, False, True], device=setting.device)
    kept = mask
    if case.kind != "classes" and target.dim() > 1:
        mask = mask[:, None]
    clean_output = output[kept].clone().requires_grad_()
    clean = case.made(setting)(clean_output, target[kept])
    dirty_output = output.clone()
    dirty_output[~kept] = float("nan")
    dirty_target = target.clone()
    if dirty_target.is_floating_point():
        dirty_target[~kept] = float("nan")
    dirty_output.requires_grad_()
    dirty = case.made(setting)(dirty_output, dirty_target, mask)
    assert dirty.nll.item() == pytest.approx(clean.nll.item(), abs=setting.tolerance)
    assert dirty.loss.item() == pytest.approx(clean.loss.item(), abs=setting.tolerance)
    assert dirty.count.item() == clean.count.item()
    clean.nll.backward()
    dirty.nll.backward()
    assert same_gradient(dirty_output.grad[kept], clean_output.grad, setting)
    assert (dirty_output.grad[~kept] == 0).all()


@holds("NaN targets")
def test_nan_targets_are_no_labels(case, setting):
    output, target = case.batch(setting, [5])
    missing = target.clone()
    missing[1] = float("nan")
    kept = [0, 2, 3, 4]
    expected = case.made(setting)(output[kept], target[kept]).nll.item()
    output.requires_grad_()
    term = case.made(setting)(output, missing)
    term.nll.backward()
    assert term.nll.item() == pytest.approx(expected, abs=setting.tolerance)
    assert torch.isfinite(output.grad).all()


@holds("empty batch", noises=STARTS)
def test_an_empty_batch(case, setting, noise):
    output, target = case.batch(setting, [4])
    likelihood = case.made(setting, s=None, **noise)
    before = copy.deepcopy(likelihood.state_dict())
    output.requires_grad_()
    term = likelihood(output, target, torch.zeros(1, dtype=torch.bool, device=setting.device))
    assert term.count.item() == 0
    assert term.nll.item() == 0.0
    assert math.isnan(term.loss.item())
    term.nll.backward()
    assert (output.grad == 0).all()
    after = likelihood.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(p.grad is None or (p.grad == 0).all() for p in likelihood.parameters())


@holds("halves", noises=STARTS)
def test_standardized_losses_are_those_of_a_forward_pass_and_change_nothing(case, setting, noise):
    likelihood = eq.MultiTaskLikelihood({"a": case.made(setting, s=None, **noise)})
    for seed in (0, 1):  # Before its first batch, and after it.
        output, target = case.batch(setting, [6], seed=seed)
        before = [value.clone() for value in (*likelihood.parameters(), *likelihood.buffers())]
        found = likelihood.standardized_losses({"a": output.requires_grad_()}, {"a": target})["a"]
        after = [*likelihood.parameters(), *likelihood.buffers()]
        assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
        assert not found.requires_grad
        expected = likelihood({"a": output}, {"a": target}).tasks["a"].standardized_loss
        torch.testing.assert_close(found, expected.detach(), rtol=setting.tolerance, atol=0.0)


@holds("several ranks", noises=STARTS)
def test_a_rank_without_labels_takes_part(case, setting, noise, monkeypatch):
    """Its sums have the shapes of those of a batch with labels, and zeros in them."""
    output, target = case.batch(setting, [4])
    likelihood = case.made(setting, s=None, **noise).eval()
    labelled = likelihood.sums(output, target, where="here")
    alone = likelihood._no_sums(output)
    monkeypatch.setattr("equipoise.likelihoods.likelihood.is_distributed", lambda: True)
    output.requires_grad_()
    for sums in (alone, likelihood._no_sums(output), likelihood._no_sums(None)):
        assert sums.values.shape == labelled.values.shape
        assert sums.count.shape == labelled.count.shape
        assert not sums.count.any()
        assert not sums.values.any()
    assert likelihood._no_sums(output).values.requires_grad


@holds("weight")
def test_the_weight_is_the_slope_by_the_raw_loss(case, setting):
    output, target = case.batch(setting, [6])
    output.requires_grad_()
    term = case.made(setting)(output, target)
    (by_output,) = torch.autograd.grad(term.nll, output, retain_graph=True)
    (raw,) = torch.autograd.grad(term.raw_loss, output)
    assert same_gradient(by_output, raw * term.weight, setting)


@holds("autocast")
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast(case, setting, dtype):
    output, target = case.batch(setting, [64])
    half = output.to(dtype)
    expected = case.made(setting, s=None)(half.float(), target).nll
    with torch.autocast(setting.device, torch.bfloat16):
        term = case.made(setting, s=None)(half, target)
    assert term.nll.dtype == torch.float32
    assert term.nll.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)


def check_compiled(case, setting, noise):
    output, target = case.batch(setting, [6])
    likelihood = case.made(setting, s=None, **noise)
    expected = copy.deepcopy(likelihood)(output, target).nll
    torch._dynamo.reset()
    compiled = torch.compile(lambda f, y: likelihood(f, y).nll, fullgraph=True, backend="aot_eager")
    assert compiled(output, target).item() == pytest.approx(expected.item(), abs=1e-5)


@holds("compile")
def test_compiles_without_a_graph_break(case, setting):
    check_compiled(case, setting, {})


@pytest.mark.slow
@holds("compile", noises=STARTS[1:])
def test_starts_compile_without_a_graph_break(case, setting, noise):
    check_compiled(case, setting, noise)


@holds("state", noises=STARTS)
def test_state_copies_and_repr(case, setting, noise):
    output, target = case.batch(setting, [8])
    likelihood = case.made(setting, s=None, **noise)
    likelihood(output, target)
    file = io.BytesIO()
    torch.save(likelihood.state_dict(), file)
    file.seek(0)
    other = case.made(setting, s=None, **noise)
    other.load_state_dict(torch.load(file, weights_only=True))
    again = case.batch(setting, [8], seed=1)
    expected = copy.deepcopy(likelihood)(*again).nll.item()
    assert other(*again).nll.item() == expected
    assert type(likelihood).__name__ in repr(likelihood)
    assert "log_variance" in repr(likelihood)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("where", [*DEVICES, "meta"])
def test_device_move(case, where):
    likelihood = case.make(init=0.3).to(where)
    assert all(t.device.type == where for t in likelihood.state_dict().values())


@holds("first batch")
def test_first_batch_is_the_optimum(case, setting):
    output, target = case.batch(setting, [60])
    likelihood = case.made(setting, s=None, init="first_batch")
    expected = likelihood.optimal_log_variance(output, target)
    likelihood(output, target)
    assert torch.allclose(likelihood.log_variance, expected.to(setting.wide), atol=2e-3)


@holds("halves")
def test_two_halves_are_one_batch(case, setting):
    """Unequal valid counts; the counts of the whole as normalisers."""
    output, target = case.batch(setting, [9])
    parts, whole = case.made(setting), case.made(setting)
    joint = eq.MultiTaskLikelihood({"t": whole})({"t": output}, {"t": target})
    joint.loss.backward()
    likelihood = eq.MultiTaskLikelihood({"t": parts})
    total = 0.0
    for part in (slice(0, 2), slice(2, 9)):
        micro = likelihood({"t": output[part]}, {"t": target[part]}, counts={"t": joint.tasks["t"].count})
        micro.loss.backward()
        total += micro.loss.item()
    assert total == pytest.approx(joint.loss.item(), abs=setting.tolerance)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=setting.tolerance)
