"""The contract suite: what every likelihood promises, each with the items that apply to it."""

import copy
import io
import math

import pytest
import torch

from tests.core.contract import CASES, Case, batch

SHAPES = [[], [5], [4, 3], [2, 3, 4], [2, 3, 2, 4], [2, 3, 2, 2, 2]]
every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def applies(case: Case, item: str) -> None:
    if item in case.leaves_out:
        pytest.skip(f"{case.name}: {case.leaves_out[item]}")


def made(case: Case, *, s: float = 0.4, **noise):
    likelihood = case.make(**noise).double()
    with torch.no_grad():
        likelihood.log_variance.fill_(s)
    return likelihood


@every
@pytest.mark.parametrize("shape", SHAPES)
def test_value_against_torch_distributions(case, shape):
    applies(case, "density")
    output, target = batch(case, shape)
    likelihood = made(case)
    dim = 3 if case.name == "MultivariateGaussian" else 1
    expected = -likelihood.distribution(output).log_prob(target).mean() / dim - case.constant(likelihood)
    assert likelihood(output, target).nll.item() == pytest.approx(expected.item(), abs=1e-10)


@every
def test_gradients_against_finite_differences(case):
    output, target = batch(case, [4, 2])
    output.requires_grad_()
    likelihood = made(case).eval()
    names = [name for name, _ in likelihood.named_parameters()]
    parameters = [p for _, p in likelihood.named_parameters()]

    def nll(f, *values):
        return torch.func.functional_call(likelihood, dict(zip(names, values, strict=True)), (f, target)).nll

    # Absolute errors have a kink at 0; random residuals are far from it.
    assert torch.autograd.gradcheck(nll, (output, *parameters))


@every
@pytest.mark.parametrize("prior", [None, (1.5, 0.3)])
def test_the_optimum_has_no_gradient(case, prior):
    if prior is not None:
        applies(case, "prior")
    output, target = batch(case, [200])
    if case.name == "MultivariateGaussian":
        likelihood = made(case, prior=prior)
        likelihood.refit(output, target)
    else:
        likelihood = made(case, prior=prior)
        likelihood.noise.set_log_variance(likelihood.optimal_log_variance(output, target))
    likelihood(output, target).nll.backward()
    for parameter in likelihood.parameters():
        assert parameter.grad.abs().max().item() < 1e-5


@every
@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_a_unit_shifts_the_optimum(case, factor):
    applies(case, "unit change")
    output, target = batch(case, [100])
    likelihood = made(case)
    shift = likelihood.optimal_log_variance(factor * output, factor * target) - likelihood.optimal_log_variance(
        output, target
    )
    assert torch.allclose(shift, torch.full_like(shift, 2 * math.log(factor)), atol=1e-6)


@every
def test_masked_elements_never_leak(case):
    output, target = batch(case, [6])
    mask = torch.tensor([True, False, True, True, False, True])
    if case.kind != "classes" and target.dim() > 1:
        mask = mask[:, None]
    kept = mask.reshape(-1)
    clean_output = output[kept].clone().requires_grad_()
    clean = made(case)(clean_output, target[kept])
    dirty_output = output.clone()
    dirty_output[~kept] = float("nan")
    dirty_target = target.clone()
    if dirty_target.is_floating_point():
        dirty_target[~kept] = float("nan")
    dirty_output.requires_grad_()
    dirty = made(case)(dirty_output, dirty_target, mask)
    assert dirty.nll.item() == pytest.approx(clean.nll.item(), abs=1e-12)
    assert dirty.loss.item() == pytest.approx(clean.loss.item(), abs=1e-12)
    assert dirty.count.item() == clean.count.item()
    clean.nll.backward()
    dirty.nll.backward()
    assert torch.allclose(dirty_output.grad[kept], clean_output.grad)
    assert (dirty_output.grad[~kept] == 0).all()


@every
def test_nan_targets_are_no_labels(case):
    if case.kind == "classes":
        pytest.skip(f"{case.name}: integers know no NaN; ignore_index is tested beside")
    output, target = batch(case, [5])
    missing = target.clone()
    missing[1] = float("nan")
    output.requires_grad_()
    term = made(case)(output, missing)
    term.nll.backward()
    kept = [0, 2, 3, 4]
    assert term.nll.item() == pytest.approx(made(case)(output.detach()[kept], target[kept]).nll.item(), abs=1e-12)
    assert torch.isfinite(output.grad).all()


