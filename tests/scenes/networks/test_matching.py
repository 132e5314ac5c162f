"""Published weights fit by name: of torchvision, of timm, of checkpoints that wrap them."""

import pytest
import torch
from torch import Tensor

from equipoise.errors import RunError
from equipoise.scenes.networks.encoders import make_encoder
from equipoise.scenes.networks.encoders.layouts import from_efficientnet_pytorch, unwrapped
from equipoise.scenes.networks.encoders.matching import expect_match, match

IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def trained(module: torch.nn.Module) -> torch.nn.Module:
    """Random weights and statistics, as after training."""
    generator = torch.Generator().manual_seed(1)
    for name, tensor in module.state_dict().items():
        if name.endswith(("running_mean", "running_var", "bias")):
            tensor.copy_(torch.rand(tensor.shape, generator=generator) + 0.5)
    return module.eval()


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
@pytest.mark.parametrize("library", ["torchvision", "timm"])
def test_resnets_of_other_libraries_give_the_same_features(library: str, name: str):
    """The oracle is the library's own network."""
    if library == "torchvision":
        module = trained(pytest.importorskip("torchvision").models.get_model(name, weights=None))
        parts = (module.conv1, module.bn1, module.relu, module.maxpool)
        oracle = torch.nn.Sequential(*parts, module.layer1, module.layer2, module.layer3, module.layer4)
    else:
        module = trained(pytest.importorskip("timm").create_model(name, pretrained=False))
        oracle = module.forward_features
    encoder = make_encoder(name, 32, "batch").eval()
    found = match(module.state_dict(), encoder)
    expect_match(found, encoder, "file", name)
    assert found.missing == ()
    assert found.unused == ("fc.bias", "fc.weight")
    encoder.load_state_dict(found.tensors, strict=False)
    with torch.no_grad():
        torch.testing.assert_close(encoder(IMAGE)[32], oracle(IMAGE), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["convnext_atto", "mobilenetv3_small_050", "efficientvit_b0", "hrnet_w18_small"])
def test_timm_s_own_weights_fit_their_features(name: str):
    """Features of the classifier's network and of the encoder are the same, whatever timm calls the tensors."""
    module = trained(pytest.importorskip("timm").create_model(name, pretrained=False))
    encoder = make_encoder(name, 32, "batch").eval()
    found = match(module.state_dict(), encoder)
    expect_match(found, encoder, "file", name)
    assert found.missing == found.misshapen == ()
    encoder.load_state_dict(found.tensors, strict=False)
    ours = {key: value for key, value in encoder.state_dict().items() if not key.endswith("num_batches_tracked")}
    assert {float(t.double().sum()) for t in ours.values()} <= {
        float(t.double().sum()) for t in module.state_dict().values()
    }
    if name == "convnext_atto":
        with torch.no_grad():
            torch.testing.assert_close(encoder(IMAGE)[32], module.stages(module.stem(IMAGE)), rtol=1e-5, atol=1e-5)


def renamed(tensors: dict[str, Tensor], prefix: str, **others: Tensor) -> dict[str, Tensor]:
    return {f"{prefix}{name}": tensor for name, tensor in tensors.items()} | others


@pytest.mark.parametrize(
    "prefix", ["module.", "module.encoder_q.", "backbone.", "model.", "network.encoder.", "module.base_encoder."]
)
def test_wrappers_are_removed(prefix: str):
    encoder = make_encoder("small", 8, "batch")
    given = renamed(encoder.state_dict(), prefix)
    if "." in prefix[:-1] or prefix == "backbone.":
        outer = prefix.partition(".")[0] if "." in prefix[:-1] else "classifier"
        given[f"{outer}.elsewhere.weight"] = torch.zeros(1)
    found = match(given, encoder)
    assert found.missing == ()
    assert "elsewhere" not in "".join(found.tensors)
    assert str(found).startswith(f"{found.wanted} of the encoder's {found.wanted} tensors")


def test_the_encoder_of_a_run_is_taken():
    """A run's file holds the likelihood beside the network, so that its names have no common prefix."""
    encoder = make_encoder("small", 8, "batch")
    beside = ("likelihood.likelihoods.depth.noise.log_variance", "network.decoders.depth.1.weight")
    found = match(renamed(encoder.state_dict(), "network.encoder.") | dict.fromkeys(beside, torch.zeros(1)), encoder)
    assert found.missing == found.unused == ()


