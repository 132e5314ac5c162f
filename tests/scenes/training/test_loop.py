"""Training as a whole: it learns, it resumes exactly, it stops before a step that is not finite."""

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from equipoise.errors import NonFiniteError, RunError
from equipoise.scenes.config.recipe import (
    DataRecipe,
    LikelihoodRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
    TrainingRecipe,
)
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training import loop
from equipoise.scenes.training.log import read_log
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.outcome import Outcome
from tests.support.tiny import VOCABULARY, PhotoDataset, TinyDataset

RECIPE = Recipe(
    data=DataRecipe(kind="folder", path="unused", size=(40, 56)),
    model=ModelRecipe(encoder_name="small", output_stride=8, aspp_channels=16),
    augmentation=Augmentation(flip=True),
    optimizer=OptimizerRecipe(lr=2e-3, log_variance_lr=2e-2),
    training=TrainingRecipe(steps=7, batch_size=4, log_every=1, checkpoint_every=3),
)


def run(recipe: Recipe, folder: Path, *, resume: bool = False, dataset: SceneDataset | None = None) -> Outcome:
    folder.mkdir(exist_ok=True)
    return train(recipe, dataset or TinyDataset(), folder, precision="float32", resume=resume)


def likelihoods(update: str) -> dict[str, LikelihoodRecipe]:
    return {name: LikelihoodRecipe(update=update) for name in ("semantic", "instance", "depth")}


def test_a_signal_while_the_last_step_is_saved_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The model is complete, and the process ends before a long evaluation starts."""

    def written(path: Path, data: bytes) -> None:
        if path.name == "model.json":
            signal.raise_signal(signal.SIGTERM)
        write_atomic(path, data)

    monkeypatch.setattr(loop, "write_atomic", written)
    outcome = run(RECIPE, tmp_path / "run")
    assert (outcome.step, outcome.exit_status) == (7, 143)
    load_model(tmp_path / "run")


@pytest.mark.parametrize("update", ["gradient", "closed_form"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_resume_is_bit_exact(tmp_path: Path, update: str, workers: int, optimizer: str):
    """7 steps = 5 steps (stopped in the middle of an epoch by a signal), a new start, and 2 steps."""
    recipe = replace(
        RECIPE,
        likelihood=likelihoods(update),
        optimizer=replace(RECIPE.optimizer, name=optimizer),
        training=replace(RECIPE.training, workers=workers),
    )
    whole = run(recipe, tmp_path / "whole")

    stopped = stop_after(recipe, tmp_path / "parts", steps=5)
    assert stopped.exit_status == 143
    assert stopped.step == 5
    resumed = run(recipe, tmp_path / "parts", resume=True)
    assert resumed.step == 7
    one, other = whole.model.state_dict(), resumed.model.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    timeless = [
        [{k: v for k, v in e.items() if k not in ("seconds", "images_per_second")} for e in read_log(tmp_path / name)]
        for name in ("whole", "parts")
    ]
    assert timeless[0] == timeless[1]


def stop_after(recipe: Recipe, folder: Path, *, steps: int, dataset: SceneDataset | None = None) -> Outcome:
    """Train until ``steps`` are logged, then send SIGTERM to this very process, as an operator would."""
    folder.mkdir()
    assert threading.current_thread() is threading.main_thread()

    def on_log(entry: dict) -> None:
        if entry["step"] == steps:
            signal.raise_signal(signal.SIGTERM)

    return train(recipe, dataset or TinyDataset(), folder, precision="float32", on_log=on_log)


def test_it_learns_and_the_saved_model_answers_the_same(tmp_path: Path):
    recipe = replace(RECIPE, training=replace(RECIPE.training, steps=60, log_every=5))
    outcome = run(recipe, tmp_path / "run")
    entries = read_log(tmp_path / "run")
    for task in ("semantic", "instance", "depth"):
        assert entries[-1]["tasks"][task]["loss"] < 0.7 * entries[0]["tasks"][task]["loss"], task
    images = torch.from_numpy(TinyDataset()[0].image).permute(2, 0, 1)[None]
    expected = outcome.model.eval().locations(images)
    found = load_model(tmp_path / "run").locations(images)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_the_logged_update_of_plain_gradient_descent_is_the_rate_times_the_gradient(tmp_path: Path):
    descent = OptimizerRecipe(name="sgd", lr=1e-3, momentum=0.0, weight_decay=0.0, schedule="constant")
    run(replace(RECIPE, optimizer=descent), tmp_path / "run")
    for entry in read_log(tmp_path / "run"):
        assert entry["update_norm"] == pytest.approx(1e-3 * entry["gradient_norm"], rel=1e-4)


@pytest.mark.parametrize("tasks", [("semantic",), ("instance",), ("depth",), ("semantic", "depth")])
def test_any_subset_trains(tmp_path: Path, tasks: tuple[str, ...]):
    outcome = run(replace(RECIPE, tasks=tasks), tmp_path / "run")
    assert tuple(outcome.model.tasks) == tasks
    assert tuple(read_log(tmp_path / "run")[-1]["tasks"]) == tasks


def test_partly_labelled_data_train_and_resume_exactly(tmp_path: Path):
    """Two data sets, one with classes alone; some batches have none of its labels."""
    joined = JoinedDataset({"tiny": TinyDataset(3), "photos": PhotoDataset(9)}, [1, 1])
    recipe = replace(RECIPE, training=replace(RECIPE.training, batch_size=2, steps=12))
    whole = run(recipe, tmp_path / "whole", dataset=joined)
    absent = [e for e in read_log(tmp_path / "whole") if e["tasks"]["depth"]["loss"] is None]
    assert absent, "some batch should have no depth labels"
    assert all(e["tasks"]["depth"]["nll"] == 0 and e["tasks"]["semantic"]["loss"] is not None for e in absent)
    stop_after(recipe, tmp_path / "parts", steps=7, dataset=joined)
    resumed = run(recipe, tmp_path / "parts", resume=True, dataset=joined)
    one, other = whole.model.state_dict(), resumed.model.state_dict()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("update", ["gradient", "closed_form"])
def test_a_task_without_labels_stays_as_it_is(tmp_path: Path, update: str):
    """Its decoder, its σ and its unit, weight decay and momentum notwithstanding."""
    recipe = replace(
        RECIPE, likelihood={"semantic": LikelihoodRecipe(update=update), "depth": LikelihoodRecipe(update=update)}
    )
    both = replace(recipe, tasks=("semantic", "depth"))
    photos = PhotoDataset()
    photos.vocabulary = replace(photos.vocabulary, labels=("semantic", "inverse_depth"), inverse_depth_unit="px")
    trained = run(both, tmp_path / "both", dataset=photos).model
    torch.manual_seed(RECIPE.training.seed)
    start = SceneModel(describe(both, photos.vocabulary)).state_dict()
    end = trained.state_dict()
    depth = [key for key in end if "depth" in key or key.startswith("likelihood.likelihoods.1")]
    assert len(depth) > 5
    assert all(torch.equal(start[key], end[key]) for key in depth)
    assert not torch.equal(start["network.decoders.semantic.2.weight"], end["network.decoders.semantic.2.weight"])


def test_labels_of_classes_without_weight_leave_the_decoder_alone(tmp_path: Path):
    class Ground(TinyDataset):
        def __getitem__(self, index: int):
            sample = super().__getitem__(index)
            return replace(sample, labels={**sample.labels, "semantic": np.zeros(sample.size, np.uint8)})

    weights = {VOCABULARY.classes[0].name: 0.0}
    recipe = replace(RECIPE, likelihood={"semantic": LikelihoodRecipe(class_weights=weights)})
    end = run(recipe, tmp_path / "run", dataset=Ground()).model.state_dict()
    torch.manual_seed(RECIPE.training.seed)
    start = SceneModel(describe(recipe, VOCABULARY)).state_dict()
    assert torch.equal(start["network.decoders.semantic.2.weight"], end["network.decoders.semantic.2.weight"])
    assert not torch.equal(start["network.decoders.depth.2.weight"], end["network.decoders.depth.2.weight"])


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path: Path):
    """A huge target overflows the squared error's gradient: the last checkpoint and the weights stay as they were."""

    class Broken(TinyDataset):
        def __getitem__(self, index: int):
            sample = super().__getitem__(index)
            depth = sample.labels["inverse_depth"] * (1e30 if index == 7 else 1.0)
            return replace(sample, labels={**sample.labels, "inverse_depth": depth})

    recipe = replace(
        RECIPE,
        augmentation=Augmentation(flip=False),
        likelihood={"depth": LikelihoodRecipe(kind="gaussian", standardize=False, init=0.0, update="gradient")},
    )
    with pytest.raises(NonFiniteError) as caught:
        run(recipe, tmp_path / "run", dataset=Broken())
    assert "step" in str(caught.value)
    assert "tiny/007" in str(caught.value)
    assert "depth" in str(caught.value)
    for entry in read_log(tmp_path / "run"):
        assert all(term["loss"] is not None for term in entry["tasks"].values())


