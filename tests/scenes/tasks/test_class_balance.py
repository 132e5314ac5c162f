"""Class weights by frequency: against the published formulas by hand, and in a run."""

import json
from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.tasks.class_balance import BETA, ClassCounts, balanced_weights
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE, equipoise, one_line
from tests.support.tiny import VOCABULARY, TinyDataset

TARGETS = [np.array([[0, 0, 0], [0, 1, IGNORE]]), np.array([[0, 0, 2], [2, 2, 2]]), np.array([[0, 0, 0], [0, 0, 0]])]
COUNTS = sum((ClassCounts.of(t, 4) for t in TARGETS[1:]), ClassCounts.of(TARGETS[0], 4))


def test_counts():
    assert COUNTS.pixels == (12, 1, 4, 0)
    assert COUNTS.around == (17, 5, 6, 0)
    assert COUNTS.images == (3, 1, 1, 0)
    half = ClassCounts.of(TARGETS[0], 4, weight=0.5)
    assert (half.pixels, half.around, half.images) == ((2, 0.5, 0, 0), (2.5, 2.5, 0, 0), (0.5, 0.5, 0, 0))


@pytest.mark.parametrize("balance", ["inverse", "median", "effective"])
def test_weights_by_hand(balance):
    frequency = np.array([12, 1, 4]) / 17
    expected = {
        "inverse": 1 / frequency,
        "median": np.median([12 / 17, 1 / 5, 4 / 6]) / np.array([12 / 17, 1 / 5, 4 / 6]),
        "effective": (1 - BETA) / (1 - BETA ** np.array([3, 1, 1])),
    }[balance]
    found = balanced_weights(COUNTS, balance)
    assert found[:3] == pytest.approx(expected / (expected * frequency).sum())
    assert found[3] == 1.0
    assert np.dot(found[:3], frequency) == pytest.approx(1.0)
    assert found[1] >= found[2] >= found[0] or balance == "median"


def test_without_labels_all_are_equal():
    nothing = ClassCounts.of(np.full((2, 2), IGNORE), 3)
    assert balanced_weights(nothing, "inverse") == [1.0] * 3
    assert balanced_weights(COUNTS, "none") == [1.0] * 4


def test_own_weights_multiply_the_balanced_ones():
    task = make_tasks(("semantic",), VOCABULARY)["semantic"]
    sample = TinyDataset()[0]
    counts = task.class_counts(task.target(sample), 1.0)
    plain = task.balanced(LikelihoodRecipe(class_balance="inverse"), counts).class_weights
    both = task.balanced(LikelihoodRecipe(class_balance="inverse", class_weights={"box": 2.0}), counts).class_weights
    assert both == pytest.approx(plain | {"box": 2 * plain["box"]})
    assert task.likelihood(LikelihoodRecipe(class_weights=both)).class_weights.tolist() == pytest.approx(
        list(both.values())
    )


def test_a_run_keeps_the_weights_that_its_labels_give(tmp_path: Path):
    write_folder(tmp_path / "data")
    (tmp_path / "r.toml").write_text(RECIPE.format(steps=2) + '[likelihood.semantic]\nclass_balance = "median"\n')
    done = equipoise("train", "r.toml", "--out", "run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "semantic: classes weighed by median frequency, from " in " ".join(done.stderr.split())
    kept = json.loads((tmp_path / "run/model.json").read_text())["likelihood"]["semantic"]["class_weights"]
    recipe = read_recipe(tmp_path / "r.toml")
    assert len(set(kept.values())) > 1
    (counts,) = Path(recipe.data.cache_folder).glob("class-counts-*.json")
    found = ClassCounts(**{key: tuple(value) for key, value in json.loads(counts.read_text()).items()})
    assert list(kept.values()) == pytest.approx(balanced_weights(found, "median"))
    resumed = equipoise("train", "r.toml", "--out", "run", "--resume", cwd=tmp_path)
    assert resumed.returncode == 0, resumed.stderr
    assert "counting classes" not in resumed.stderr


def test_only_classes_are_balanced(tmp_path: Path):
    write_folder(tmp_path / "data")
    (tmp_path / "r.toml").write_text(RECIPE.format(steps=2) + '[likelihood.depth]\nclass_balance = "median"\n')
    failed = equipoise("train", "r.toml", "--out", "run", cwd=tmp_path)
    assert failed.returncode == RecipeError.exit_status
    assert "likelihood.depth: class_balance: expected it with the semantic task only" in one_line(failed)
