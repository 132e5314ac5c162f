"""What marks "no label" never counts as one, and what is not finite is never taken for "no label"."""

import math

import pytest
import torch
from torch.nn import functional

import equipoise as eq

NOT_FINITE = (math.nan, math.inf)
LOGITS = torch.tensor([[2.0, 0.0], [0.0, 1.0], [3.0, -1.0], [0.5, 0.5]])


@pytest.mark.parametrize("ignore_index", [None, 255, -100, 0, 1])
@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("joint", [False, True])
def test_minus_100_is_never_a_class(ignore_index, exact, joint):
    """As in PyTorch, whatever ``ignore_index`` is."""
    labels = torch.tensor([1, -100, 0, -100])
    if ignore_index is not None:
        labels[3] = ignore_index
    kept = labels.clone()
    kept[labels == ignore_index] = -100
    likelihood = eq.Categorical(ignore_index=ignore_index, exact=exact)
    if joint:
        term = eq.MultiTaskLikelihood({"c": likelihood})({"c": LOGITS}, {"c": labels}).tasks["c"]
    else:
        term = likelihood(LOGITS, labels)
    assert term.loss.item() == pytest.approx(functional.cross_entropy(LOGITS, kept).item())
    assert term.count.item() == int((kept >= 0).sum())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32])
def test_ignored_labels_of_any_integer_type(dtype):
    labels = torch.tensor([1, 0, 255 if dtype == torch.uint8 else 300, 1]).to(dtype)
    term = eq.Categorical(ignore_index=int(labels[2]))(LOGITS, labels)
    wanted = functional.cross_entropy(LOGITS[[0, 1, 3]], torch.tensor([1, 0, 1])).item()
    assert (term.loss.item(), term.count.item()) == (pytest.approx(wanted), 3)


@pytest.mark.parametrize("label", [-1, 2, -99])
def test_other_labels_outside_the_classes_are_refused(label):
    with pytest.raises(ValueError, match=rf"class indices 0 … 1, found {label}"):
        eq.Categorical()(LOGITS, torch.tensor([0, label, 1, 0]))


def make() -> eq.MultiTaskLikelihood:
    return eq.MultiTaskLikelihood(
        {
            "c": eq.Categorical(),
            "g": eq.Gaussian(standardize=False),
            "t": eq.StudentT(3.0, standardize=False),
            "m": eq.MultivariateGaussian(2, standardize=False),
            "b": eq.Bernoulli(),
            "e": eq.Categorical(exact=True),
        }
    )


def batch() -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    g = torch.Generator().manual_seed(0)
    outputs = {name: torch.randn(4, 2, generator=g).requires_grad_() for name in "cgtmbe"}
    labels = torch.tensor([0, 1, 1, 0])
    targets = {name: torch.randn(4, 2, generator=g) for name in "gtm"}
    return outputs, targets | {"c": labels, "e": labels, "b": torch.tensor([[0.0, 1.0]] * 4)}


@pytest.mark.parametrize("gone", list("cgtmbe"))
@pytest.mark.parametrize("how", ["none", "absent", "absent with its output", "masked"])
def test_a_task_without_labels(gone, how):
    outputs, targets = batch()
    whole = make()(outputs, targets)
    others = sum(term.nll.item() for name, term in whole.tasks.items() if name != gone)
    masks = None
    if how == "none":
        targets[gone] = None
    elif how == "masked":
        masks = {gone: torch.zeros(1, dtype=torch.bool)}
    else:
        del targets[gone]
        if how == "absent with its output":
            del outputs[gone]
    likelihood = make()
    joint = likelihood(outputs, targets, masks)
    term = joint.tasks[gone]
    assert (term.count.item(), term.nll.item(), term.raw_loss.item()) == (0, 0.0, 0.0)
    assert math.isnan(term.loss.item())
    assert joint.loss.item() == pytest.approx(others, abs=1e-6)
    joint.loss.backward()
    assert likelihood[gone].log_variance.grad is None or not bool(likelihood[gone].log_variance.grad.any())
    if gone in outputs:
        assert outputs[gone].grad is None or not bool(outputs[gone].grad.any())


def test_a_target_of_none_for_one_likelihood():
    likelihood = eq.Gaussian()
    term = likelihood(torch.zeros(3, requires_grad=True), None)
    assert (term.count.item(), term.nll.item()) == (0, 0.0)


def test_no_task_at_all_has_labels():
    joint = make()({}, {})
    joint.loss.backward()
    assert joint.loss.item() == 0.0


