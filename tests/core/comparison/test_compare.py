"""Whole comparisons: resuming, failures, processes, and what they write."""

import csv
import functools
import json

import pytest
import torch

import equipoise as eq
from equipoise.comparison import Budget, Comparison, Plan, Table, paragraph, rows, store, summarize, tables
from equipoise.comparison import plan as plans
from tests.core.comparison.support import comparison, record, row

INPUTS = torch.randn(120, 3, generator=torch.Generator().manual_seed(0))
TABLE = Table(
    name="toy",
    inputs=INPUTS,
    targets={"sum": INPUTS.sum(1), "sign": (INPUTS[:, 0] > 0).long()},
    kinds={"sum": "regression", "sign": "classification"},
    hidden=(8,),
)
ROWS = (rows.single("sum"), rows.equal(TABLE.tasks), rows.tuned(TABLE.tasks, draws=2), rows.learned(TABLE.tasks))
COMPARE = functools.partial(eq.compare, TABLE, rows=ROWS, seeds=(0, 1), lrs=(0.01, 0.1), steps=6, validations=2)


@pytest.fixture
def made(monkeypatch):
    """The runs that were really made."""
    found = []

    def execute(problem, run, budget):
        found.append((run.row, run.candidate, run.seed))
        return original(problem, run, budget)

    original = plans.execute
    monkeypatch.setattr(plans, "execute", execute)
    return found


def test_finished_runs_are_skipped(tmp_path, made):
    first = COMPARE(folder=tmp_path)
    assert len(made) == len(first.records) == 2 * 2 * (1 + 1 + 2 + 1)
    assert COMPARE(folder=tmp_path) == first
    assert len(made) == 20
    lost = first.records[3]
    store.path_of(tmp_path, lost.row, lost.candidate, lost.seed).unlink()
    again = COMPARE(folder=tmp_path)
    assert made[20:] == [(lost.row, lost.candidate, lost.seed)]
    assert [each.test for each in again.records] == [each.test for each in first.records]
    COMPARE(folder=tmp_path, seeds=(0, 1, 2))
    assert len(made) == 31


