"""Methods of weighing in training runs: their gradients, what is logged of them, and how runs resume."""

from dataclasses import replace
from math import prod
from pathlib import Path

import pytest
import torch
from torch import Tensor

from equipoise.errors import RecipeError, UsageError
from equipoise.scenes.config.recipe import check_recipe
from equipoise.scenes.runs.run import expect_shares
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from equipoise.scenes.training.distributed import ProcessGroup
from equipoise.scenes.training.log import read_log
from equipoise.scenes.training.loop import new_state
from equipoise.scenes.training.weighting_settings import METHODS, WeightingRecipe
from tests.scenes.training.test_loop import RECIPE, run, stop_after
from tests.support.tiny import TinyDataset

SHARES = {"semantic": 0.2, "instance": 0.3, "depth": 0.5}
RATIOS = {"instance": lambda sigma: 2**0.5 / sigma, "depth": lambda sigma: 2**0.5 / sigma}
"""The weight of a Laplace loss for its σ."""


def weighed(method: str, rate: str = "free"):
    weights = SHARES if method == "fixed" else {}
    return replace(RECIPE, weighting=WeightingRecipe(method=method, weights=weights, rate=rate))


def first_weights(recipe) -> dict[str, Tensor]:
    torch.manual_seed(1)  # Of no effect: the recipe's seed decides.
    state = new_state(recipe, TinyDataset(), None, torch.device("cpu"), "float32")
    return {name: value.clone() for name, value in state.model.network.state_dict().items()}


@pytest.mark.filterwarnings("ignore:You are solving a parameterized problem:UserWarning")  # NashMTL's solver.
@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains(tmp_path: Path, method: str):
    recipe = replace(weighed(method), training=replace(RECIPE.training, steps=4))
    if method not in ("learned", "damped", "equal", "fixed"):
        pytest.importorskip("torchjd")
    outcome = run(recipe, tmp_path / "run")
    before = first_weights(recipe)
    after = outcome.model.network.state_dict()
    for part in ("encoder", "aspp", *(f"decoders.{task}" for task in RECIPE.tasks)):
        changed = [name for name in after if name.startswith(part) and not torch.equal(before[name], after[name])]
        assert changed, part
    log_variances = [float(outcome.model.likelihood[task].log_variance.detach()) for task in RECIPE.tasks]
    assert all(log_variances), "σ learns from its own likelihood whatever weighs the losses"


@pytest.mark.parametrize(
    ("method", "rate"), [("equal", "grown"), ("fixed", "grown"), ("learned", "matched"), ("FAMO", "free")]
)
def test_methods_with_a_state_resume_bit_exactly(tmp_path: Path, method: str, rate: str):
    if method == "FAMO":
        pytest.importorskip("torchjd")
    recipe = weighed(method, rate)
    whole = run(recipe, tmp_path / "whole").model.state_dict()
    stop_after(recipe, tmp_path / "parts", steps=5)
    resumed = run(recipe, tmp_path / "parts", resume=True).model.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def test_a_method_of_torchjd_refuses_to_resume(tmp_path: Path):
    pytest.importorskip("torchjd")
    stop_after(weighed("DWA"), tmp_path / "run", steps=5)
    with pytest.raises(UsageError, match=r"--resume: expected a method whose state a checkpoint holds, found .* 'DWA'"):
        run(weighed("DWA"), tmp_path / "run", resume=True)


def test_the_log_has_the_weights_that_were_used(tmp_path: Path):
    entry = read_log_of(tmp_path, "fixed", "free")[0]
    for name, share in SHARES.items():
        task = entry["tasks"][name]
        assert task["weight"] == pytest.approx(share / task["sigma"], rel=1e-4)  # s stays 0: σ is the target's scale.
    grown = read_log_of(tmp_path, "fixed", "grown")
    products = [sum(task["weight"] * task["loss"] for task in entry["tasks"].values()) for entry in grown]
    assert products[0] == pytest.approx(1, rel=1e-4)  # The sum divided by its own mean, which is itself at first.
    matched = read_log_of(tmp_path, "learned", "matched")
    first = {name: task["loss"] for name, task in matched[0]["tasks"].items()}
    for entry in matched:
        assert sum(task["weight"] * first[name] for name, task in entry["tasks"].items()) == pytest.approx(1, rel=1e-4)


