"""The network: shapes, strides, names, any subset of tasks, a batch of one, save and load."""

import pytest
import torch

from equipoise.errors import RecipeError
from equipoise.scenes.networks.aspp import ASPP, scaled_dilations
from equipoise.scenes.networks.encoders.resnet import ResNet
from equipoise.scenes.networks.layers import FrozenBatchNorm2d
from equipoise.scenes.networks.network import SceneNetwork


def make(**changes) -> SceneNetwork:
    arguments = {
        "encoder_name": "small",
        "output_stride": 8,
        "aspp_channels": 16,
        "decoder_channels": None,
        "normalization": "batch",
        "heads": {"semantic": 5, "depth": 1},
        "input_size": (64, 96),
    }
    return SceneNetwork(**(arguments | changes))


DECODERS = ("aspp", "deeplabv3plus")


@pytest.mark.parametrize("size", [(64, 96), (33, 47), (40, 100)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("decoder", DECODERS)
def test_outputs_have_the_size_of_the_images(size, dtype, decoder):
    outputs = make(decoder=decoder)(torch.zeros(2, 3, *size, dtype=dtype))
    assert {name: tuple(o.shape) for name, o in outputs.items()} == {"semantic": (2, 5, *size), "depth": (2, 1, *size)}


@pytest.mark.parametrize("heads", [{"depth": 1}, {"instance": 2}, {"semantic": 3, "instance": 2, "depth": 1}])
@pytest.mark.parametrize("decoder", DECODERS)
def test_any_subset_of_tasks_trains(heads, decoder):
    network = make(heads=heads, decoder=decoder)
    sum(o.square().mean() for o in network(torch.rand(2, 3, 64, 96) * 255).values()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())


@pytest.mark.parametrize("normalization", ["batch", "group", "frozen"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_batch_of_one_trains(normalization, decoder):
    network = make(normalization=normalization, decoder=decoder)
    network(torch.rand(1, 3, 64, 96) * 255)["depth"].mean().backward()


@pytest.mark.parametrize("normalization", ["group", "frozen"])
@pytest.mark.parametrize("decoder", DECODERS)
def test_a_sample_does_not_feel_its_batch(normalization, decoder):
    network = make(normalization=normalization, decoder=decoder)
    images = torch.rand(3, 3, 64, 96, generator=torch.Generator().manual_seed(0)) * 255
    torch.testing.assert_close(network(images)["depth"][:1], network(images[:1])["depth"], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("width", [16, 256])
@pytest.mark.parametrize("decoder", DECODERS)
def test_outputs_start_near_zero(decoder, width):
    """Where σ = 1 fits standardized targets: with He's weights a wide decoder's depth would start 16 σ away."""
    torch.manual_seed(0)
    outputs = make(decoder=decoder, decoder_channels=width).train()(torch.rand(4, 3, 64, 96) * 255)
    assert all(0.001 < output.square().mean().sqrt() < 0.2 for output in outputs.values())


def test_without_the_skip_connection_weights_are_drawn_as_before():
    """The decoder that reads fine features adds modules after the encoder and ASPP, and changes neither."""
    torch.manual_seed(0)
    plain = make().state_dict()
    torch.manual_seed(0)
    skipping = make(decoder="deeplabv3plus").state_dict()
    assert {name.split(".")[0] for name in skipping} - {name.split(".")[0] for name in plain} == {"fusion"}
    assert skipping["fusion.fine.0.0.weight"].shape == (48, 64, 1, 1)
    assert [n for n, each in plain.items() if n not in skipping or skipping[n].shape != each.shape] == [
        f"decoders.{task}.0.0.weight" for task in ("semantic", "depth")
    ]


def test_the_skip_connection_reads_what_lies_near():
    """With the path through ASPP cut, an output depends on the image within the field of the features at stride 4."""
    torch.manual_seed(0)
    network = make(decoder="deeplabv3plus", output_stride=32, heads={"depth": 1}).eval()
    torch.nn.init.zeros_(network.fusion.coarse[0][0].weight)
    images = (torch.rand(1, 3, 64, 192) * 255).requires_grad_()
    network(images)["depth"][0, 0, 32, 96].backward()
    reached = images.grad.abs().sum((0, 1, 2)).nonzero().flatten()
    assert 56 <= reached.min() < 88
    assert 104 < reached.max() <= 136


@pytest.mark.parametrize("decoder", DECODERS)
def test_only_rows_with_labels_are_decoded(decoder):
    network = make(decoder=decoder).eval()
    images = torch.rand(3, 3, 64, 96) * 255
    every, some = network(images), network(images, {"semantic": torch.tensor([2, 0]), "depth": torch.tensor([]).long()})
    torch.testing.assert_close(some["semantic"], every["semantic"][[2, 0]], rtol=1e-4, atol=1e-4)
    assert some["depth"].shape == (0, 1, 64, 96)


def test_frozen_statistics_are_the_encoder_s_alone():
    network = make(normalization="frozen", decoder="deeplabv3plus")
    frozen = {n for n, m in network.named_modules() if isinstance(m, FrozenBatchNorm2d)}
    grouped = {n for n, m in network.named_modules() if isinstance(m, torch.nn.GroupNorm)}
    assert {name.split(".")[0] for name in frozen} == {"encoder"}
    assert {name.split(".")[0] for name in grouped} == {"aspp", "fusion", "decoders"}


@pytest.mark.parametrize("decoder", DECODERS)
def test_it_can_be_exported(decoder):
    """No Python depends on the values, and sizes stay free."""
    network = make(decoder=decoder, heads={"depth": 1}).eval()
    height, width = (torch.export.Dim(name, min=32, max=512) for name in ("height", "width"))
    images = torch.rand(2, 3, 64, 96)
    exported = torch.export.export(network, (images,), dynamic_shapes={"images_B3HW": {2: height, 3: width}})
    other = torch.rand(2, 3, 70, 130)
    torch.testing.assert_close(exported.module()(other)["depth"], network(other)["depth"], rtol=1e-4, atol=1e-4)


def test_the_paper_s_representation():
    aspp = ASPP(2048, 256, scaled_dilations(8, (512, 1024)), "batch")
    assert aspp.channels == 1280
    kernels = [branch[0].kernel_size[0] for branch in aspp.branches]
    assert kernels == [1, 3, 3, 3]
    assert [branch[0].dilation[0] for branch in aspp.branches] == [1, 12, 24, 36]


def test_resnet_has_the_customary_names_and_counts():
    """Parameters of the published models without their classifier (25 557 032 − 2 049 000 for ResNet-50, …)."""
    published = {
        "resnet18": 11_689_512 - 513_000,
        "resnet34": 21_797_672 - 513_000,
        "resnet50": 25_557_032 - 2_049_000,
        "resnet101": 44_549_160 - 2_049_000,
    }
    for name, count in published.items():
        encoder = ResNet(name, 8, "batch")
        assert sum(p.numel() for p in encoder.parameters()) == count
    names = set(ResNet("resnet50", 8, "batch").state_dict())
    assert {"conv1.weight", "bn1.running_var", "layer1.0.downsample.0.weight", "layer4.2.conv3.weight"} <= names


def test_dilation_keeps_what_a_stride_would_compute():
    """A dilated network at stride 8 and the plain one at 32 give the same features at the places both have."""
    torch.manual_seed(0)
    dilated, plain = ResNet("resnet18", 8, "batch").eval(), ResNet("resnet18", 32, "batch").eval()
    plain.load_state_dict(dilated.state_dict())
    image = torch.randn(1, 3, 128, 128)
    with torch.no_grad():
        assert torch.allclose(dilated(image)[8][..., ::4, ::4], plain(image)[32], atol=1e-4)


@pytest.mark.parametrize("decoder", DECODERS)
def test_state_round_trip(decoder):
    one, other = make(decoder=decoder).eval(), make(decoder=decoder).eval()
    other.load_state_dict(one.state_dict())
    images = torch.rand(1, 3, 64, 96) * 255
    assert torch.equal(one(images)["semantic"], other(images)["semantic"])


@pytest.mark.parametrize("decoder", DECODERS)
def test_shared_parameters_are_those_outside_the_decoders(decoder):
    network = make(decoder=decoder)
    shared = {id(p) for p in network.shared_parameters()}
    assert shared.isdisjoint(id(p) for p in network.decoders.parameters())
    assert len(shared) + len(list(network.decoders.parameters())) == len(list(network.parameters()))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_name": "resnet5"}, "did you mean 'resnet50'"),
        ({"output_stride": 4}, "found 4"),
    ],
)
def test_unknown_names(changes, message):
    with pytest.raises(RecipeError, match=message):
        make(**changes)
