"""One run of a comparison: what is recorded, how it continues, and how it fails."""

import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from equipoise.errors import NonFiniteError
from equipoise.scenes.comparison import single
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.metrics import plan_metrics
from equipoise.scenes.comparison.plan import Plan, make_plan
from equipoise.scenes.comparison.processes import make_runs
from equipoise.scenes.comparison.settings import ComparisonRecipe
from equipoise.scenes.comparison.single import make_run
from equipoise.scenes.comparison.splits import expect_apart
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.runs.callbacks import RunCallbacks
from tests.scenes.comparison.support import write_recipe
from tests.support.commands import silent_progress

CPU = torch.device("cpu")
SETTINGS = ComparisonRecipe(rows=("equal-grown", "DWA"), seeds=2, lr_factors=(1.0,), steps=4, held_out=50)


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return make_plan(read_recipe(write_recipe(tmp_path)), SETTINGS, tmp_path / "recipe.toml")


@pytest.fixture
def folder(tmp_path: Path, plan: Plan) -> ComparisonFolder:
    folder, data = ComparisonFolder(tmp_path / "out"), RecipeData(plan.recipe)
    folder.write_overview(plan, plan_metrics(plan, data), expect_apart(plan.splits, data, "r.toml"))
    return folder


def callbacks(stop_at: int = 0) -> RunCallbacks:
    def on_log(entry) -> None:
        if entry["step"] == stop_at:
            signal.raise_signal(signal.SIGTERM)

    return RunCallbacks(on_log=on_log, on_notice=lambda line: None, counting=silent_progress)


def test_a_run_is_an_ordinary_run_with_a_record(plan: Plan, folder: ComparisonFolder):
    run = plan.run("equal-grown-lr1-1")
    assert make_run(plan, run, folder, callbacks(), CPU) == 0
    record = folder.read_record(run.name)
    recipe, kept = folder.run(run.name).read()
    assert (recipe.training.seed, recipe.weighting.rate) == (1, "grown")
    assert (record.steps, record.best_step) == (4, kept.model.step)
    at_best = next(v for v in folder.run(run.name).read_validations() if v["step"] == kept.model.step)["figures"]
    assert record.validation["semantic.mean_iou"] == pytest.approx(100 * at_best["semantic.mean_iou"])
    assert record.validation["depth.mae"] == at_best["depth.mae"]
    on_test = json.loads(folder.run(run.name).metrics_file("data", "val").read_text())
    assert record.test["depth.mae"] == on_test["tasks"]["depth"]["mae"]
    assert [step for step, _ in record.weights] == [1, 2, 3, 4]
    log = folder.run(run.name).read_log()
    assert record.update_norms == tuple((entry["step"], entry["update_norm"]) for entry in log)
    for emptied in ("checkpoints", "best"):
        assert not (folder.run(run.name).path / emptied).exists()
    before = folder.record(run.name).stat().st_mtime_ns
    assert make_run(plan, run, folder, callbacks(), CPU) == 0
    assert folder.record(run.name).stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["equal-grown-lr1-0", "DWA-lr1-0"])
def test_a_stopped_run_ends_as_an_uninterrupted_one(plan: Plan, folder: ComparisonFolder, tmp_path: Path, name: str):
    """A method of TorchJD, whose state no checkpoint holds, starts again."""
    if name.startswith("DWA"):
        pytest.importorskip("torchjd")
    whole = ComparisonFolder(tmp_path / "whole")
    assert make_run(plan, plan.run(name), whole, callbacks(), CPU) == 0
    assert make_run(plan, plan.run(name), folder, callbacks(stop_at=2), CPU) == 143
    assert folder.read_record(name) is None
    assert make_run(plan, plan.run(name), folder, callbacks(), CPU) == 0
    one, other = (replace(each.read_record(name), seconds=0.0) for each in (whole, folder))
    assert one == other


def test_a_failure_is_recorded_and_raised(plan: Plan, folder: ComparisonFolder, monkeypatch: pytest.MonkeyPatch):
    def fails(*arguments, **options):
        raise NonFiniteError("expected finite losses,\nfound NaN")

    monkeypatch.setattr(single, "train_run", fails)
    run = plan.run("DWA-lr1-0")
    with pytest.raises(NonFiniteError):
        make_run(plan, run, folder, callbacks(), CPU)
    record = folder.read_record(run.name)
    assert record.failed
    assert record.error == "expected finite losses, found NaN"
    assert make_run(plan, run, folder, callbacks(), CPU) == 0  # Left as it is until it is to be made again.


def test_a_process_that_ends_without_a_record_is_a_failure(plan: Plan, folder: ComparisonFolder):
    runs, ended = plan.first_round()[:2], {}
    whole = make_runs(
        runs,
        folder,
        lambda name: ["train", f"no-such-{name}.toml"],
        jobs=2,
        threads=2,
        on_end=lambda run, record: ended.update({run.name: record}),
    )
    assert whole
    assert set(ended) == {run.name for run in runs}
    for run in runs:
        error = folder.read_record(run.name).error
        assert error.startswith(f"its process ended with status 4: expected a TOML file at no-such-{run.name}.toml")


def test_every_data_set_has_its_own_figures(tmp_path: Path):
    also = ("", "[also.more]", 'kind = "cityscapes"', 'path = "city"')
    recipe = read_recipe(write_recipe(tmp_path, *also))
    plan = make_plan(recipe, replace(SETTINGS, rows=("equal",), steps=2), tmp_path / "recipe.toml")
    metrics = plan_metrics(plan, RecipeData(plan.recipe))
    run, folder = plan.run("equal-lr1-0"), ComparisonFolder(tmp_path / "out")
    assert make_run(plan, run, folder, callbacks(), CPU) == 0
    record = folder.read_record(run.name)
    assert set(record.test) == set(record.validation) == {metric.key for metric in metrics}
    assert record.test["depth.data.mae"] == record.test["depth.more.mae"]  # The same images by another name.
