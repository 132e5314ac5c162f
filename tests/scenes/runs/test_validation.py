"""What a run is validated by: figures by name, which way each is better, and what is refused before training."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.config.recipe import (
    DataRecipe,
    OptimizerRecipe,
    Recipe,
    TrainingRecipe,
    check_recipe,
    read_recipe,
)
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.record import Change, RunRecord, ValidationRecord
from equipoise.scenes.runs.run import ended
from equipoise.scenes.runs.validation import ValidationSet, labelled_tasks, selection, validation_sets
from equipoise.scenes.tasks import TASKS
from equipoise.scenes.training.outcome import Outcome
from tests.support.tiny import VOCABULARY, PhotoDataset, TinyDataset, scene

RECIPE = Recipe(
    data=DataRecipe(kind="folder", path="unused", size=(40, 56)), training=TrainingRecipe(steps=9, validate_every=3)
)
CAMERA = Camera(fx=60.0, baseline_m=0.5)
FIGURES = [
    "semantic.mean_iou", "semantic.pixel_accuracy", "instance.mae_px", "instance.euclidean_px",
    "depth.mae", "depth.rmse", "depth.mae_without_sky", "depth.rmse_without_sky",
]  # fmt: skip


def one_set(dataset: SceneDataset | None = None, prefix: str = "") -> ValidationSet:
    dataset = dataset or TinyDataset(2)
    tasks = SceneModel(describe(RECIPE, VOCABULARY)).tasks
    return ValidationSet(prefix=prefix, dataset=dataset, tasks=labelled_tasks(dataset, tasks))


def with_normals(sample: Sample) -> Sample:
    """The sample with a random direction at each pixel."""
    normals = np.random.default_rng(0).normal(size=(*sample.size, 3)).astype(np.float32)
    return replace(sample, labels={**sample.labels, "normals": normals})


@pytest.mark.parametrize("name", sorted(TASKS))
def test_which_way_each_figure_is_better(name: str):
    """Right answers have better figures than wrong ones: a figure that is new is held to this."""
    task = TASKS[name](VOCABULARY)
    target = task.target(with_normals(scene(0)))
    shifted = np.roll(target, 7, axis=-1)
    wrong = np.where(shifted == IGNORE, 0, shifted) if target.dtype.kind == "u" else np.nan_to_num(shifted + 3)
    figures = []
    for prediction in (np.where(target == IGNORE, 0, target) if target.dtype.kind == "u" else target, wrong):
        metrics = task.image_metrics(target.shape[-2:], CAMERA)
        metrics.update(prediction.astype(target.dtype), target)
        figures.append(metrics.compute())
    described = ("iou", "share_in_metres")  # By class; and which pixels count, whatever is predicted.
    named = [figure for figure in figures[0] if figure not in described]
    assert named
    for figure in named:
        right, off = figures[0][figure], figures[1][figure]
        assert (right > off) if task.better(figure) == "higher" else (right < off), figure


def test_figures_in_metres_can_be_chosen_by_where_a_camera_is_known():
    class Filmed(TinyDataset):
        def camera(self, index: int) -> Camera:
            return CAMERA

    assert selection([one_set(Filmed(2))], "depth.abs_rel").better == "lower"
    assert selection([one_set(Filmed(2))], "depth.delta_1").better == "higher"


def test_a_primary_figure_that_is_better_the_higher_is_a_share():
    for kind in TASKS.values():
        task = kind(VOCABULARY)
        assert task.better(task.primary.metric) == task.primary.better
        assert task.primary.better == "lower" or task.primary.unit == "%"


def test_the_default_takes_every_task_and_data_set_once():
    assert dict(selection([one_set()], "").figures) == {
        "semantic.mean_iou": "higher", "instance.mae_px": "lower", "depth.mae": "lower"
    }  # fmt: skip
    several = [one_set(prefix="data."), one_set(PhotoDataset(), prefix="photos.")]
    assert list(selection(several, "").figures) == [
        "data.semantic.mean_iou", "data.instance.mae_px", "data.depth.mae", "photos.semantic.mean_iou"
    ]  # fmt: skip
    assert selection(several, "photos.semantic.pixel_accuracy").better == "higher"


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_can_be_chosen_by(name: str):
    assert list(selection([one_set()], name).figures) == [name]


@pytest.mark.parametrize("name", ["depth.mea", "miou", "semantic", "semantic.iou", "data.depth.mae", "normals.mae"])
def test_a_wrong_figure_is_refused_with_those_that_exist(name: str):
    with pytest.raises(RecipeError) as caught:
        selection([one_set()], name)
    assert f"training.best_by: found {name!r}" in str(caught.value)
    assert ", ".join(FIGURES) in str(caught.value)


class PartlyLabelled(TinyDataset):
    """Depth nowhere, though the data set has such labels; objects in the last image alone."""

    def __getitem__(self, index: int) -> Sample:
        sample = super().__getitem__(index)
        labels = {**sample.labels, "inverse_depth": np.full(sample.size, np.nan, np.float32)}
        if index < len(self) - 1:
            labels["instance"] = np.zeros(sample.size, np.int32)
        return replace(sample, labels=labels)


def test_tasks_without_a_label_in_the_split_do_not_count(monkeypatch: pytest.MonkeyPatch):
    assert list(one_set(PartlyLabelled(3)).tasks) == ["semantic", "instance"]
    assert list(one_set(PhotoDataset()).tasks) == ["semantic"]
    monkeypatch.setattr(RecipeData, "samples", lambda data, name, split: PartlyLabelled(3))
    said: list[str] = []
    model = SceneModel(describe(RECIPE, VOCABULARY))
    sets = validation_sets(RecipeData(RECIPE), model, said.append)
    assert said == ["val: there are no labels for depth, and so no validation"]
    with pytest.raises(RecipeError, match=r"found 'depth\.mae'"):
        selection(sets, "depth.mae")
    depth = replace(RECIPE, tasks=("depth",))
    with pytest.raises(DataError, match="expected labels for depth in a validation split, found none"):
        validation_sets(RecipeData(depth), SceneModel(describe(depth, VOCABULARY)), said.append)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"data": replace(RECIPE.data, validation="train")}, "this is also the training split"),
        (
            {"training": replace(RECIPE.training, early_stopping=2)},
            "the cosine schedule reaches low learning rates",
        ),
        (
            {"optimizer": OptimizerRecipe(schedule="constant"), "training": replace(RECIPE.training, early_stopping=2)},
            "",
        ),
    ],
)
def test_what_is_probably_meant_otherwise_is_told(monkeypatch: pytest.MonkeyPatch, change: dict, words: str):
    monkeypatch.setattr(RecipeData, "samples", lambda data, name, split: TinyDataset(2))
    monkeypatch.setattr("equipoise.scenes.runs.validation.expect_cameras", lambda *arguments: None)
    said: list[str] = []
    validation_sets(RecipeData(replace(RECIPE, **change)), SceneModel(describe(RECIPE, VOCABULARY)), said.append)
    assert len(said) == (1 if words else 0)
    assert not words or words in said[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"validate_every": -1}, "training.validate_every: expected 0 … 1,000,000,000, found -1"),
        ({"early_stopping": -2}, "training.early_stopping: expected 0 … 1,000,000,000, found -2"),
        (
            {"validate_every": 0, "best_by": "depth.mae"},
            "training.best_by: expected it only with training.validate_every",
        ),
        ({"validate_every": 0, "early_stopping": 3}, "training.early_stopping: expected it only with"),
    ],
)
def test_options_that_do_nothing_are_refused(change: dict, message: str):
    with pytest.raises(RecipeError, match=re.escape(message)):
        check_recipe(replace(RECIPE, training=replace(RECIPE.training, **change)), "recipe.toml")


@pytest.mark.parametrize("split", ["test", "Test", "lists/test.txt"])
def test_the_best_model_is_not_chosen_on_the_test_split(split: str):
    on_test = replace(RECIPE, data=replace(RECIPE.data, validation=split))
    with pytest.raises(RecipeError, match=r"data\.validation: expected a split other than"):
        check_recipe(on_test, "recipe.toml")
    check_recipe(replace(on_test, training=TrainingRecipe(steps=9)), "recipe.toml")  # Nothing is chosen there.


@pytest.mark.parametrize(
    ("model_step", "recorded"),
    [
        (4, {"step": 4, "of": 6, "chosen": "best", "score": 1.0, "validations": 3}),
        (6, {"step": 6, "of": 6, "chosen": "last"}),
    ],
    ids=["best", "best is lost"],
)
def test_the_record_says_which_model_the_run_ended_with(model_step: int, recorded: dict):
    scores = {2: 3.0, 4: 1.0, 6: 2.0}
    validations = tuple({"step": step, "figures": {}, "score": score} for step, score in scores.items())
    model = SceneModel(describe(RECIPE, VOCABULARY))
    outcome = Outcome(model=model, step=6, seconds=1.0, model_step=model_step, validations=validations)
    how = ValidationRecord(every=2, best_by="depth.mae", better="lower", primary={})
    found = ended(RECIPE, RunRecord(steps=9, validation=how), outcome).to_json()
    assert found["model"] == recorded
    assert "changed" not in found
    assert ended(RECIPE, RunRecord(steps=9), replace(outcome, model_step=None)).model is None
    before = Change(key="training.steps", before=2, after=4)
    longer = ended(RECIPE, RunRecord(steps=4, validation=how, changed=(before,)), outcome)
    assert longer.to_json()["changed"] == [
        {"key": "training.steps", "from": 2, "to": 4},
        {"key": "training.steps", "from": 4, "to": 9},
    ]


def test_documented_keys_are_read(tmp_path: Path):
    text = (Path(__file__).parents[3] / "docs/validation.md").read_text(encoding="utf-8")
    (documented,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    data = '[data]\nkind = "streets"\npath = "x"\nsize = [64, 64]\n'
    (tmp_path / "recipe.toml").write_text(data + documented)
    training = read_recipe(tmp_path / "recipe.toml").training
    assert (training.validate_every, training.early_stopping) == (500, 6)
    assert training.best_by in FIGURES
