"""Encoders of timm: names, strides, preprocessing, normalisation. One small model of each family that docs/encoders.md
lists.
"""

import importlib.util
import re
import sys
from pathlib import Path

import pytest
import torch

from equipoise.errors import RecipeError
from equipoise.scenes.networks.encoders import find_encoder, make_encoder
from equipoise.scenes.networks.encoders.encoder import Preprocessing
from equipoise.scenes.networks.encoders.resnet import ResNet
from equipoise.scenes.networks.encoders.timm_models import TimmEncoder
from equipoise.scenes.networks.network import SceneNetwork

timm = pytest.importorskip("timm")

EVERY_STRIDE = (
    "mobilenetv3_small_050",
    "mobilenetv4_conv_small",
    "tf_efficientnet_lite0",
    "convnext_atto",
    "regnety_002",
    "resnest14d",
    "timm/resnet18",
)
ONLY_32 = ("efficientvit_b0", "repvit_m0_9", "edgenext_xx_small", "hrnet_w18_small")
NONE = ("vit_tiny_patch16_224", "swin_tiny_patch4_window7_224")
GUIDE = Path(__file__).parents[3] / "docs/encoders.md"


@pytest.mark.parametrize("stride", [8, 16, 32])
@pytest.mark.parametrize("encoder_name", EVERY_STRIDE)
def test_features_have_the_output_stride(encoder_name: str, stride: int):
    encoder = make_encoder(encoder_name, stride, "batch").eval()
    assert isinstance(encoder, TimmEncoder)
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 64, 96))
    assert max(features) == encoder.output_stride == stride
    shapes = {each: tuple(tensor.shape) for each, tensor in features.items()}
    assert shapes == {each: (1, channels, 64 // each, 96 // each) for each, channels in encoder.channels.items()}
    assert 4 in shapes


@pytest.mark.parametrize("encoder_name", ONLY_32)
def test_families_that_know_one_stride(encoder_name: str):
    assert make_encoder(encoder_name, 32, "batch").output_stride == 32
    with pytest.raises(RecipeError, match=f"model.output_stride: expected 32 for {encoder_name}, found 8"):
        make_encoder(encoder_name, 8, "batch")


@pytest.mark.parametrize("encoder_name", NONE)
def test_families_without_feature_maps(encoder_name: str):
    with pytest.raises(RecipeError, match=f"{encoder_name} gives no feature maps for images of any size"):
        make_encoder(encoder_name, 16, "batch")


def test_the_guide_lists_what_is_tested():
    text = GUIDE.read_text()
    assert [name for name in (*EVERY_STRIDE, *ONLY_32) if f"`{name}`" not in text] == []


@pytest.mark.parametrize("decoder", ["aspp", "deeplabv3plus"])
@pytest.mark.parametrize("encoder_name", ["mobilenetv3_small_050", "convnext_atto"])
def test_a_network_trains_and_is_restored(encoder_name: str, decoder: str):
    arguments = {
        "encoder_name": encoder_name,
        "output_stride": 16,
        "aspp_channels": 8,
        "decoder_channels": None,
        "normalization": "batch",
        "heads": {"depth": 1},
        "input_size": (64, 96),
        "preprocessing": find_encoder(encoder_name).preprocessing,
        "decoder": decoder,
    }
    one, other = SceneNetwork(**arguments), SceneNetwork(**arguments)
    images = torch.rand(2, 3, 50, 90) * 255
    one(images)["depth"].square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in one.parameters())
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.eval()(images)["depth"], other.eval()(images)["depth"])


def test_weights_stay_as_timm_draws_them():
    """ConvNeXt starts from small weights, and the layers beside it as He et al. draw them."""
    network = SceneNetwork(
        encoder_name="convnext_atto",
        output_stride=32,
        aspp_channels=8,
        decoder_channels=None,
        normalization="batch",
        heads={"depth": 1},
        input_size=(64, 96),
    )
    assert network.encoder.body.stages_0.blocks[0].conv_dw.weight.std() < 0.03


def test_preprocessing_is_the_model_s_own():
    assert find_encoder("tf_efficientnet_lite0").preprocessing == Preprocessing(
        mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), input_max=1.0
    )
    assert find_encoder("regnety_002").preprocessing.mean == (0.485, 0.456, 0.406)


def test_a_tag_names_published_weights():
    assert find_encoder("tf_efficientnet_lite0.in1k").weights == {"imagenet": "timm/tf_efficientnet_lite0.in1k"}
    with pytest.raises(RecipeError, match=r"found 'tf_efficientnet_lite0\.in2k'"):
        find_encoder("tf_efficientnet_lite0.in2k")


def test_a_name_that_both_have_is_ours_unless_timm_is_named():
    assert isinstance(make_encoder("resnet18", 8, "batch"), ResNet)
    assert isinstance(make_encoder("timm/resnet18", 8, "batch"), TimmEncoder)


def test_a_typo_gets_a_suggestion():
    with pytest.raises(RecipeError, match="found 'regnety_0022': did you mean 'regnety_002'"):
        find_encoder("regnety_0022")


@pytest.mark.parametrize(
    "encoder_name",
    [
        "hf-hub:timm/resnet18.a1_in1k",
        "hf_hub:x",
        "local-dir:/tmp/x",
        "https://x/y",
        "../resnet18",
        "os.system",
        "",
        "timm/",
    ],
)
def test_addresses_and_modules_are_no_names(encoder_name: str):
    with pytest.raises(RecipeError, match=f"model.encoder_name: found {re.escape(repr(encoder_name))}"):
        find_encoder(encoder_name)


def test_without_timm_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delitem(sys.modules, "timm")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(RecipeError, match=r'which is not installed: pip install "equipoise\[timm\]"'):
        find_encoder("regnety_002")
    with pytest.raises(RecipeError, match="did you mean 'resnet50'"):
        find_encoder("resnet5")
    assert make_encoder("resnet18", 8, "batch")


def test_frozen_keeps_the_statistics_of_the_encoder():
    encoder = make_encoder("mobilenetv3_small_050", 16, "frozen")
    before = {name: each.clone() for name, each in encoder.state_dict().items()}
    encoder.train()
    encoder(torch.rand(2, 3, 64, 96))
    assert all(torch.equal(each, before[name]) for name, each in encoder.state_dict().items())
    plain = make_encoder("mobilenetv3_small_050", 16, "batch").train()
    plain(torch.rand(2, 3, 64, 96))
    assert not torch.equal(plain.body.bn1.running_mean, torch.zeros(16))


@pytest.mark.parametrize(
    ("encoder_name", "normalization", "words"),
    [
        ("mobilenetv3_small_050", "group", "expected 'batch' or 'frozen', found 'group'"),
        ("convnext_atto", "frozen", "expected 'batch' or 'group', found 'frozen'"),
    ],
)
def test_normalization_that_the_family_cannot_have(encoder_name: str, normalization: str, words: str):
    with pytest.raises(RecipeError, match=f"model.normalization: {words}: {encoder_name} has"):
        make_encoder(encoder_name, 32, normalization)
    if normalization == "group":
        make_encoder("convnext_atto", 32, "group")