def test_an_interrupted_run_leaves_no_record(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(plans, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        COMPARE(folder=tmp_path)
    assert list(store.records(tmp_path)) == []


def test_failures_are_recorded_shown_and_retried_if_asked(tmp_path, made):
    pytest.importorskip("torchjd")
    broken = rows.torchjd(TABLE.tasks, "CAGrad")
    call = functools.partial(COMPARE, folder=tmp_path, rows=(*ROWS, broken), lrs=(0.01,), seeds=(0,))
    found = call()
    failed = [each for each in found.records if each.failed]
    assert [each.row for each in failed] == ["CAGrad"]
    assert "expected its arguments" in failed[0].error
    assert "“CAGrad” (1)" in paragraph(summarize(found))
    assert json.loads((tmp_path / "table.json").read_text())["rows"][-1]["selected"]["failed"]
    before = len(made)
    call()
    assert len(made) == before
    call(retry_failed=True)
    assert made[before:] == [("CAGrad", "lr 0.01", 0)]


@pytest.mark.parametrize(
    "change",
    [
        {"steps": 7},
        {"optimizer": torch.optim.SGD},
        {"validations": 3},
        {"rows": (rows.equal(TABLE.tasks, form=rows.PAPER),)},
    ],
)
def test_runs_of_other_settings_are_refused(tmp_path, made, change):
    COMPARE(folder=tmp_path)
    before = len(made)
    with pytest.raises(ValueError, match="use another folder"):
        COMPARE(folder=tmp_path, **change)
    assert len(made) == before


def test_processes_give_the_same_records(tmp_path):
    alone = COMPARE(folder=tmp_path / "one", seeds=(0,))
    both = COMPARE(folder=tmp_path / "two", seeds=(0,), processes=2)
    assert [(r.row, r.candidate, r.test) for r in alone.records] == [(r.row, r.candidate, r.test) for r in both.records]


def test_single_runs_make_the_whole(tmp_path):
    plan = Plan(
        problem=TABLE,
        rows=ROWS,
        seeds=(0, 1),
        lrs=(0.01, 0.1),
        budget=Budget(steps=6, validations=2),
        folder=tmp_path / "single",
        reference="equal",
    )
    for index in reversed(range(len(plan.runs()))):
        plan.make(index)
    assert plan.pending() == []
    whole = COMPARE(folder=tmp_path / "whole")
    assert [each.test for each in plan.collect().records] == [each.test for each in whole.records]


def test_the_written_files_agree(tmp_path):
    found = COMPARE(folder=tmp_path)
    assert Comparison.from_json((tmp_path / "comparison.json").read_text()) == found
    summary = summarize(found)
    with (tmp_path / "table.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert [line["row"] for line in lines] == [each.row.name for each in summary.rows]
    assert float(lines[1]["sum.rmse mean"]) == summary["equal"].test["sum.rmse"].mean
    assert lines[2]["runs"] == "8"
    assert (tmp_path / "table.md").read_text().count("\n| ") == 2 + len(ROWS)
    assert (tmp_path / "table.tex").read_text().count(r"\\") == 1 + len(ROWS)


def test_markdown_and_latex_by_hand():
    records = [
        record(name, "", seed, values)
        for name in ("old & good", "new")
        for seed, values in enumerate([(1.0, 0.5), (2.0, 0.75)])
    ]
    summary = summarize(comparison([row("old & good"), row("new")], records, "old & good"))
    markdown = tables.markdown(summary).splitlines()
    assert markdown[0].startswith("| Row | a.rmse ↓ | b.auc ↑ | change % |")
    assert markdown[2].startswith("| old & good | 1.5 ± 0.71 | 0.625 ± 0.18 | reference | – |")
    assert "| 0.0 [0.0, 0.0] | a 0.0 |" in markdown[3]
    assert r"old \& good & 1.5 $\pm$ 0.71" in tables.latex(summary)


def test_words_follow_from_the_intervals():
    """Half the error in every seed is significant; a difference of either sign is not."""
    values = {"old": 8 * [2.0], "half": [1.0, 1.1] * 4, "mixed": [1.0, 4.0] * 4, "double": 8 * [4.0]}
    records = [
        record(name, "", seed, (value, 0.5)) for name, errors in values.items() for seed, value in enumerate(errors)
    ]
    text = paragraph(summarize(comparison([row(name) for name in values], records, "old")))
    assert "significantly lower (95 % interval without 0) with “half” (−" in text
    assert "significantly higher (95 % interval without 0) with “double” (+41.4 %)" in text
    assert "No difference from “old” is shown for “mixed”" in text
    assert "Of 3 comparisons about 0.2 would exclude 0 by chance alone" in text
    assert "“half” and “double” remain" in text
    assert "too short" not in text
    few = [each for each in records if each.seed < 3]
    assert "With 3 seeds the intervals are too short for any claim of significance" in paragraph(
        summarize(comparison([row(n) for n in values], few, "old"))
    )


def test_words_name_tasks_that_lose():
    records = [record("a alone", "", seed, (1.0, None)) for seed in range(6)]
    records += [record("old", "", seed, (2.0, 0.5)) for seed in range(6)]
    text = paragraph(summarize(comparison([row("a alone", "a"), row("old")], records, "old")))
    assert "Worse than being trained alone (95 % interval above 0): a with “old” (+100.0 %)" in text


def test_a_comparison_without_a_row_of_all_tasks_wants_a_reference(tmp_path):
    with pytest.raises(ValueError, match="pass reference="):
        eq.compare(TABLE, folder=tmp_path, rows=[rows.single("sum")])


def test_runs_are_those_of_a_seed_that_the_row_has():
    """A row that was made with fewer seeds than others."""
    records = [record("old", "", seed, (1.0, 0.5)) for seed in (0, 1, 2, 3)]
    records += [record("new", name, seed, (1.0, 0.5)) for name in ("x", "y", "z") for seed in (0, 1)]
    head, _, new = tables.cells(summarize(comparison([row("old"), row("new")], records, "old")))
    assert dict(zip(head, new, strict=True))["runs"] == "3"
