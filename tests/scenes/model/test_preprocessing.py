"""Preprocessing belongs to the model: it comes from the encoder, is saved in model.json, and is used when loaded."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from equipoise.errors import RunError
from equipoise.scenes.config.recipe import DataRecipe, ModelRecipe, Recipe, TrainingRecipe
from equipoise.scenes.model.description import ModelDescription, describe, read_description
from equipoise.scenes.model.files import load_model, model_files
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.encoders import ENCODERS
from equipoise.scenes.networks.encoders.encoder import IMAGENET, Preprocessing
from tests.support.tiny import VOCABULARY

RECIPE = Recipe(
    data=DataRecipe(kind="folder", path="unused", size=(32, 32)),
    training=TrainingRecipe(steps=1),
    model=ModelRecipe(aspp_channels=8),
    tasks=("depth",),
)
HALVES = Preprocessing(mean=(0.5, 0.5, 0.5), std=(0.25, 0.5, 1.0), input_max=1.0)
WHITE = torch.full((1, 3, 32, 32), 255, dtype=torch.uint8)


@pytest.fixture
def description(monkeypatch: pytest.MonkeyPatch) -> ModelDescription:
    """Of a model whose encoder expects other pixels than ImageNet's."""
    monkeypatch.setitem(ENCODERS, "small", replace(ENCODERS["small"], preprocessing=HALVES))
    return describe(RECIPE, VOCABULARY)


def write(folder: Path, description: ModelDescription) -> SceneModel:
    model = SceneModel(description).eval()
    for name, data in model_files(model).items():
        (folder / name).write_bytes(data)
    return model


def test_the_encoder_decides(description: ModelDescription):
    assert description.preprocessing == HALVES
    network = SceneModel(description).network
    seen: list[torch.Tensor] = []
    network.encoder.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    network(WHITE)
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor([2.0, 1.0, 0.5]))


def test_it_is_saved_with_the_model(tmp_path: Path, description: ModelDescription, monkeypatch: pytest.MonkeyPatch):
    """Whatever the table says later, a model keeps what it was trained with."""
    model = write(tmp_path, description)
    assert json.loads((tmp_path / "model.json").read_text())["preprocessing"] == json.loads(json.dumps(asdict(HALVES)))
    monkeypatch.undo()
    loaded = load_model(tmp_path)
    assert loaded.description.preprocessing == HALVES
    with torch.no_grad():
        torch.testing.assert_close(loaded(WHITE)["depth"], model(WHITE)["depth"], rtol=1e-4, atol=1e-4)


def test_a_description_without_it_means_imagenet(tmp_path: Path):
    write(tmp_path, describe(RECIPE, VOCABULARY))
    path = tmp_path / "model.json"
    table = json.loads(path.read_text())
    del table["preprocessing"]
    path.write_text(json.dumps(table))
    assert read_description(tmp_path).preprocessing == IMAGENET


@pytest.mark.parametrize(("key", "value"), [("std", [0, 1, 1]), ("input_max", 0), ("mean", [1, float("inf"), 1])])
def test_damaged_values_are_refused(tmp_path: Path, key: str, value: object):
    write(tmp_path, describe(RECIPE, VOCABULARY))
    path = tmp_path / "model.json"
    table = json.loads(path.read_text())
    table["preprocessing"][key] = value
    path.write_text(json.dumps(table))
    with pytest.raises(RunError, match="preprocessing"):
        read_description(tmp_path)
