"""Recipes that weigh: data sets by their images, classes by name, and labels that are smoothed."""

import dataclasses

import pytest
import torch
from torch.nn import functional

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import DataRecipe, LikelihoodRecipe, Recipe, SetRecipe, TrainingRecipe, check_recipe
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.training.batches import batches
from tests.support.tiny import VOCABULARY, PhotoDataset, TinyDataset

SIZE = (48, 64)


def recipe(**weights: float) -> Recipe:
    data = DataRecipe(kind="streets", path="a", size=SIZE, weight=weights.get("data", 1.0))
    also = {name: SetRecipe(kind="streets", path="b", weight=w) for name, w in weights.items() if name != "data"}
    return Recipe(data=data, also=also, training=TrainingRecipe(steps=1))


def test_a_weight_of_one_set_alone_does_nothing_and_is_refused():
    check_recipe(recipe(data=1.0, other=0.5), "r.toml")
    with pytest.raises(RecipeError, match=r"data.weight: expected it only with several data sets"):
        check_recipe(recipe(data=0.5), "r.toml")
    with pytest.raises(RecipeError, match=r"also.other.weight: expected above 0"):
        check_recipe(recipe(other=0.0), "r.toml")


def test_the_batch_says_how_much_each_image_counts():
    together = JoinedDataset({"a": TinyDataset(), "b": PhotoDataset()}, [1, 1], [1.0, 0.25])
    tasks = make_tasks(("semantic", "depth"), together.vocabulary)
    made = batches(
        together, tasks, Augmentation(), size=SIZE, seed=0, batch_size=len(together), start=0, stop=1, workers=0
    )
    batch = next(iter(made))
    assert batch.weights is not None
    expected = [1.0 if name.startswith("a/") else 0.25 for name in batch.names]
    assert batch.weights["semantic"].tolist() == [expected[row] for row in batch.rows["semantic"]]
    assert set(batch.weights["depth"].tolist()) <= {1.0, 0.25}
    assert len(batch.weights["depth"]) == len(batch.rows["depth"])


def test_class_weights_and_smoothing_are_those_of_torch():
    task = make_tasks(("semantic",), VOCABULARY)["semantic"]
    given = LikelihoodRecipe(class_weights={"box": 3.0}, label_smoothing=0.1)
    likelihood = task.likelihood(given)
    torch.manual_seed(0)
    logits, labels = torch.randn(2, task.channels, 3, 4), torch.randint(task.channels, (2, 3, 4))
    weights = torch.tensor([3.0 if c.name == "box" else 1.0 for c in VOCABULARY.classes])
    expected = functional.cross_entropy(logits, labels, weight=weights, label_smoothing=0.1)
    assert likelihood(logits, labels).loss.item() == pytest.approx(expected.item(), rel=1e-5)


def test_weights_that_a_task_cannot_have_are_refused():
    tasks = make_tasks(("semantic", "depth"), VOCABULARY)
    with pytest.raises(ValueError, match="found 'bocks'"):
        tasks["semantic"].likelihood(LikelihoodRecipe(class_weights={"bocks": 1.0}))
    with pytest.raises(ValueError, match="semantic task only"):
        tasks["depth"].likelihood(dataclasses.replace(LikelihoodRecipe(), label_smoothing=0.1))
