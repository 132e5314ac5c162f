"""Calibration of a scene model: refitted on one half of the images, measured on the other."""

import copy

import numpy as np
import pytest
import torch

from equipoise.calibration import calibration_report
from equipoise.scenes.config.recipe import DataRecipe, Recipe, TrainingRecipe
from equipoise.scenes.evaluation import calibration as measured
from equipoise.scenes.evaluation.figures import Calibrated, SetFigures
from equipoise.scenes.inference.predictor import network_input
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from tests.support.tiny import VOCABULARY, TinyDataset

SIZE = (40, 56)
PAPER = {name: LikelihoodRecipe(kind="laplace-paper") for name in ("instance", "depth")}


def model_of(**likelihood: LikelihoodRecipe) -> SceneModel:
    torch.manual_seed(0)
    data = DataRecipe(kind="folder", path="unused", size=SIZE)
    recipe = Recipe(data=data, training=TrainingRecipe(steps=1), likelihood=likelihood)
    model = SceneModel(describe(recipe, VOCABULARY)).eval()
    for name in ("instance", "depth"):
        if model.likelihood[name].unit is not None:
            model.likelihood[name].fit(torch.randn(64, model.tasks[name].channels) * 5)
    return model


EXACT = {name: LikelihoodRecipe(kind="laplace") for name in ("instance", "depth")}


def test_figures_are_those_of_the_core_on_the_other_half(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(measured, "drawn", lambda count, _: np.arange(count))
    dataset, model = TinyDataset(2), model_of(**EXACT)
    before = copy.deepcopy(model.state_dict())
    found = measured.calibration(model, "float32", dataset, model.tasks, SIZE)
    assert set(found) == {"semantic", "instance", "depth"}
    halves = []
    for index in range(2):
        sample = dataset[index]
        with torch.no_grad():
            outputs = model(network_input([sample.image], SIZE))
        targets = {name: torch.from_numpy(task.target(sample))[None] for name, task in model.tasks.items()}
        halves.append((outputs, targets | {"semantic": targets["semantic"].long()}))
    for when in ("before", "after"):
        report = calibration_report(model.likelihood, *halves[1])
        for name in found:
            one = found[name]
            mine = getattr(one, when)
            assert mine.nll == pytest.approx(report[name].nll, rel=1e-4), (name, when)
            assert mine.coverage == pytest.approx({f"{100 * k:.0f}": v for k, v in report[name].coverage.items()})
            if report[name].calibration_error is not None:
                assert mine.calibration_error == pytest.approx(report[name].calibration_error, abs=1e-5)
        if when == "before":
            assert all(torch.equal(before[key], value) for key, value in model.state_dict().items()), "it is a copy"
            model.likelihood.refit(*halves[0])


def test_classes_worse_than_chance_have_no_best_temperature():
    dataset, model = TinyDataset(2), model_of(**EXACT)
    classes = model.tasks["semantic"].channels
    rarest = min(range(classes), key=lambda k: int((dataset[0].labels["semantic"] == k).sum()))
    last = model.network.decoders["semantic"][-1]
    with torch.no_grad():
        last.weight.zero_()
        last.bias.zero_()[rarest] = 5.0
    found = measured.calibration(model, "float32", dataset, model.tasks, SIZE)
    assert found["semantic"].before.nll > 1.0
    assert found["semantic"].after == Calibrated()


def test_what_has_no_density_has_no_figures():
    model = model_of(**PAPER)
    assert set(measured.calibration(model, "float32", TinyDataset(2), model.tasks, SIZE)) == {"semantic"}


def test_one_image_cannot_be_halved():
    model = model_of(**EXACT)
    assert measured.calibration(model, "float32", TinyDataset(1), model.tasks, SIZE) == {}


def test_figures_go_through_json():
    model = model_of(**EXACT)
    found = measured.calibration(model, "float32", TinyDataset(4), model.tasks, SIZE)
    figures = SetFigures(split="val", images=4, tasks={}, calibration=found)
    assert SetFigures.from_json(figures.to_json()) == figures
