"""What is trained on, what chooses, and what is reported on."""

from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.comparison.settings import ComparisonRecipe
from equipoise.scenes.comparison.splits import apart, expect_apart
from equipoise.scenes.config.recipe import SetRecipe
from equipoise.scenes.data.sources import RecipeData
from tests.scenes.training.test_loop import RECIPE
from tests.support.cityscapes import write_cityscapes

SETTINGS = ComparisonRecipe()


def cities(root: Path, **splits: int):
    for split, count in splits.items():
        write_cityscapes(root, split, count)
    return replace(RECIPE, data=replace(RECIPE.data, kind="cityscapes", path=str(root)))


def test_a_part_of_the_training_split_chooses_where_there_are_no_test_data(tmp_path: Path):
    found = apart(cities(tmp_path, train=5, val=3), SETTINGS, "r.toml")
    assert (found.recipe.data.train, found.recipe.data.validation) == ("train[:80%]", "train[80%:]")
    assert dict(found.test) == {"data": "val"}
    counts = expect_apart(found, RecipeData(found.recipe), "r.toml")
    assert counts == {"train": 4, "validation": 1, "test": 3}


def test_a_test_split_leaves_the_others_as_they_are(tmp_path: Path):
    recipe = cities(tmp_path, train=4, val=2, extra=3)
    found = apart(recipe, replace(SETTINGS, test="extra"), "r.toml")
    assert found.recipe == recipe
    assert expect_apart(found, RecipeData(recipe), "r.toml") == {"train": 4, "validation": 2, "test": 3}


def test_every_data_set_is_split(tmp_path: Path):
    recipe = cities(tmp_path, train=5, val=3)
    other = SetRecipe(kind="cityscapes", path=str(tmp_path), train="train", validation="val")
    found = apart(replace(recipe, also={"more": other}), replace(SETTINGS, held_out=40), "r.toml")
    assert {name: one.train for name, one in found.recipe.sets.items()} == dict.fromkeys(
        ("data", "more"), "train[:60%]"
    )
    assert dict(found.test) == {"data": "val", "more": "val"}


@pytest.mark.parametrize(
    ("data", "settings", "message"),
    [
        ({"validation": "train"}, {}, "expected the split to report on, since data trains on 'train'"),
        ({"train": "train[:50%]"}, {}, "expected the split to report on"),
        ({}, {"test": "val"}, "expected three different splits to train, choose and report on, found train, val, val"),
    ],
)
def test_recipes_without_a_split_to_report_on_are_refused(data: dict, settings: dict, message: str):
    recipe = replace(RECIPE, data=replace(RECIPE.data, **data))
    with pytest.raises(RecipeError, match=f"r.toml: comparison.test: {message}"):
        apart(recipe, replace(SETTINGS, **settings), "r.toml")


def test_splits_with_common_images_are_refused(tmp_path: Path):
    recipe = cities(tmp_path, train=4, val=2)
    overlapping = replace(recipe, data=replace(recipe.data, validation="train[:50%]"))
    found = apart(overlapping, replace(SETTINGS, test="val"), "r.toml")
    with pytest.raises(RecipeError, match=r"found 2 images of train in train\[:50%\] \(data\), such as /"):
        expect_apart(found, RecipeData(found.recipe), "r.toml")