def test_the_log_has_damped_weights(tmp_path: Path):
    recipe = replace(weighed("damped"), likelihood={name: LikelihoodRecipe(standardize=False) for name in RATIOS})
    run(recipe, tmp_path / "run")
    for entry in read_log(tmp_path / "run"):
        tasks = {name: entry["tasks"][name] for name in SHARES}
        mean = prod(task["sigma"] for task in tasks.values()) ** (1 / 3)
        for name, learned in RATIOS.items():  # with a damping of ½, the learned weight times σ/σ̄
            found, sigma = tasks[name]["weight"], tasks[name]["sigma"]
            assert found == pytest.approx(learned(sigma) * sigma / mean, rel=1e-3)


def read_log_of(folder: Path, method: str, rate: str):
    run(weighed(method, rate), folder / f"{method}-{rate}")
    return read_log(folder / f"{method}-{rate}")


@pytest.mark.parametrize(
    ("weighting", "message"),
    [
        ({"method": "UpGrad"}, "weighting.method: found 'UpGrad': did you mean 'UPGrad'?"),
        ({"method": "fixed"}, "weighting.weights: expected one for each of semantic, instance, depth, found none"),
        ({"method": "equal", "weights": SHARES}, "weighting.weights: expected it with method = 'fixed', found 'equal'"),
        ({"method": "fixed", "weights": SHARES | {"depth": -1.0}}, "weighting.weights: expected 0 or more each"),
        ({"method": "fixed", "weights": dict.fromkeys(SHARES, 0.0)}, "weighting.weights: expected one above 0"),
        ({"method": "learned", "rate": "grown"}, "expected 'grown' with method = 'equal' or 'fixed', found 'learned'"),
        (
            {"method": "learned", "damping": 0.3},
            "weighting.damping: expected it with method = 'damped', found 'learned'",
        ),
        ({"method": "damped", "damping": 1.5}, "weighting.damping: expected 0 to 1, found 1.5"),
        ({"method": "DWA", "rate": "matched"}, "expected 'matched' with method = 'learned', found 'DWA'"),
    ],
)
def test_settings_that_do_not_fit_are_refused(weighting: dict, message: str):
    with pytest.raises(RecipeError) as error:
        check_recipe(replace(RECIPE, weighting=WeightingRecipe(**weighting)), "r.toml")
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("method", "rate"), [("equal", "free"), ("learned", "matched"), ("UPGrad", "free"), ("FAMO", "free")]
)
def test_what_weighs_whole_batches_takes_no_steps_in_parts(method: str, rate: str):
    recipe = replace(weighed(method, rate), training=replace(RECIPE.training, accumulate=2))
    with pytest.raises(RecipeError, match=r"training.accumulate: expected 1 with weighting.method = .*, found 2"):
        check_recipe(recipe, "r.toml")


def test_methods_of_torchjd_run_in_one_process_and_uncompiled():
    with pytest.raises(RecipeError, match=r"weighting.method: .* with 2 processes, found 'DWA'"):
        expect_shares(weighed("DWA"), ProcessGroup(rank=0, world=2))
    expect_shares(weighed("FAMO"), ProcessGroup(rank=0, world=2))
    compiled = replace(weighed("UPGrad"), training=replace(RECIPE.training, compile=True))
    with pytest.raises(RecipeError, match=r"training.compile: expected false with weighting.method = 'UPGrad'"):
        check_recipe(compiled, "r.toml")


class TestInitTasks:
    def test_runs_of_other_tasks_start_from_the_same_weights(self):
        among = replace(RECIPE.training, init_tasks=RECIPE.tasks)
        whole = first_weights(replace(RECIPE, training=among))
        assert all(torch.equal(whole[name], value) for name, value in first_weights(RECIPE).items())
        for task in RECIPE.tasks:
            alone = first_weights(replace(RECIPE, tasks=(task,), training=among))
            assert any(name.startswith(f"decoders.{task}.") for name in alone)
            assert all(torch.equal(whole[name], value) for name, value in alone.items())

    def test_it_must_name_all_tasks(self):
        recipe = replace(RECIPE, training=replace(RECIPE.training, init_tasks=RECIPE.tasks[:1]))
        with pytest.raises(RecipeError, match=r"training.init_tasks: expected all of the tasks .* among them"):
            check_recipe(recipe, "r.toml")
