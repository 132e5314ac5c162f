"""Runs: what they share, what they train, and what they look at."""

import math
from typing import Any

import pytest
import torch

import equipoise as eq
from equipoise.comparison import Budget, Fixed, Form, Learned, Table, TorchJD, rows
from equipoise.comparison.run import Run, Training, execute
from tests.core.comparison.toy import BUDGET, INPUTS, KINDS, TARGETS, Recorder, needs_torchjd, run_of, table

ROWS = [
    *rows.standard(tuple(TARGETS), draws=2),
    rows.grid(tuple(TARGETS)),
    *(
        pytest.param(rows.torchjd(tuple(TARGETS), name), marks=needs_torchjd)
        for name in ("DWA", "FAMO", "IMTLL", "UPGrad", "PCGrad")
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_starts_alike_and_sees_the_same_batches(row):
    plain = Recorder(name="toy", inputs=INPUTS, targets=TARGETS, kinds=KINDS, hidden=(16,)).start()
    execute(plain, run_of(rows.equal(tuple(TARGETS))), BUDGET)
    own = Recorder(name="toy", inputs=INPUTS, targets=TARGETS, kinds=KINDS, hidden=(16,)).start()
    record = execute(own, run_of(row), BUDGET)
    assert record.error is None
    assert record.steps == len(own.batches) == len(plain.batches) == 12
    assert all(torch.equal(one, two) for one, two in zip(own.batches, plain.batches, strict=True))
    assert own.first
    assert all(torch.equal(value, plain.first[name]) for name, value in own.first.items())


def test_seeds_differ():
    one, two = (Recorder(name="t", inputs=INPUTS, targets=TARGETS, kinds=KINDS).start() for _ in range(2))
    for problem, seed in ((one, 0), (two, 1)):
        execute(problem, run_of(rows.equal(tuple(TARGETS)), seed=seed), BUDGET)
    assert not torch.equal(one.batches[0], two.batches[0])
    assert not torch.equal(one.first["0.weight"], two.first["0.weight"])


def test_runs_repeat_exactly_and_leave_the_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    records = [execute(table(), run_of(rows.torchjd(tuple(TARGETS), "Random")), BUDGET) for _ in range(2)]
    assert records[0].test == records[1].test
    assert torch.equal(torch.get_rng_state(), before)


class Scripted(Table):
    """A table whose validation values follow a script, and which counts looks at the test set."""

    def evaluate(self, model: Any, likelihood: Any, split: str, seed: int) -> dict[str, float]:
        found = super().evaluate(model, likelihood, split, seed)
        state = self.__dict__.setdefault("looks", {"validation": [], "test": []})
        state[split].append(found)
        if split == "validation":
            error = (3.0, 1.0, 2.0)[len(state["validation"]) - 1]
            return {"sum.rmse": error, "square.rmse": 1.0, "sign.auc": 0.5}
        return found


def test_the_test_set_is_looked_at_once_at_the_best_validation():
    problem = Scripted(name="toy", inputs=INPUTS, targets=TARGETS, kinds=KINDS)
    record = execute(problem, run_of(rows.equal(tuple(TARGETS))), BUDGET)
    assert record.best_step == 8
    assert record.validation["sum.rmse"] == 1.0
    assert len(problem.looks["test"]) == 1
    shorter = execute(table(hidden=(64, 64)), run_of(rows.equal(tuple(TARGETS))), Budget(steps=8, validations=1))
    assert record.test == shorter.test  # The weights are those of step 8, not the last ones.


def test_a_failure_is_recorded():
    run = run_of(rows.fixed("bad", {"sum": 1.0, "square": 1.0, "sign": 1.0}), lr=1e30)
    record = execute(table(), run, BUDGET)
    assert record.failed
    assert record.error.startswith("FloatingPointError")
    assert record.test == {}
    assert record.steps < 12


def test_grown_weights_are_the_sum_by_its_running_mean():
    training = Training(table(), run_of(rows.equal(tuple(TARGETS), rate="grown")), BUDGET)
    totals, mean, mass = [], 0.0, 0.0
    for step in range(3):
        outputs = training.model(training.problem.batch(0, step)[0])
        joint = training.likelihood(outputs, training.problem.batch(0, step)[1])
        total = sum(term.standardized_loss for term in joint.tasks.values()) / 3
        training.weigher.backward(joint, ())
        totals.append(total.item())
        mean, mass = 0.99 * mean + 0.01 * totals[-1], 0.99 * mass + 0.01
        assert training.weigher.weights(joint)["sum"] == pytest.approx(1 / 3 / (mean / mass), rel=1e-5)


def test_the_gradient_of_grown_weights():
    """At the first batch the sum is divided by itself: the gradient of the logarithm of the sum."""
    value = torch.tensor([3.0], requires_grad=True)
    likelihood = eq.MultiTaskLikelihood({"a": eq.Gaussian(standardize=False)})
    Fixed(weights={"a": 0.7}, rate="grown").weigher(likelihood).backward(
        likelihood({"a": value}, {"a": torch.tensor([1.0])}), ()
    )
    assert value.grad.item() == pytest.approx(2.0 / 2.0)  # d log (x − 1)²/dx = 2/(x − 1) at 3


@pytest.mark.parametrize("closed", [True, False])
def test_the_matched_control_keeps_the_ratios_and_fixes_the_scale(closed):
    """Σ w_k·L_k with the losses of the first batch stays 1; the noise moves as it does without the control."""
    form = Form(noise={"update": "closed_form"} if closed else {}, log_variance_factor=10.0)
    learned, matched = (
        Training(table(), run_of(rows.learned(tuple(TARGETS), form=form)), BUDGET),
        Training(
            table(),
            Run(row="m", candidate="", tasks=tuple(TARGETS), method=Learned(form=form, matched=True), lr=0.01, seed=0),
            BUDGET,
        ),
    )
    first: dict[str, float] = {}
    for step in range(4):
        inputs, targets = matched.problem.batch(0, step)
        joint = matched.likelihood(matched.model(inputs), targets)
        if not first:
            first = {name: term.standardized_loss.item() for name, term in joint.tasks.items()}
            same = learned.likelihood(learned.model(inputs), targets)
            learned.weigher.backward(same, ())
        matched.optimizer.zero_grad()
        matched.weigher.backward(joint, ())
        weights = matched.weigher.weights(joint)
        assert sum(weights[name] * first[name] for name in first) == pytest.approx(1.0)
        raw = {
            name: float(term.weight) * float(term.loss / term.standardized_loss.detach())
            for name, term in joint.tasks.items()
        }
        assert weights["sum"] / weights["sign"] == pytest.approx(raw["sum"] / raw["sign"])
        if step == 0:
            scale = sum(raw[name] * first[name] for name in first)
            for one, two in zip(learned.model.parameters(), matched.model.parameters(), strict=True):
                torch.testing.assert_close(one.grad / scale, two.grad)
            for one, two in zip(learned.likelihood.parameters(), matched.likelihood.parameters(), strict=True):
                torch.testing.assert_close(one.grad, two.grad)
        matched.optimizer.step()


def test_matched_fixed_weights_are_divided_by_the_first_sum():
    training = Training(table(), run_of(rows.control(rows.equal(tuple(TARGETS)))), BUDGET)
    inputs, targets = training.problem.batch(0, 0)
    joint = training.likelihood(training.model(inputs), targets)
    training.weigher.backward(joint, ())
    weights = training.weigher.weights(joint)
    assert sum(w * joint.tasks[name].standardized_loss.item() for name, w in weights.items()) == pytest.approx(1.0)


def test_the_noise_learns_at_its_own_rate():
    for row, factor in ((rows.learned(tuple(TARGETS)), 10.0), (rows.learned(tuple(TARGETS), form=rows.PAPER), 1.0)):
        groups = Training(table(), run_of(row), BUDGET).optimizer.param_groups
        assert [group["lr"] for group in groups] == pytest.approx([0.01, 0.01 * factor])


def test_forms_reach_the_likelihoods():
    built = {
        "default": table().likelihood("sum", Form()),
        "raw": table(standardize=False).likelihood("sum", Form()),
        "row decides": table(standardize=False).likelihood("sum", Form(standardize=True)),
        "Laplace": table().likelihood("sum", Form(laplace=True, noise={"init": "first_batch"})),
        "classes": table().likelihood("sign", Form(laplace=True)),
    }
    assert [type(each).__name__ for each in built.values()] == [*["Gaussian"] * 3, "Laplace", "Categorical"]
    assert [getattr(each, "unit", None) is not None for each in built.values()] == [True, False, True, True, False]
    assert built["Laplace"].noise.settings.init == "first_batch"


@needs_torchjd
def test_imtl_has_its_parameters_trained():
    training = Training(table(), run_of(rows.torchjd(tuple(TARGETS), "IMTLL")), BUDGET)
    before = [p.detach().clone() for p in training.weigher.parameters()]
    training._advance(*training.problem.batch(0, 0))
    assert before
    assert not torch.equal(before[0], training.weigher.parameters()[0])


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: TorchJD(name="NoSuch"), "the name of a class of TorchJD"),
        (lambda: TorchJD(name="CAGrad"), "expected its arguments"),
        (lambda: Fixed(weights={"a": 1.0}), "a weight for each of"),
    ],
)
@needs_torchjd
def test_methods_that_do_not_fit_are_named_in_the_record(make, words):
    run = Run(row="x", candidate="", tasks=("sum", "sign"), method=make(), lr=0.01, seed=0)
    assert words in execute(table(), run, BUDGET).error


def test_norms_and_weights_are_recorded_at_validations():
    record = execute(table(), run_of(rows.learned(tuple(TARGETS))), BUDGET)
    assert [step for step, _ in record.weights] == [1, 4, 8, 12]
    assert [step for step, _ in record.update_norms] == [1, 4, 8, 12]
    assert all(norm > 0 and math.isfinite(norm) for _, norm in record.update_norms)
    assert set(record.weights[0][1]) == set(TARGETS)


@pytest.mark.parametrize("steps", [7, 20, 21, 1000])
def test_validations_are_at_equal_distances_and_after_the_last_step(steps):
    due = [step for step in range(1, steps + 1) if Budget(steps=steps, validations=7).is_due(step)]
    assert len(due) == 7
    assert due[-1] == steps
    with pytest.raises(ValueError, match="validations"):
        Budget(steps=5, validations=6)
