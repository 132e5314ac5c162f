"""Rows as variations of a recipe: what each trains, and what it leaves as it is."""

from dataclasses import replace

import numpy as np
import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.comparison.rows import known_rows, make_rows
from equipoise.scenes.comparison.settings import DEFAULT_ROWS, ComparisonRecipe
from equipoise.scenes.comparison.variations import compared
from equipoise.scenes.comparison.weights import draws, grid
from equipoise.scenes.config.differences import differing_keys
from equipoise.scenes.config.recipe import check_recipe
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.scenes.training.test_loop import RECIPE

TASKS = RECIPE.tasks
WEIGHTS = {"semantic": 1.0, "instance": 1.0, "depth": 2.0}
SETTINGS = ComparisonRecipe(lr_factors=(1.0,), weights=WEIGHTS, draws=4)
COMMON = compared(RECIPE, SETTINGS)


def rows_of(*names: str, **changes):
    return make_rows(COMMON, replace(SETTINGS, rows=names, **changes), "r.toml")


def recipe_of(name: str):
    (row,) = rows_of(name)
    return row.candidates[0].recipe


@pytest.mark.parametrize("name", known_rows())
def test_every_row_is_a_valid_recipe_with_the_same_budget(name: str):
    for row in rows_of(name):
        for candidate in row.candidates:
            check_recipe(candidate.recipe, "r.toml")
            changed = differing_keys(COMMON.as_table(), candidate.recipe.as_table())
            assert all(
                key.startswith(("weighting", "likelihood", "tasks", "optimizer.log_variance")) for key in changed
            )


@pytest.mark.parametrize(
    ("name", "method", "rate"),
    [
        ("equal", "equal", "free"),
        ("equal-grown", "equal", "grown"),
        ("fixed", "fixed", "free"),
        ("tuned-grown", "fixed", "grown"),
        ("learned", "learned", "free"),
        ("closed-form-matched", "learned", "matched"),
        ("upgrad", "UPGrad", "free"),
        ("DWA-raw", "DWA", "free"),
    ],
)
def test_methods_and_rates(name: str, method: str, rate: str):
    weighting = recipe_of(name).weighting
    assert (weighting.method, weighting.rate) == (method, rate)


def test_tasks_alone_and_in_pairs():
    assert [row.tasks for row in rows_of("alone")] == [(task,) for task in TASKS]
    pairs = rows_of("pairs")
    assert [row.name for row in pairs] == ["pair-semantic+instance", "pair-semantic+depth", "pair-instance+depth"]
    assert all(row.candidates[0].recipe.weighting.method == "learned" for row in pairs)


def test_forms_of_learned_weights():
    regressions = ("instance", "depth")
    paper = recipe_of("paper")
    assert {paper.likelihood[task].kind for task in regressions} == {"laplace-paper"}
    assert not any(paper.likelihood[task].standardize for task in regressions)
    assert paper.likelihood["semantic"].kind == ""
    assert paper.optimizer.log_variance_lr == paper.optimizer.lr
    assert {one.init for one in recipe_of("first-batch").likelihood.values()} == {"first_batch"}
    assert {one.update for one in recipe_of("closed-form").likelihood.values()} == {"closed_form"}
    assert {recipe_of("laplace-raw").likelihood[task].standardize for task in regressions} == {False}
    assert {recipe_of("learned-standardized").likelihood[task].standardize for task in regressions} == {True}
    assert recipe_of("learned") == replace(COMMON, weighting=WeightingRecipe(method="learned"))


def test_given_weights_are_scaled_to_the_sum_one():
    assert recipe_of("fixed").weighting.weights == {"semantic": 0.25, "instance": 0.25, "depth": 0.5}


def test_a_control_names_its_row():
    assert [row.control_of for row in rows_of("learned", "learned-matched", "equal-grown")] == [None, "learned", None]


def test_candidates_are_weights_times_learning_rates():
    (row,) = rows_of("tuned", lr_factors=(0.5, 2.0))
    assert len(row.candidates) == 8
    assert len({candidate.name for candidate in row.candidates}) == 8
    first, second = (candidate.recipe.optimizer for candidate in row.candidates[:2])
    assert (first.lr, second.lr) == (RECIPE.optimizer.lr / 2, RECIPE.optimizer.lr * 2)
    assert second.log_variance_lr == RECIPE.optimizer.log_variance_lr * 2


def test_a_sweep_has_the_tasks_alone_at_its_ends_and_learned_weights_beside_it():
    rows = rows_of("equal", sweep=("semantic", "depth"), sweep_shares=(0.9, 0.5))
    names = [
        "alone-semantic",
        "alone-depth",
        "sweep-semantic+depth-0.9",
        "sweep-semantic+depth-0.5",
        "pair-semantic+depth",
    ]
    assert [row.name for row in rows] == ["equal", *names]
    assert rows[3].candidates[0].recipe.weighting.weights == {"semantic": 0.9, "depth": pytest.approx(0.1)}
    assert all(row.tasks == ("semantic", "depth") for row in rows[3:])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("equals", "found 'equals': did you mean 'equal'?"),
        ("equal-matched", "found 'equal-matched'"),
        ("UPGrid", "did you mean 'UPGrad'?"),
        ("paper-raw", "found 'paper-raw'"),
    ],
)
def test_unknown_rows_get_a_suggestion(name: str, message: str):
    with pytest.raises(RecipeError) as error:
        rows_of(name)
    assert str(error.value).startswith("r.toml: comparison.rows: ")
    assert message in str(error.value)


def test_rows_that_do_not_suit_the_recipe_are_refused():
    with pytest.raises(RecipeError, match=r"comparison.weights: expected a weight .* for each of semantic"):
        rows_of("fixed", weights={"semantic": 1.0})
    with pytest.raises(RecipeError, match=r"comparison.sweep: found 'depht': did you mean 'depth'\?"):
        rows_of("equal", sweep=("semantic", "depht"))
    alone = compared(replace(RECIPE, tasks=("depth",)), SETTINGS)
    with pytest.raises(RecipeError, match=r"comparison.rows: expected alone with a single task, found 'equal'"):
        make_rows(alone, replace(SETTINGS, rows=("equal",)), "r.toml")


def test_default_rows_are_known():
    rows = rows_of(*DEFAULT_ROWS)
    assert len(rows) == len(TASKS) * 2 + len(DEFAULT_ROWS) - 2


@pytest.mark.parametrize(("tasks", "levels"), [(1, 3), (2, 3), (3, 2), (3, 3)])
def test_a_grid_has_every_ratio_once(tasks: int, levels: int):
    found = grid([str(k) for k in range(tasks)], [10.0**-k for k in range(levels)])
    assert len(found) == levels**tasks - (levels - 1) ** tasks
    assert all(sum(each.values()) == pytest.approx(1) for each in found)


def test_draws_begin_alike_and_have_bounded_ratios():
    few, many = draws(TASKS, 3), draws(TASKS, 200)
    assert many[:3] == few
    ratios = [max(each.values()) / min(each.values()) for each in many]
    assert ratios[0] == 1
    assert 50 < max(ratios) <= 100
    assert np.mean([each["depth"] for each in many]) == pytest.approx(1 / 3, abs=0.06)
