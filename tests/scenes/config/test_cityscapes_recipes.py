"""The recipes at the paper's sizes: their settings, and their networks on the meta device."""

from pathlib import Path

import pytest
import torch

from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.labels.cityscapes_classes import CLASSES, SKY
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.dry_run import parameter_counts

RECIPES = Path(__file__).parents[3] / "recipes"
VOCABULARY = SceneVocabulary(
    classes=CLASSES, sky=SKY, inverse_depth_unit="px", labels=("semantic", "instance", "inverse_depth")
)
ENCODER = 44_549_160 - (2048 * 1000 + 1000)
"""ResNet-101 as published (torchvision's count), without its classifier."""
ASPP = 2048 * 256 * (1 + 3 * 9) + 4 * 2 * 256 + 2048 * 256 + 256
"""1x1, three 3x3 and the pooled branch, which has a bias in place of a normalisation."""


def network(recipe: Recipe) -> SceneModel:
    with torch.device("meta"):
        return SceneModel(describe(recipe, VOCABULARY))


@pytest.mark.parametrize("name", ["cityscapes-full", "cityscapes-small"])
def test_the_network_is_the_paper_s(name: str):
    recipe = read_recipe(RECIPES / f"{name}.toml")
    model = network(recipe)
    counts = parameter_counts(model)
    assert counts["encoder"] == ENCODER
    assert counts["shared"] == ASPP
    for task, channels in (("semantic", 19), ("instance", 2), ("depth", 1)):
        assert counts[f"decoders.{task}"] == 1280 * 256 * 9 + 2 * 256 + (256 + 1) * channels
    size = recipe.augmentation.input_size(recipe.data.size)
    with torch.device("meta"):
        outputs = model(torch.zeros(2, 3, *size, dtype=torch.uint8))
    assert {task: tuple(value.shape) for task, value in outputs.items()} == {
        "semantic": (2, 19, *size),
        "instance": (2, 2, *size),
        "depth": (2, 1, *size),
    }


def test_the_full_setting():
    recipe = read_recipe(RECIPES / "cityscapes-full.toml")
    assert recipe.data.size == (1024, 2048)
    assert (recipe.augmentation.crop, recipe.augmentation.scale) == ((512, 512), (0.7, 2.0))
    assert (recipe.training.steps, recipe.training.batch_size) == (100_000, 16)
    assert recipe.optimizer.schedule == "polynomial"
    dilations = [branch[0].dilation for branch in network(recipe).network.aspp.branches]
    assert dilations == [(1, 1), (12, 12), (24, 24), (36, 36)]
