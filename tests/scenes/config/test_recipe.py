"""Recipes and descriptions that are shipped or shown can be read as they stand."""

import re
from pathlib import Path

import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.config.differences import differing_keys
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.data.description import read_description

ROOT = Path(__file__).parents[3]
RECIPES = sorted((ROOT / "recipes").glob("*.toml"))
BLOCKS = re.findall(r"```toml\n(.*?)```", (ROOT / "docs/own-data.md").read_text(encoding="utf-8"), re.DOTALL)
DOCUMENTED = [block for block in BLOCKS if block.startswith(("# my-data.toml", "# my-recipe.toml"))] + BLOCKS[-1:]
"""A description, a recipe, and a recipe with two data sets."""


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_shipped_recipes(path):
    recipe = read_recipe(path)
    for data in recipe.sets.values():
        assert Path(data.path).is_absolute()
        if data.kind == "folder":
            assert read_description(Path(data.path)).split


def test_documented_description_and_recipes(tmp_path):
    description, recipe, several = DOCUMENTED
    (tmp_path / "my-data.toml").write_text(description)
    assert read_description(tmp_path / "my-data.toml").camera.fx == 1200.0
    (tmp_path / "a.toml").write_text(recipe)
    assert read_recipe(tmp_path / "a.toml").training.steps == 1600
    (tmp_path / "b.toml").write_text(several + "[training]\nsteps = 5\n")
    joint = read_recipe(tmp_path / "b.toml")
    assert list(joint.sets) == ["data", "streets"]
    assert joint.also["streets"].classes["terrain"] == ""
    assert joint.also["streets"].path == str(tmp_path / "streets")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("repeat = 1", "repeat = 0", "also.streets.repeat: expected 1 … 1,000,000, found 0"),
        ("repeat = 1", "repeats = 1", "also.streets: unknown key 'repeats': did you mean 'repeat'"),
        ("repeat = 1", "size = [64, 64]", "also.streets: unknown key 'size'"),
        ("[also.streets]", '[also."my set"]\nkind = "streets"\npath = "x"\n[also.streets]', "names of letters"),
        ("[also.streets]", '[also.data]\nkind = "streets"\npath = "x"\n[also.streets]', "not 'data'"),
    ],
)
def test_mistakes_with_several_sets(tmp_path, old, new, message):
    text = DOCUMENTED[2] + "[training]\nsteps = 5\n"
    assert old in text
    (tmp_path / "recipe.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(RecipeError, match=re.escape(message)):
        read_recipe(tmp_path / "recipe.toml")


def test_what_differs_between_recipes_is_named():
    one = {"a": 1, "b": {"c": 2, "d": 3}, "also": {}}
    other = {"a": 1, "b": {"c": 5, "d": 3}, "also": {"streets": {"path": "x"}}}
    assert differing_keys(one, other) == ["also.streets", "b.c"]