def test_names_without_wrappers_stay():
    assert list(unwrapped({"conv1.weight": torch.zeros(1), "model.x": torch.zeros(1)})) == ["conv1.weight", "model.x"]


def test_files_without_counters_are_complete():
    encoder = make_encoder("resnet18", 8, "batch")
    given = {name: each for name, each in encoder.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert match(given, encoder).missing == ()


def test_what_is_missing_is_counted():
    encoder = make_encoder("small", 8, "batch")
    given = {name: each for name, each in encoder.state_dict().items() if not name.startswith("blocks.4.second.0")}
    found = match(given | {"head.weight": torch.zeros(1)}, encoder)
    expect_match(found, encoder, "file", "small")
    assert "missing: 1 (blocks.4.second.0.weight); not used: 1 (head.weight)" in str(found)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            lambda t: {n: e for n, e in t.items() if n.startswith("stem")},
            r"found 5 of its \d+ tensors; it lacks \d+ \(b",
        ),
        (lambda t: {}, r"found 0 of its \d+ tensors; it lacks .* and has no others"),
        (lambda t: t | {"stem.0.0.weight": torch.zeros(32, 1, 3, 3)}, r"stem.0.0.weight as \[32, 1, 3, 3\] instead of"),
        (
            lambda t: t | {"stem.0.0.weight": torch.full((32, 3, 3, 3), torch.nan)},
            "finite numbers, found others in stem",
        ),
        (lambda t: t | {"stem.0.0.weight": torch.zeros(32, 3, 3, 3, dtype=torch.int8)}, "finite numbers"),
        (lambda t: {n: e for n, e in t.items() if n != "stem.0.1.running_var"}, "found no stem.0.1.running_var"),
    ],
    ids=["little", "nothing", "shape", "NaN", "whole numbers", "statistics"],
)
def test_files_of_others_are_refused(spoil, words):
    encoder = make_encoder("small", 8, "batch")
    given = {name: each for name, each in encoder.state_dict().items() if not name.endswith("num_batches_tracked")}
    with pytest.raises(RunError, match=words):
        expect_match(match(spoil(given), encoder), encoder, "file", "small")


def test_batch_statistics_do_not_fit_group_normalisation():
    batch, group = make_encoder("small", 8, "batch"), make_encoder("small", 8, "group")
    with pytest.raises(RunError, match="expected weights trained with group normalisation"):
        expect_match(match(batch.state_dict(), group), group, "file", "small")
    expect_match(match(group.state_dict(), group), group, "file", "small")


def test_blocks_that_are_numbered_through_get_timm_s_names():
    """EfficientNet's second block of the second stage is block 2 there; a block without expansion has other layers."""
    names = ["_conv_stem.weight", "_bn0.bias", "_blocks.0._depthwise_conv.weight", "_blocks.0._project_conv.weight"]
    names += [
        "_blocks.0._bn2.bias",
        "_blocks.2._expand_conv.weight",
        "_blocks.2._se_reduce.bias",
        "_blocks.2._bn2.bias",
    ]
    wanted = [f"body.blocks.{stage}.{block}.x" for stage, blocks in enumerate((1, 2)) for block in range(blocks)]
    assert list(from_efficientnet_pytorch(dict.fromkeys(names, torch.zeros(1)), wanted)) == [
        "conv_stem.weight",
        "bn1.bias",
        "blocks.0.0.conv_dw.weight",
        "blocks.0.0.conv_pw.weight",
        "blocks.0.0.bn2.bias",
        "blocks.1.1.conv_pw.weight",
        "blocks.1.1.se.conv_reduce.bias",
        "blocks.1.1.bn3.bias",
    ]


def test_frozen_statistics_need_every_layer():
    encoder = make_encoder("small", 8, "frozen")
    found = match({n: e for n, e in encoder.state_dict().items() if not n.startswith("blocks.4.second.1")}, encoder)
    expect_match(found, encoder, "file", "small", "batch")
    with pytest.raises(RunError, match=r"found no blocks\.4\.second\.1"):
        expect_match(found, encoder, "file", "small", "frozen")
