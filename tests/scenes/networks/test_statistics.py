"""The statistics of batch normalisation: frozen ones stay as they are, others can be those of all processes."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.layers import FrozenBatchNorm2d
from equipoise.scenes.networks.network import SceneNetwork
from equipoise.scenes.training.average import Average
from equipoise.scenes.training.optimizer import make_optimizer
from tests.scenes.training.test_loop import RECIPE
from tests.support.tiny import VOCABULARY

OURS, TIMMS = ("small", "resnet18"), ("mobilenetv3_small_050", "timm/resnet18", "regnety_002")
STATISTICS = ("running_mean", "running_var", "num_batches_tracked")
IMAGES = torch.rand(2, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255


def network(encoder_name: str, normalization: str) -> SceneNetwork:
    """A network whose batch normalisation has seen something."""
    if encoder_name in TIMMS:
        pytest.importorskip("timm")
    torch.manual_seed(0)
    made = SceneNetwork(
        encoder_name=encoder_name,
        output_stride=16,
        aspp_channels=8,
        decoder_channels=None,
        normalization=normalization,
        heads={"depth": 1},
        input_size=(64, 96),
        decoder="deeplabv3plus",
    )
    for name, value in made.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        if name.endswith("running_mean"):
            value.normal_()
    return made


def statistics(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items() if name.endswith(STATISTICS)}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize("encoder_name", [*OURS, *TIMMS])
def test_frozen_statistics_stay_while_all_else_learns(encoder_name: str):
    """Scales and shifts are trained; features are the same in training and evaluation, whatever the batch."""
    made = network(encoder_name, "frozen").train()
    before, weights = statistics(made.encoder), {n: p.detach().clone() for n, p in made.named_parameters()}
    assert before
    optimizer = torch.optim.SGD(made.parameters(), lr=1e-3)
    made(IMAGES)["depth"].square().mean().backward()
    optimizer.step()
    assert same(before, statistics(made.encoder))
    scales = [n for n, p in made.named_parameters() if n.startswith("encoder") and p.dim() == 1]
    assert any(not torch.equal(weights[name], made.get_parameter(name)) for name in scales)
    with torch.no_grad():
        together, alone, evaluated = made(IMAGES), made(IMAGES[:1]), made.eval()(IMAGES)
    room = 1e-3 * float(evaluated["depth"].std())
    assert float((together["depth"][:1] - alone["depth"]).abs().max()) < room
    assert float((together["depth"] - evaluated["depth"]).abs().max()) < room


def test_the_average_of_frozen_statistics_is_the_same():
    recipe = replace(RECIPE, model=replace(RECIPE.model, normalization="frozen"))
    model = SceneModel(describe(recipe, VOCABULARY)).train()
    for name, value in model.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
    before, average = statistics(model), Average(model, 0.9)
    optimizer = make_optimizer(model, replace(recipe.optimizer, encoder_lr_factor=0.1))
    for step in (1, 2):
        model.network(IMAGES)["depth"].square().mean().backward()
        optimizer.step()
        average.update(step)
    with average.applied():
        assert same(before, statistics(model))


@pytest.mark.parametrize("normalization", ["batch", "frozen"])
@pytest.mark.parametrize("encoder_name", [*OURS, *TIMMS])
def test_synchronized_it_computes_the_same(encoder_name: str, normalization: str):
    """In evaluation mode, which needs no other process; activations inside timm's layers stay."""
    made = network(encoder_name, normalization).eval()
    names, expected = list(made.state_dict()), made(IMAGES)["depth"]
    parameters = [id(p) for p in made.parameters()]
    made.synchronize()
    assert torch.equal(made.eval()(IMAGES)["depth"], expected)
    assert list(made.state_dict()) == names
    assert [id(p) for p in made.parameters()] == parameters, "the optimizer holds them"
    kinds = {name: type(m) for name, m in made.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)}
    converted = {name for name, kind in kinds.items() if issubclass(kind, nn.SyncBatchNorm)}
    if normalization == "frozen":
        assert not converted
    else:
        assert converted == {name for name in kinds if not name.startswith("decoders")}
        assert len(converted) < len(kinds)


def test_a_frozen_network_still_ignores_the_batch_when_synchronized():
    """PyTorch's own conversion would take the batch's statistics."""
    made = network("small", "frozen").train()
    made.synchronize()
    before = statistics(made)
    made(IMAGES)
    assert same(before, statistics(made))
    assert any(isinstance(module, FrozenBatchNorm2d) for module in made.modules())
