"""Selection and statistics against SciPy and values worked out by hand."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from equipoise.comparison import Comparison
from equipoise.comparison.selection import has_choice, score, select, select_by_others
from equipoise.comparison.statistics import bootstrap, delta_m, log_ratios, log_ratios_to_single, mean_over_tasks
from equipoise.comparison.summary import summarize
from tests.core.comparison.support import AUC, RMSE, comparison, record, row


@pytest.fixture
def both() -> Comparison:
    """Two seeds; "new" halves both errors of "old" in the first seed and doubles that of a in the second."""
    records = [
        record("a alone", "", 0, (1.0, None)),
        record("a alone", "", 1, (1.0, None)),
        record("b alone", "", 0, (None, 0.8)),
        record("b alone", "", 1, (None, 0.5)),
        record("old", "", 0, (2.0, 0.6)),
        record("old", "", 1, (2.0, 0.6)),
        record("new", "", 0, (1.0, 0.8)),
        record("new", "", 1, (4.0, 0.6)),
    ]
    return comparison([row("a alone", "a"), row("b alone", "b"), row("old"), row("new")], records, "old")


@pytest.mark.parametrize("count", [3, 5, 10])
def test_the_bootstrap_agrees_with_scipy(count):
    values = np.random.default_rng(count).normal(0.3, 1.0, count)
    found = bootstrap(values.tolist())
    expected = stats.bootstrap(
        (values,), np.mean, method="percentile", n_resamples=50_000, random_state=np.random.default_rng(0)
    ).confidence_interval
    assert found.mean == pytest.approx(values.mean())
    # The quantiles of 10,000 resamples are exact to about a hundredth of the spread of the mean.
    tolerance = 0.06 * values.std() / math.sqrt(count) if count > 3 else 1e-9
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=tolerance)


def test_the_bootstrap_of_two_values_is_their_range():
    """A resample is each value alone with probability ¼."""
    found = bootstrap([1.0, 3.0])
    assert (found.low, found.mean, found.high) == (1.0, 2.0, 3.0)


def test_score_is_the_logarithm_of_the_geometric_mean():
    assert score([RMSE, AUC], {"a.rmse": 3.0, "b.auc": 0.88}) == pytest.approx(math.log(math.sqrt(3.0 * 0.12)))
    assert math.isfinite(score([AUC], {"b.auc": 1.0}))


def test_ratios_between_rows(both):
    ratios = log_ratios(both, select(both), "new", "old")
    assert ratios[0] == pytest.approx({"a": math.log(0.5), "b": math.log(0.5)})
    assert ratios[1] == pytest.approx({"a": math.log(2.0), "b": 0.0})
    assert mean_over_tasks(ratios) == pytest.approx([math.log(0.5), math.log(2.0) / 2])


def test_ratios_to_tasks_alone(both):
    ratios = log_ratios_to_single(both, select(both), "new")
    assert ratios[0] == pytest.approx({"a": 0.0, "b": 0.0})
    assert ratios[1] == pytest.approx({"a": math.log(4.0), "b": math.log(0.4 / 0.5)})


def test_delta_m_by_hand(both):
    # Seed 0: as alone. Seed 1: RMSE 4 instead of 1 is −300 %, AUC .6 instead of .5 is +20 %.
    assert delta_m(both, select(both), "new") == pytest.approx({0: 0.0, 1: (-300 + 20) / 2})


def test_the_worst_task_stands_beside_the_mean(both):
    new = summarize(both)["new"]
    assert new.change.mean == pytest.approx((math.log(0.5) + math.log(2.0) / 2) / 2)
    name, interval = new.worst
    assert (name, interval.mean) == ("a", pytest.approx(0.0))
    assert new.worst_alone[0] == "a"
    assert summarize(both)["old"].change is None


def test_cost_counts_all_candidates():
    records = [record("old", name, seed, (1.0, 0.5)) for name in ("x", "y", "z") for seed in (0, 1)]
    found = select(comparison([row("old")], records, "old"))["old"]
    assert (found.tried, found.steps, found.seconds) == (6, 30, 6.0)


def test_selection_ignores_the_test_set():
    """The candidate that is best on validation is the worst on the test set, in every figure."""
    records = [
        record("old", "good on test", 0, (0.1, 0.99), validation=(2.0, 0.6)),
        record("old", "good on validation", 0, (9.0, 0.51), validation=(1.0, 0.7)),
    ]
    found = comparison([row("old")], records, "old")
    assert select(found)["old"].runs[0].candidate == "good on validation"
    assert summarize(found)["old"].test["a.rmse"].mean == 9.0
    swapped = [dataclasses.replace(each, test={"a.rmse": 1.0, "b.auc": 0.5}) for each in records]
    assert select(comparison([row("old")], swapped, "old"))["old"].runs[0].candidate == "good on validation"


def test_each_seed_chooses_for_itself():
    values = {("x", 0): 1.0, ("y", 0): 2.0, ("x", 1): 3.0, ("y", 1): 0.5}
    records = [record("old", name, seed, (value, 0.5)) for (name, seed), value in values.items()]
    selected = select(comparison([row("old")], records, "old"))["old"]
    assert {seed: run.candidate for seed, run in selected.runs.items()} == {0: "x", 1: "y"}


def test_failed_runs_are_counted_and_not_chosen():
    failed = dataclasses.replace(record("old", "y", 0, (None, None)), error="FloatingPointError: the loss is NaN")
    selected = select(comparison([row("old")], [record("old", "x", 0, (1.0, 0.5)), failed], "old"))["old"]
    assert selected.runs[0].candidate == "x"
    assert (selected.tried, len(selected.failed)) == (2, 1)


def test_a_row_without_results_has_no_figures(both):
    lost = dataclasses.replace(both, rows=(*both.rows, row("lost")))
    summary = summarize(lost)["lost"]
    assert (summary.change, summary.rank, summary.delta_m, summary.worst) == (None, None, None, None)


def test_the_other_seeds_choose():
    """Each seed would choose otherwise for itself."""
    validation = {"x": (1.0, 1.0, 4.0), "y": (2.0, 2.0, 1.0), "z": (0.1, 9.0, 9.0)}
    records = [
        record("old", name, seed, (10.0 * value, 0.5), validation=(value, 0.5))
        for name, values in validation.items()
        for seed, value in enumerate(values)
    ]
    found = comparison([row("old")], records, "old")
    assert has_choice(found)
    assert {seed: run.candidate for seed, run in select(found)["old"].runs.items()} == {0: "z", 1: "x", 2: "y"}
    # Geometric means of the others: seed 0: x 2, y √2, z 9; seed 1: x 2, y √2, z .95; seed 2: x 1, y 2, z .95.
    assert {s: run.candidate for s, run in select_by_others(found)["old"].runs.items()} == {0: "y", 1: "z", 2: "z"}


def test_only_what_finished_with_every_seed_is_chosen_by_others():
    records = [record("old", name, seed, (value, 0.5)) for name, value in (("x", 1.0), ("y", 9.0)) for seed in (0, 1)]
    lost = dataclasses.replace(records[1], error="FloatingPointError: the loss is NaN")
    found = comparison([row("old")], [records[0], lost, *records[2:]], "old")
    assert {run.candidate for run in select_by_others(found)["old"].runs.values()} == {"y"}
    assert not has_choice(found)


def test_one_seed_chooses_nothing_by_others(both):
    records = [record("old", name, 0, (1.0, 0.5)) for name in ("x", "y")]
    found = comparison([row("old")], records, "old")
    assert not select_by_others(found)["old"].runs
    assert not summarize(found).has_choice
    assert not summarize(both).has_choice  # Two seeds, one candidate a row.


def test_luck_does_not_survive_the_choice_by_others():
    """36 candidates that differ by chance alone: the best of each seed gains much, and nothing by other seeds."""
    drawn = np.random.default_rng(0)
    errors = np.exp(0.2 * drawn.normal(size=(2, 36, 20)))
    records = [
        record(name, f"c{number}", seed, (errors[which, number, seed], 0.5))
        for which, (name, count) in enumerate((("old", 1), ("new", 36)))
        for number in range(count)
        for seed in range(20)
    ]
    new = summarize(comparison([row("old"), row("new")], records, "old"))["new"]
    assert new.change.mean < -0.15
    assert new.by_others.low < 0.0 < new.by_others.high
