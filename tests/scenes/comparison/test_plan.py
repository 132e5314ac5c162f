"""Which runs a comparison consists of, in which order, and which are still to be made."""

from pathlib import Path

import pytest
import torch

from equipoise.errors import RunError, UsageError
from equipoise.scenes.comparison.collect import collected, missing_runs, next_runs
from equipoise.scenes.comparison.settings import DEFAULT_ROWS
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.loop import new_state
from tests.scenes.comparison.support import METRICS, plan_of, record, started
from tests.support.tiny import TinyDataset


def test_candidates_are_tried_with_one_seed_and_the_best_is_trained_with_the_others(tmp_path: Path):
    plan = plan_of(rows=("equal", "learned"))
    folder = started(plan, tmp_path)
    first = missing_runs(plan, folder)
    assert [run.name for run in first] == ["equal-lr1-0", "equal-lr2-0", "learned-lr1-0", "learned-lr2-0"]
    assert plan.total() == 8
    for run, error in zip(first[:2], (2.0, 1.0), strict=True):
        folder.write_record(run.name, record(run, error))
    names = [run.name for run in missing_runs(plan, folder)]
    assert names == ["learned-lr1-0", "learned-lr2-0", "equal-lr2-1", "equal-lr2-2"]


def test_every_row_is_made_with_a_seed_before_any_is_made_with_the_next(tmp_path: Path):
    plan = plan_of(rows=("equal", "tuned"), seeds=2, lr_factors=(1.0,), draws=2)
    folder = started(plan, tmp_path)
    assert [run.name for run in missing_runs(plan, folder)][-1] == "equal-lr1-1"
    made = []
    while following := next_runs(plan, folder):
        made.append([run.name for run in following])
        for run in following:
            folder.write_record(run.name, record(run))
    assert made == [["equal-lr1-0", "tuned-w1lr1-0", "tuned-w2lr1-0"], ["equal-lr1-1", "tuned-w1lr1-1"]]


def test_the_test_split_does_not_choose(tmp_path: Path):
    plan = plan_of(rows=("equal",))
    folder = started(plan, tmp_path)
    for run, error, test in zip(plan.first_round(), (2.0, 1.0), (0.1, 3.0), strict=True):
        folder.write_record(run.name, record(run, error, test=test))
    assert [run.name for run in missing_runs(plan, folder)] == ["equal-lr2-1", "equal-lr2-2"]


def test_a_failed_candidate_is_not_chosen(tmp_path: Path):
    plan = plan_of(rows=("equal",))
    folder = started(plan, tmp_path)
    one, other = plan.first_round()
    folder.write_record(one.name, record(one, failed="expected finite losses, found NaN"))
    folder.write_record(other.name, record(other, 5.0))
    assert [run.name for run in missing_runs(plan, folder)] == ["equal-lr2-1", "equal-lr2-2"]
    folder.write_record(other.name, record(other, failed="no memory"))
    assert missing_runs(plan, folder) == []
    found = collected(plan, folder).comparison
    assert [one.error for one in found.records] == ["expected finite losses, found NaN", "no memory"]


def test_every_seed_can_choose_for_itself():
    plan = plan_of(rows=("equal",), tune_every_seed=True)
    assert len(plan.first_round()) == plan.total() == 6


def test_a_single_candidate_is_trained_with_every_seed_at_once():
    plan = plan_of(rows=("equal",), lr_factors=(1.0,))
    assert [run.name for run in plan.first_round()] == ["equal-lr1-0", "equal-lr1-1", "equal-lr1-2"]


def test_a_run_is_found_by_its_name_and_trains_its_seed():
    plan = plan_of(rows=DEFAULT_ROWS)
    for planned in plan.first_round():
        found = plan.run(planned.name)
        assert found == planned
        assert found.recipe.training.seed == planned.seed
    assert plan.run("equal-lr2-2").seed == 2
    with pytest.raises(UsageError, match=r"--run: found 'equal-lr3-0': did you mean 'equal-lr\d-0'\?"):
        plan.run("equal-lr3-0")


def test_a_folder_with_other_settings_is_refused(tmp_path: Path):
    plan = plan_of(rows=("equal",))
    folder = started(plan, tmp_path)
    run = plan.first_round()[0]
    place = folder.run(run.name)
    place.path.mkdir(parents=True)
    place.write_recipe(run.recipe)
    assert len(missing_runs(plan, folder)) == 2
    with pytest.raises(RunError, match=r"found other values of training.steps: choose another --out"):
        missing_runs(plan_of(rows=("equal",), steps=9), folder)


def test_a_folder_without_a_comparison_is_refused(tmp_path: Path):
    from equipoise.scenes.comparison.folder import ComparisonFolder

    with pytest.raises(RunError, match=r"expected a comparison at .*, found no plan.json"):
        collected(plan_of(), ComparisonFolder(tmp_path))
    with pytest.raises(RunError, match=r"expected records of runs at .*, found none"):
        collected(plan_of(), started(plan_of(), tmp_path))


def test_a_damaged_record_is_named(tmp_path: Path):
    plan = plan_of(rows=("equal",))
    folder = started(plan, tmp_path)
    folder.record("equal-lr1-0").parent.mkdir()
    folder.record("equal-lr1-0").write_text("{")
    with pytest.raises(RunError, match=r"equal-lr1-0.json: expected the record of a run, found a damaged one"):
        missing_runs(plan, folder)


def test_runs_of_a_seed_start_from_the_same_weights_and_see_the_same_batches():
    plan, dataset = plan_of(rows=("alone", "equal", "learned", "paper", "closed-form", "tuned-grown")), TinyDataset()
    known: dict[str, torch.Tensor] = {}
    images = set()
    for run in plan.first_round():
        recipe = run.recipe
        state = new_state(recipe, dataset, None, torch.device("cpu"), "float32")
        for name, value in state.model.network.state_dict().items():
            assert torch.equal(known.setdefault(name, value), value)
        options = recipe.training
        drawn = batches(
            dataset,
            state.model.tasks,
            recipe.augmentation,
            size=recipe.data.size,
            seed=options.seed,
            batch_size=options.batch_size,
            start=0,
            stop=2,
            workers=0,
        )
        images.add(tuple(batch.images.numpy().tobytes() for batch in drawn))
        assert options.steps == plan.recipe.training.steps
    assert len(images) == 1
    assert {name.split(".")[1] for name in known if name.startswith("decoders.")} == {metric.task for metric in METRICS}
