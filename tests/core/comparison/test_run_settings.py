"""Runs with falling rates, other initial weights, and a second look at the batch."""

import math
from collections.abc import Iterable

import pytest
import torch
from torch import nn

from equipoise.comparison import Budget, Form, Table, rows
from equipoise.comparison.run import Run, Training, execute
from tests.core.comparison.toy import BUDGET, INPUTS, KINDS, TARGETS, Recorder, needs_torchjd, run_of, table


@pytest.mark.parametrize("power", [1.0, 0.9])
def test_the_rates_decay_by_the_power(power):
    """With SGD and fixed weights the updates of an unchanging gradient shrink as (1 − t/T)^p."""
    budget = Budget(steps=10, validations=10, optimizer=torch.optim.SGD, decay=power)
    training = Training(table(), run_of(rows.equal(tuple(TARGETS)), lr=0.1), budget)
    rates = []
    step = training.optimizer.step
    training.optimizer.step = lambda: (rates.append([g["lr"] for g in training.optimizer.param_groups]), step())
    training.judged()
    for number, found in enumerate(rates):
        assert found == pytest.approx([rate * (1 - number / 10) ** power for rate in training.rates])


def test_no_decay_is_the_same_run_as_before():
    row = rows.learned(tuple(TARGETS))
    plain, none = (
        execute(table(), run_of(row), Budget(steps=12, validations=3, **kind)) for kind in ({}, {"decay": 0.0})
    )
    assert (plain.test, plain.settings) == (none.test, none.settings)
    decayed = execute(table(), run_of(row), Budget(steps=12, validations=3, decay=1.0))
    assert decayed.test != plain.test
    assert decayed.settings["decay"] == 1.0


@pytest.mark.parametrize("wrong", [-1.0, math.nan, math.inf])
def test_a_decay_that_is_none(wrong):
    with pytest.raises(ValueError, match="decay: expected a power of 0 or more"):
        Budget(steps=2, validations=1, decay=wrong)


def test_other_initial_weights_and_the_same_batches():
    row = rows.redrawn(rows.equal(tuple(TARGETS)), draws=3)
    assert [(candidate.name, candidate.draw) for candidate in row.candidates] == [(f"draw {n}", n) for n in range(3)]
    models, batches, splits = [], [], []
    for candidate in row.candidates:
        recorder = Recorder(name="toy", inputs=INPUTS, targets=TARGETS, kinds=KINDS).start()
        run = Run(
            row=row.name,
            candidate=candidate.name,
            tasks=row.info.tasks,
            method=candidate.method,
            lr=0.01,
            seed=1,
            draw=candidate.draw,
        )
        Training(recorder, run, BUDGET).judged()
        models.append(next(iter(recorder.first.values())))
        batches.append(torch.cat(recorder.batches))
        splits.append(recorder._split(1).test)
    assert batches[0].equal(batches[1])
    assert splits[0].equal(splits[1])
    assert not models[0].equal(models[1])
    assert not models[1].equal(models[2])


def test_the_first_draw_is_the_row_itself():
    row = rows.learned(tuple(TARGETS))
    first = rows.redrawn(row).candidates[0]
    run = run_of(row)
    assert (first.draw, first.method) == (0, run.method)
    assert "draw" not in run.settings  # Records made before there were draws are still found.


class WithNormalization(Table):
    """A table whose trunk ends with batch normalization and dropout."""

    def model(self, tasks: Iterable[str], seed: int) -> nn.Module:
        built = super().model(tuple(tasks), seed)
        built.trunk.extend([nn.BatchNorm1d(16), nn.Dropout(0.5)])
        return built


@needs_torchjd
@pytest.mark.parametrize("update", ["gradient", "closed_form"])
def test_the_second_look_of_famo_leaves_no_trace(update):
    """Weights, running statistics, noises and random numbers are those of a step without it."""
    trained = []
    for looks in (True, False):
        problem = WithNormalization(name="toy", inputs=INPUTS, targets=TARGETS, kinds=KINDS, hidden=(16,))
        row = rows.torchjd(tuple(TARGETS), "FAMO", form=Form(noise={"update": update}))
        training = Training(problem, run_of(row), BUDGET)
        if not looks:
            training.weigher.after_step = lambda *arguments, **named: None
        training._advance(*problem.batch(0, 0))
        assert training.weigher.method.scalarizer._w.any() == looks
        trained.append(training.model.state_dict() | training.likelihood.state_dict() | {"": torch.get_rng_state()})
    assert trained[0]["trunk.2.num_batches_tracked"] == 1
    assert all(torch.equal(value, trained[1][key]) for key, value in trained[0].items())


def test_no_draw_is_refused():
    with pytest.raises(ValueError, match="draws: expected 1 or more, found 0"):
        rows.redrawn(rows.equal(("a",)), draws=0)
