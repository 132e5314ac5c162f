"""The encoder's own learning rate: a group apart, which follows the schedule and leaves σ alone."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from equipoise.errors import RecipeError
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.log import read_log
from equipoise.scenes.training.optimizer import make_optimizer, set_rate
from tests.scenes.training.test_loop import RECIPE, run
from tests.support.tiny import VOCABULARY


def model() -> SceneModel:
    return SceneModel(describe(RECIPE, VOCABULARY))


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_groups_and_their_rates(name):
    made, recipe = model(), replace(RECIPE.optimizer, name=name, encoder_lr_factor=0.1)
    optimizer = make_optimizer(made, recipe)
    rest, noise, encoder = optimizer.param_groups
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([2e-3, 2e-2, 2e-4])
    assert {id(p) for p in encoder["params"]} == {id(p) for p in made.network.encoder.parameters()}
    assert {id(p) for p in noise["params"]} == {id(p) for p in made.likelihood.parameters()}
    every = [p for group in optimizer.param_groups for p in group["params"]]
    assert len(every) == len({id(p) for p in every}) == len(list(made.parameters()))
    assert encoder["weight_decay"] == rest["weight_decay"] == RECIPE.optimizer.weight_decay
    set_rate(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([1e-3, 1e-2, 1e-4])


PREFIXES = {
    "small": [("stem",), ("blocks.0", "blocks.1"), ("blocks.2", "blocks.3", "blocks.4")],
    "resnet18": [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)],
    "timm/resnet18": [("conv1", "bn1"), ("layer1",), ("layer2",), ("layer3",), ("layer4",)],
    "convnext_atto": [("stem_0", "stem_1", "stages_0"), ("stages_1",), ("stages_2",), ("stages_3",)],
    "tf_efficientnet_lite0": [
        ("conv_stem", "bn1", "blocks.0"),
        ("blocks.1",),
        ("blocks.2",),
        ("blocks.3", "blocks.4"),
        ("blocks.5", "blocks.6"),
    ],
}
"""By encoder: how the names of each stage's parameters begin."""


@pytest.mark.parametrize("output_stride", [8, 32])
@pytest.mark.parametrize("encoder_name", PREFIXES)
def test_each_stage_has_its_rate(encoder_name: str, output_stride: int):
    """The last stage has the encoder's rate, each earlier one half of the next one's; σ keeps its own."""
    if encoder_name not in ("small", "resnet18"):
        pytest.importorskip("timm")
    recipe = replace(RECIPE, model=replace(RECIPE.model, encoder_name=encoder_name, output_stride=output_stride))
    with torch.device("meta"):
        made = SceneModel(describe(recipe, VOCABULARY))
    settings = replace(RECIPE.optimizer, encoder_lr_factor=0.1, encoder_lr_decay=0.5)
    rest, noise, *stages = make_optimizer(made, settings).param_groups
    assert (rest["lr"], noise["lr"], noise["weight_decay"]) == (2e-3, 2e-2, 0.0)
    assert {id(p) for p in noise["params"]} == {id(p) for p in made.likelihood.parameters()}
    assert [group["lr"] for group in reversed(stages)] == pytest.approx([2e-4 * 0.5**k for k in range(len(stages))])
    assert {group["weight_decay"] for group in stages} == {RECIPE.optimizer.weight_decay}
    body = made.network.encoder.body if "body" in made.network.encoder._modules else made.network.encoder
    names = {id(parameter): name for name, parameter in body.named_parameters()}
    expected = PREFIXES[encoder_name]
    assert [{names[id(p)] for p in group["params"]} for group in stages] == [
        {name for name in names.values() if name.startswith(tuple(f"{prefix}." for prefix in prefixes))}
        for prefixes in expected
    ]
    every = [id(p) for group in (rest, noise, *stages) for p in group["params"]]
    assert sorted(every) == sorted(id(p) for p in made.parameters())


def test_branches_side_by_side_have_no_stages():
    pytest.importorskip("timm")
    recipe = replace(RECIPE, model=replace(RECIPE.model, encoder_name="hrnet_w18_small", output_stride=32))
    with torch.device("meta"):
        made = SceneModel(describe(recipe, VOCABULARY))
    with pytest.raises(RecipeError, match=r"encoder_lr_decay: expected 1 for hrnet_w18_small, which has no stages"):
        make_optimizer(made, replace(RECIPE.optimizer, encoder_lr_decay=0.5))


def test_without_a_factor_the_groups_stay():
    assert len(make_optimizer(model(), RECIPE.optimizer).param_groups) == 2


def test_a_step_of_sgd_moves_the_encoder_by_the_factor():
    moves = []
    for factor in (1.0, 0.25):
        torch.manual_seed(0)
        made = model()
        recipe = replace(RECIPE.optimizer, name="sgd", momentum=0.0, weight_decay=0.0, encoder_lr_factor=factor)
        optimizer, before = make_optimizer(made, recipe), [p.detach().clone() for p in made.network.parameters()]
        for parameter in made.network.parameters():
            parameter.grad = torch.ones_like(parameter)
        optimizer.step()
        own = len(list(made.network.encoder.parameters()))
        moved = [(b - p).mean().item() for b, p in zip(before, made.network.parameters(), strict=True)]
        moves.append((sum(moved[:own]) / own, sum(moved[own:]) / len(moved[own:])))
    assert moves[1][0] == pytest.approx(0.25 * moves[0][0], rel=1e-3)
    assert moves[1][1] == pytest.approx(moves[0][1], rel=1e-3)


def test_the_log_shows_the_network_s_rate(tmp_path: Path):
    recipe = replace(RECIPE, optimizer=replace(RECIPE.optimizer, encoder_lr_factor=0.1, schedule="constant"))
    run(recipe, tmp_path / "run")
    assert {entry["learning_rate"] for entry in read_log(tmp_path / "run")} == {2e-3}
