"""A step in several parts: the loss, gradients and figures of the whole batch."""

import re
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.config.recipe import LikelihoodRecipe, Recipe, check_recipe
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.accumulate import steps
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.entry import log_entry
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.optimizer import make_optimizer
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import training_step
from equipoise.scenes.training.weighting import make_weighting
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.scenes.training.test_loop import RECIPE
from tests.scenes.training.test_meta import META, on_meta
from tests.support.tiny import PhotoDataset, TinyDataset

GROUPS = replace(RECIPE, model=replace(RECIPE.model, normalization="group"))
MIXED = JoinedDataset({"tiny": TinyDataset(6), "photos": PhotoDataset(6)}, [1, 1], [1.0, 0.5])
"""Six images with all labels, six with classes alone, which count half."""


def drawn(
    recipe: Recipe, tasks: Any, parts: int, count: int, dataset: JoinedDataset = MIXED
) -> list[tuple[Batch, ...]]:
    made = batches(
        dataset,
        tasks,
        recipe.augmentation,
        size=recipe.data.size,
        seed=0,
        batch_size=8,
        start=0,
        stop=count,
        workers=0,
        parts=parts,
    )
    return list(steps(made, parts))


def trained(recipe: Recipe, parts: int, count: int = 2) -> tuple[list[dict[str, Any]], list[dict[str, Tensor]]]:
    """The log entries of some steps in float64, and the gradients at each."""
    torch.manual_seed(0)
    model = SceneModel(describe(recipe, MIXED.vocabulary)).double().train()
    weighting = make_weighting(recipe.weighting, len(model.tasks), torch.device("cpu"))
    optimizer = make_optimizer(model, recipe.optimizer)
    state = State(model=model, network=model.network, optimizer=optimizer, weighting=weighting)
    entries, gradients = [], []
    for batch in drawn(recipe, model.tasks, parts, count):
        wide = [b.each(lambda t: t.double() if t.is_floating_point() else t) for b in batch]
        joint, norm = training_step(state, wide, "float32", recipe.optimizer.gradient_clip, ALONE)
        state.step += 1
        entries.append(log_entry(state, joint, norm, norm, 0.0, 0.0))
        gradients.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
    return entries, gradients


@pytest.mark.parametrize("clip", [None, 1.0])
@pytest.mark.parametrize(("kind", "method"), [("", "learned"), ("gaussian", "learned"), ("", "damped")])
def test_four_parts_are_one_batch(clip, kind, method):
    """The parts have unequal counts, and some lack a task; group normalisation does not depend on the parts."""
    weights = LikelihoodRecipe(class_weights={"box": 3.0}, label_smoothing=0.1)
    likelihood = {"semantic": weights, "depth": LikelihoodRecipe(kind=kind, init=-2.0)}
    optimizer, weighting = replace(GROUPS.optimizer, gradient_clip=clip), WeightingRecipe(method=method)
    recipe = replace(GROUPS, likelihood=likelihood, optimizer=optimizer, weighting=weighting)
    tasks = SceneModel(describe(recipe, MIXED.vocabulary)).tasks
    parts = [part for batch in drawn(recipe, tasks, 4, 2) for part in batch]
    assert {len(part.rows["depth"]) for part in parts} == {0, 1, 2}
    counted = [int((~part.targets["depth"].isnan()).sum()) for part in parts]
    assert len(set(counted)) > 2
    (whole, expected), (split, found) = (trained(recipe, n) for n in (1, 4))
    for one, other in zip(expected, found, strict=True):
        assert one.keys() == other.keys()
        assert any("log_variance" in name for name in one)
        for name, gradient in one.items():
            torch.testing.assert_close(other[name], gradient, rtol=1e-6, atol=1e-9, msg=name)
    for entry, other in zip(whole, split, strict=True):
        assert other["loss"] == pytest.approx(entry["loss"], rel=1e-6)
        assert other["gradient_norm"] == pytest.approx(entry["gradient_norm"], rel=1e-6)
        for task, figures in entry["tasks"].items():
            assert other["tasks"][task] == pytest.approx(figures, rel=1e-6), task


def test_a_task_without_labels_in_the_step_keeps_its_decoder_and_noise():
    dataset = JoinedDataset({"photos": PhotoDataset(20), "tiny": TinyDataset(1)}, [1, 1])
    model = SceneModel(describe(GROUPS, dataset.vocabulary)).train()
    state = State(model=model, network=model.network, optimizer=make_optimizer(model, GROUPS.optimizer))
    batch = next(b for b in drawn(GROUPS, model.tasks, 4, 2, dataset) if not any(len(p.rows["depth"]) for p in b))
    before = {n: v.clone() for n, v in model.state_dict().items()}
    joint, norm = training_step(state, batch, "float32", None, ALONE)
    for name, value in model.state_dict().items():
        if "decoders.depth" in name or "likelihoods.depth.noise" in name:
            assert torch.equal(value, before[name]), name
    entry = log_entry(state, joint, norm, norm, 0.0, 0.0)
    assert entry["tasks"]["depth"]["loss"] is None
    assert entry["tasks"]["semantic"]["loss"] > 0
    assert joint.tasks["depth"].count == 0


def test_a_step_in_parts_reads_nothing_back():
    with META:
        model = SceneModel(describe(RECIPE, MIXED.vocabulary))
        state = State(model=model, network=model.network, optimizer=make_optimizer(model, RECIPE.optimizer))
    for batch in drawn(RECIPE, model.tasks, 4, 2):
        joint, norm = training_step(state, [b.each(on_meta) for b in batch], "float32", 1.0, ALONE)
        state.step += 1
        assert joint.loss.device == norm.device == META


def test_targets_without_spread_are_refused():
    model = SceneModel(describe(GROUPS, MIXED.vocabulary)).train()
    state = State(model=model, network=model.network, optimizer=make_optimizer(model, GROUPS.optimizer))
    (batch,) = drawn(GROUPS, model.tasks, 4, 1)
    flat = [replace(b, targets={**b.targets, "depth": torch.full_like(b.targets["depth"], 3.0)}) for b in batch]
    with (
        pytest.warns(UserWarning, match="no spread"),
        pytest.raises(DataError, match=r"training.accumulate: expected labels of several values for the task 'depth'"),
    ):
        training_step(state, flat, "float32", None, ALONE)


@pytest.mark.parametrize(
    ("training", "likelihood", "message"),
    [
        ({"accumulate": 5}, {}, "training.accumulate: expected at most batch_size = 4 parts, found 5"),
        ({"accumulate": 2}, {"init": "first_batch"}, "expected 1 with likelihood.depth.init = 'first_batch'"),
        ({"accumulate": 2}, {"update": "closed_form"}, "expected 1 with likelihood.depth.update = 'closed_form'"),
    ],
)
def test_what_needs_whole_batches_is_refused(training, likelihood, message):
    recipe = replace(
        RECIPE,
        training=replace(RECIPE.training, **training),
        likelihood={"depth": LikelihoodRecipe(**likelihood)},
    )
    with pytest.raises(RecipeError, match=re.escape(message)):
        check_recipe(recipe, "r.toml")