@pytest.mark.parametrize("hidden", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("kind", ["Categorical", "exact", "Bernoulli", "Gaussian", "StudentT", "Multivariate", "Gibbs"])
def test_what_a_mask_hides_may_be_anything(hidden, kind):
    """Value and gradient of the rows that are left; none for the hidden one."""
    likelihood = {
        "Categorical": eq.Categorical,
        "exact": lambda: eq.Categorical(exact=True),
        "Bernoulli": eq.Bernoulli,
        "Gaussian": lambda: eq.Gaussian(standardize=False),
        "StudentT": lambda: eq.StudentT(3.0, standardize=False),
        "Multivariate": lambda: eq.MultivariateGaussian(2, standardize=False),
        "Gibbs": lambda: eq.Gibbs(lambda f, y: (f - y).abs()),
    }[kind]()
    is_class = kind in ("Categorical", "exact")
    target = torch.tensor([0, 1, 1, 0]) if is_class else torch.tensor([[0.0, 1.0]] * 4)
    mask = torch.tensor([True, False, True, True])
    rows = mask if is_class else mask[:, None]
    output = LOGITS.clone()
    output[1] = hidden
    output.requires_grad_()
    term = likelihood(output, target, rows)
    term.nll.backward()
    clean = LOGITS[mask].clone().requires_grad_()
    wanted = likelihood(clean, target[mask])
    wanted.nll.backward()
    assert term.nll.item() == pytest.approx(wanted.nll.item(), abs=1e-6)
    assert torch.allclose(output.grad[mask], clean.grad, atol=1e-6)
    assert bool((output.grad[1] == 0).all())


@pytest.mark.parametrize("exact", [False, True])
def test_a_class_ruled_out_by_an_infinite_logit(exact):
    """−∞ on a class that no label has: the cross entropy is that of the classes left."""
    output = torch.cat([LOGITS, torch.full((4, 1), -math.inf)], 1).requires_grad_()
    labels = torch.tensor([0, 0, 0, 1])
    likelihood = eq.Categorical(exact=exact)
    term = likelihood(output, labels)
    term.nll.backward()
    assert term.loss.item() == pytest.approx(functional.cross_entropy(LOGITS, labels).item(), rel=1e-5)
    assert bool(torch.isfinite(output.grad).all())
    likelihood.refit(output.detach(), labels)
    plain = eq.Categorical(exact=exact)
    plain.refit(LOGITS, labels)
    wanted, found = (one.log_temperature().item() for one in (plain, likelihood))
    assert found == pytest.approx(wanted, abs=1e-3)


def test_the_label_itself_ruled_out_is_an_error():
    with pytest.raises(FloatingPointError, match="Categorical: the loss is inf"):
        eq.Categorical()(torch.tensor([[0.0, -math.inf]]), torch.tensor([1]))


# An infinite logit is a certain answer: its loss is 0 or very large. So classes are tried with NaN alone.
@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        *((kind, bad) for kind in ("Gaussian", "Laplace", "StudentT", "Gibbs", "Multivariate") for bad in NOT_FINITE),
        *((kind, math.nan) for kind in ("Bernoulli", "Categorical")),
    ],
)
def test_outputs_that_are_not_finite_are_no_missing_labels(kind, bad):
    likelihood = {
        "Gaussian": eq.Gaussian,
        "Laplace": eq.Laplace,
        "StudentT": lambda: eq.StudentT(3.0),
        "Gibbs": lambda: eq.Gibbs(lambda f, y: (f - y) ** 2),
        "Bernoulli": eq.Bernoulli,
        "Multivariate": lambda: eq.MultivariateGaussian(2, standardize=False),
        "Categorical": eq.Categorical,
    }[kind]()
    output, target = LOGITS.clone(), torch.tensor([[0.0, 1.0]] * 4)
    output[0, 0] = bad
    if kind == "Categorical":
        target = torch.tensor([0, 1, 1, 0])
    joint = eq.MultiTaskLikelihood({"task": likelihood})
    with pytest.raises(FloatingPointError, match="task 'task'"):
        joint({"task": output}, {"task": target})
    before = joint["task"].log_variance.item() if kind != "Multivariate" else 0.0
    assert before == 0.0


def test_a_number_is_no_loss():
    weighting = eq.UncertaintyWeighting({"a": "l2", "b": "l2"})
    for nothing in (0, 0.0):
        with pytest.raises(TypeError, match=r"task 'b': expected a scalar tensor, found the (int|float)"):
            weighting({"a": torch.tensor(1.0), "b": nothing})


def test_a_loss_function_that_averages_is_refused():
    target = torch.tensor([0.0, math.nan, math.nan, math.nan])
    each = eq.Gibbs(torch.nn.L1Loss(reduction="none"))(torch.ones(4), target)
    assert (each.loss.item(), each.count.item()) == (1.0, 1)
    for averaging in (torch.nn.L1Loss(), torch.nn.L1Loss(reduction="sum")):
        with pytest.raises(ValueError, match="single elements"):
            eq.Gibbs(averaging)(torch.ones(4), target)


def test_a_mask_of_numbers_names_what_it_may_be():
    with pytest.raises(TypeError, match=r"boolean mask.*mask\.bool\(\).*weights="):
        eq.Gaussian()(torch.zeros(3), torch.zeros(3), torch.ones(3))
    with pytest.raises(TypeError, match=r"weights of numbers.*masks"):
        eq.Gaussian()(torch.zeros(3), torch.zeros(3), weights=torch.ones(3, dtype=torch.bool))


def test_numbers_are_no_outputs():
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian()})
    with pytest.raises(TypeError, match="task 'a': expected a tensor as its output, found float"):
        likelihood({"a": 1.0}, {"a": torch.zeros(3)})
    with pytest.raises(TypeError, match="task 'a': expected a tensor as its target, found list"):
        likelihood({"a": torch.zeros(3)}, {"a": [0.0, 1.0, 2.0]})


def test_a_mean_of_a_batch_in_one_element_is_a_mean():
    with pytest.raises(ValueError, match="reduction='none'"):
        eq.Gibbs(lambda f, y: (f - y).square().mean(0, keepdim=True))(torch.zeros(4), torch.ones(4))