@every
@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}])
def test_an_empty_batch(case, noise):
    if noise.get("update"):
        applies(case, "closed form")
    output, target = batch(case, [4])
    likelihood = case.make(**noise).double()
    before = copy.deepcopy(likelihood.state_dict())
    output.requires_grad_()
    term = likelihood(output, target, torch.zeros(1, dtype=torch.bool))
    assert term.count.item() == 0
    assert term.nll.item() == 0.0
    assert math.isnan(term.loss.item())
    term.nll.backward()
    assert (output.grad == 0).all()
    after = likelihood.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert all(p.grad is None or (p.grad == 0).all() for p in likelihood.parameters())


@every
def test_the_weight_is_the_slope_by_the_raw_loss(case):
    applies(case, "weight")
    output, target = batch(case, [6])
    output.requires_grad_()
    term = made(case)(output, target)
    (by_output,) = torch.autograd.grad(term.nll, output, retain_graph=True)
    (raw,) = torch.autograd.grad(term.raw_loss, output)
    assert torch.allclose(by_output, raw * term.weight, atol=1e-12)


@every
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_and_autocast(case, dtype):
    output, target = batch(case, [64], dtype=torch.float32)
    half = output.to(dtype)
    expected = case.make()(half.float(), target).nll
    with torch.autocast("cpu", torch.bfloat16):
        term = case.make()(half, target)
    assert term.nll.dtype == torch.float32
    assert term.nll.item() == pytest.approx(expected.item(), rel=1e-4, abs=1e-5)


@every
@pytest.mark.parametrize(
    "noise",
    [
        {},
        pytest.param({"init": "first_batch"}, marks=pytest.mark.slow),
        pytest.param({"update": "closed_form"}, marks=pytest.mark.slow),
    ],
)
def test_compiles_without_a_graph_break(case, noise):
    if noise.get("update"):
        applies(case, "closed form")
    output, target = batch(case, [6], dtype=torch.float32)
    likelihood = case.make(**noise)
    expected = copy.deepcopy(likelihood)(output, target).nll
    torch._dynamo.reset()
    compiled = torch.compile(lambda f, y: likelihood(f, y).nll, fullgraph=True, backend="aot_eager")
    assert compiled(output, target).item() == pytest.approx(expected.item(), abs=1e-5)


@every
@pytest.mark.parametrize("noise", [{}, {"init": "first_batch"}, {"update": "closed_form"}])
def test_state_copies_and_repr(case, noise):
    if noise.get("update"):
        applies(case, "closed form")
    output, target = batch(case, [8], dtype=torch.float32)
    likelihood = case.make(**noise)
    likelihood(output, target)
    file = io.BytesIO()
    torch.save(likelihood.state_dict(), file)
    file.seek(0)
    other = case.make(**noise)
    other.load_state_dict(torch.load(file, weights_only=True))
    again = batch(case, [8], seed=1, dtype=torch.float32)
    expected = copy.deepcopy(likelihood)(*again).nll.item()
    assert other(*again).nll.item() == expected
    assert type(likelihood).__name__ in repr(likelihood)
    assert "log_variance" in repr(likelihood)


@every
def test_device_move(case):
    likelihood = case.make(init=0.3).to("meta")
    assert all(t.device.type == "meta" for t in likelihood.state_dict().values())


@every
def test_first_batch_is_the_optimum(case):
    output, target = batch(case, [60], dtype=torch.float32)
    likelihood = case.make(init="first_batch")
    expected = likelihood.optimal_log_variance(output, target)
    likelihood(output, target)
    assert torch.allclose(likelihood.log_variance, expected, atol=2e-3)


@every
def test_two_halves_are_one_batch(case):
    """Unequal valid counts; the counts of the whole as normalisers."""
    import equipoise as eq

    output, target = batch(case, [9])
    parts, whole = made(case), made(case)
    joint = eq.MultiTaskLikelihood({"t": whole})({"t": output}, {"t": target})
    joint.loss.backward()
    likelihood = eq.MultiTaskLikelihood({"t": parts})
    total = 0.0
    for part in (slice(0, 2), slice(2, 9)):
        micro = likelihood({"t": output[part]}, {"t": target[part]}, counts={"t": joint.tasks["t"].count})
        micro.loss.backward()
        total += micro.loss.item()
    assert total == pytest.approx(joint.loss.item(), abs=1e-12)
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        assert torch.allclose(one.grad, other.grad, atol=1e-12)
