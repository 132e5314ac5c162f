"""The report of a comparison, from records made by hand."""

import json
import re
from pathlib import Path

import pytest

from equipoise.comparison.page.cost import cost
from equipoise.comparison.page.weights import limits
from equipoise.comparison.summary import summarize
from equipoise.scenes.comparison.collect import collected
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.page import write_report
from equipoise.scenes.comparison.plan import Plan
from tests.scenes.comparison.support import plan_of, record, started

ERRORS = {"alone-semantic": 1.2, "alone-instance": 1.1, "alone-depth": 1.3, "equal": 1.0, "learned": 0.8}


def filled(plan: Plan, path: Path) -> ComparisonFolder:
    """A finished comparison: learned weights have errors smaller by a fifth with every seed."""
    folder = started(plan, path)
    for run in plan.first_round():
        error = ERRORS.get(run.row.name, 1.0) * (1 + 0.05 * run.seed)
        folder.write_record(run.name, record(run, error))
    return folder


def test_the_page_is_complete_and_self_contained(tmp_path: Path):
    plan = plan_of(lr_factors=(1.0,), sweep=("semantic", "depth"))
    page = write_report(collected(plan, filled(plan, tmp_path)), plan, ComparisonFolder(tmp_path))
    text = page.path.read_text()
    assert not re.search(r'(src|href)="(?!data:)', text)
    for heading in (
        "Results on the test images",
        "Differences",
        "Ranks",
        "One task against the other",
        "Weights",
        "Cost",
    ):
        assert f"<h2>{heading}</h2>" in text
    assert "trained on train[:80%], checkpoints and candidates chosen on train[80%:], figures from val" in text
    assert "Not finished" not in text
    assert "Failures" not in text


def test_figures_and_differences(tmp_path: Path):
    plan = plan_of(lr_factors=(1.0,))
    page = write_report(collected(plan, filled(plan, tmp_path)), plan, ComparisonFolder(tmp_path))
    rows = {row[0]: row[1:] for row in page.rows}
    assert rows["equal"][1] == "1.05"  # px: 1, 1.05 and 1.1.
    assert rows["learned"][3] == "−20.0 [−20.0, −20.0]"
    assert '<span class="below">± 0.05</span>' in page.path.read_text()
    assert json.loads(page.table)["reference"] == "equal"
    summary = summarize(collected(plan, ComparisonFolder(tmp_path)).comparison)
    costs = {row.name: row for row in cost(collected(plan, ComparisonFolder(tmp_path)).comparison, summary)}
    assert (costs["equal"].updates, costs["learned"].updates) == ("1.00", "0.80")
    beside = {path.name for path in tmp_path.iterdir()}
    assert {"table.csv", "table.json", "table.md", "table.tex", "comparison.json"} <= beside
    assert "learned" in page.words
    assert page.columns[0] == "row"


def test_failures_and_missing_runs_are_shown(tmp_path: Path):
    plan = plan_of(rows=("equal", "learned"), lr_factors=(1.0,))
    folder = filled(plan, tmp_path)
    run = plan.run("learned-lr1-1")
    folder.write_record(run.name, record(run, failed="expected finite losses, <found> NaN"))
    folder.record("learned-lr1-2").unlink()
    page = write_report(collected(plan, folder), plan, folder)
    text = page.path.read_text()
    assert "Not finished: 1 run still to be made." in text
    assert "<h2>Failures</h2>" in text
    assert "expected finite losses, &lt;found&gt; NaN" in text


def test_a_single_seed_shows_no_difference(tmp_path: Path):
    """The interval of one value has no width, and says nothing."""
    plan = plan_of(lr_factors=(1.0,), seeds=1)
    page = write_report(collected(plan, filled(plan, tmp_path)), plan, ComparisonFolder(tmp_path))
    assert "A single seed has no intervals, so no difference is shown: it may be chance." in page.words
    assert "No difference from “equal” is shown for “learned” (−20.0 %)" in page.words
    assert "the error is lower" not in page.words
    table = (tmp_path / "table.md").read_text()
    learned = next(line for line in table.splitlines() if line.startswith("| learned |"))
    assert "−20.0 |" in learned
    assert not set("[±") & set(learned)


def test_the_column_chosen_by_other_seeds_is_explained_where_it_is(tmp_path: Path):
    for every, lr_factors in ((True, (0.5, 1.0)), (False, (1.0,))):
        plan = plan_of(lr_factors=lr_factors, tune_every_seed=every)
        folder = tmp_path / str(every)
        text = write_report(collected(plan, filled(plan, folder)), plan, ComparisonFolder(folder)).path.read_text()
        assert ("<em>Chosen by other seeds</em> is the same change" in text) == every
        assert ("the same, chosen by other seeds</th>" in text) == every


def test_weights_of_all_rows_are_on_one_scale():
    assert limits([0.2, 0.9]) == pytest.approx((0.18, 0.99))
    low, high = limits([1.0, 1.1])
    assert high / low == pytest.approx(4.0)


@pytest.mark.parametrize("kept", [["alone-depth"], ["equal"], ["alone-semantic", "learned"]])
def test_a_page_of_few_rows(tmp_path: Path, kept: list[str]):
    plan = plan_of(lr_factors=(1.0,), seeds=1)
    folder = filled(plan, tmp_path)
    for run in plan.first_round():
        if run.row.name not in kept:
            folder.record(run.name).unlink()
    page = write_report(collected(plan, folder), plan, folder)
    assert [row[0] for row in page.rows] == [row.name for row in plan.rows if row.name in kept]