def test_resume_refuses_a_changed_recipe_and_names_the_keys(tmp_path: Path):
    run(RECIPE, tmp_path / "run")
    changed = replace(RECIPE, optimizer=replace(RECIPE.optimizer, lr=1.0))
    with pytest.raises(RunError, match=r"optimizer\.lr"):
        run(changed, tmp_path / "run", resume=True)


def test_resume_passes_over_a_broken_checkpoint_and_says_so(tmp_path: Path):
    run(RECIPE, tmp_path / "run")
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    (newest / "optimizer.safetensors").write_bytes(b"")
    lines: list[str] = []
    train(RECIPE, TinyDataset(), tmp_path / "run", precision="float32", resume=True, on_notice=lines.append)
    assert str(newest) in lines[0]
    assert "step 6" in lines[1]


def test_resume_without_a_checkpoint(tmp_path: Path):
    with pytest.raises(RunError, match="found none"):
        run(RECIPE, tmp_path / "run", resume=True)


def test_the_noise_is_learned_and_saved(tmp_path: Path):
    outcome = run(replace(RECIPE, likelihood=likelihoods("gradient")), tmp_path / "run")
    sigmas = outcome.model.likelihood.sigmas()
    assert load_model(tmp_path / "run").likelihood.sigmas() == sigmas
    logged = [entry["tasks"]["depth"]["sigma"] for entry in read_log(tmp_path / "run")]
    assert logged[0] != logged[-1]


def test_log_holds_plain_numbers(tmp_path: Path):
    run(RECIPE, tmp_path / "run")
    entry = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[0])
    assert entry["step"] == 1
    assert set(entry["tasks"]["semantic"]) == {"loss", "nll", "weight", "sigma"}
    assert all(isinstance(v, float) for v in entry["tasks"]["depth"].values())
