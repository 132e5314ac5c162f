"""Inference tile by tile: the same as on the whole image wherever the network cannot see a tile's border."""

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from equipoise.errors import UsageError
from equipoise.scenes import load
from equipoise.scenes.config.recipe import ModelRecipe
from equipoise.scenes.inference.predictor import NetworkPredictor, ScenePredictor, network_input
from equipoise.scenes.inference.tiles import Tiling, tiled
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.model.files import load_model, model_files
from equipoise.scenes.model.joint import SceneModel
from tests.scenes.inference.test_predictor import write_run
from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE, equipoise, one_line
from tests.support.tiny import VOCABULARY, scene

TILINGS = [((64, 64), 0.25), ((40, 96), 0.0), ((33, 47), 0.5), ((48, 200), 0.25), ((64, 64), 0.9)]


@pytest.mark.parametrize(("size", "overlap"), TILINGS)
@pytest.mark.parametrize("align", [1, 8, 32])
def test_tiles_cover_every_pixel_and_stay_inside(size, overlap, align):
    tiling = Tiling(size=size, overlap=overlap)
    for length, axis in itertools.product((32, 40, 64, 65, 100, 160, 257), (0, 1)):
        starts, tile = tiling.starts(length, axis, align), min(size[axis], length)
        assert starts[0] == 0
        assert starts[-1] + tile == length
        assert all(0 < b - a <= tile for a, b in itertools.pairwise(starts))
        assert all(start % align == 0 for start in starts[:-1]) or align > size[axis] * (1 - overlap)
        weights = tiling.weights(length, axis)
        assert weights.shape == (tile,)
        assert 0 < weights.min() <= weights.max() <= 1
        assert torch.equal(weights, weights.flip(0))
        assert (weights.diff()[: tile // 2 - 1] >= 0).all()


class Local(nn.Module):
    """A network that sees 3 px around each pixel."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.convolution = nn.Conv2d(3, 4, 7, padding=3, dtype=torch.float64)

    @torch.no_grad()
    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.convolution(images.double())
        return {"a": found[:, :3], "b": found[:, 3:]}


@pytest.mark.parametrize(("size", "overlap"), TILINGS)
def test_a_local_network_gives_the_same_away_from_borders(size, overlap):
    images = torch.randint(0, 255, (2, 3, 100, 120), dtype=torch.uint8, generator=torch.manual_seed(1))
    network, tiling = Local(), Tiling(size=size, overlap=overlap)
    whole, found = network(images), tiled(network, tiling, 8)(images)
    near = torch.zeros(100, 120, dtype=torch.bool)
    for axis, length in ((0, 100), (1, 120)):
        for start in tiling.starts(length, axis, 8):
            for border in {start, start + min(size[axis], length)} - {0, length}:
                near.transpose(0, axis)[border - 3 : border + 3] = True
    for name, value in whole.items():
        difference = (found[name] - value).abs().amax((0, 1))
        assert difference[~near].max() < 1e-9, name
        assert near.all() or difference[near].max() > 1  # The zeros beyond a tile's border do matter.


def test_tiles_start_where_features_would_lie():
    """A network whose output depends on the pixel's place within blocks of its stride, as that of any encoder does."""
    block = torch.arange(8.0).repeat(40)

    def strided(images: torch.Tensor) -> dict[str, torch.Tensor]:
        height, width = images.shape[2:]
        return {"depth": (block[:height, None] * 10 + block[:width])[None, None]}

    images = torch.zeros(1, 3, 96, 160)
    for size, overlap in (((48, 64), 0.25), ((56, 80), 0.3), ((32, 48), 0.0)):
        found = tiled(strided, Tiling(size=size, overlap=overlap), 8)(images)["depth"]
        assert torch.equal(found, strided(images)["depth"])


def test_equal_values_are_blended_to_the_bit():
    """A network without neighbourhood gives exactly the whole image's answer, however many tiles overlap."""
    images = torch.randint(0, 255, (1, 3, 90, 130), dtype=torch.uint8, generator=torch.manual_seed(2))

    def pixelwise(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"depth": torch.sin(images[:, :1].float() * 0.37) / 3}

    for size, overlap in TILINGS:
        found = tiled(pixelwise, Tiling(size=size, overlap=overlap), 8)(images)["depth"]
        assert torch.equal(found, pixelwise(images)["depth"]), (size, overlap)


def test_disagreeing_tiles_are_a_weighted_mean():
    count = itertools.count()

    def numbered(images: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"depth": torch.full((1, 1, *images.shape[2:]), float(next(count)))}

    tiling = Tiling(size=(32, 64), overlap=0.5)
    found = tiled(numbered, tiling, 8)(torch.zeros(1, 3, 32, 96))["depth"][0, 0]
    weights = tiling.weights(96, 1)
    expected = torch.zeros(96)
    expected[64:] = 1.0
    expected[32:64] = weights[:32] / (weights[32:] + weights[:32])
    assert torch.allclose(found, expected.expand(32, 96), atol=1e-6)
    assert (found.diff(dim=1) >= 0).all()  # From one tile's value to the other's without a step.


@pytest.fixture(scope="module")
def model() -> SceneModel:
    torch.manual_seed(0)
    description = ModelDescription(
        tasks=("semantic", "instance", "depth"),
        vocabulary=VOCABULARY,
        input_size=(96, 160),
        crop=(48, 64),
        model=ModelRecipe(aspp_channels=16),
        likelihood={},
    )
    return SceneModel(description).eval()


def test_one_tile_is_the_whole_image(model):
    predictor, image = ScenePredictor(model, NetworkPredictor(model)), scene(0, (120, 150)).image
    whole = predictor.predict(image)
    for tile in ((96, 160), (200, 400)):
        one = predictor.predict(image, tile=tile)
        assert np.array_equal(one.semantic, whole.semantic)
        assert np.array_equal(one.disparity_px, whole.disparity_px)
        assert np.array_equal(one.offsets, whole.offsets)


def test_a_real_network_on_tiles_is_near_the_whole(model):
    """Without ASPP's pooled branch, which sees all of a tile, only borders differ."""
    nn.init.zeros_(model.network.aspp.pooled.weight)
    images = network_input([scene(3, (96, 160)).image], (96, 160))
    network = NetworkPredictor(model)
    whole, found = network(images), tiled(network, Tiling(size=(96, 128), overlap=0.5), 8)(images)
    for name, value in whole.items():
        difference = (found[name] - value).abs().mean() / value.std()
        assert difference < 0.1, (name, float(difference))


def test_memory_is_that_of_a_tile(model):
    largest = []

    def watched(images: torch.Tensor) -> dict[str, torch.Tensor]:
        largest.append(images.shape[2] * images.shape[3])
        return NetworkPredictor(model)(images)

    found = tiled(watched, Tiling(size=(32, 40)), 8)(torch.zeros(1, 3, 96, 160, dtype=torch.uint8))
    assert max(largest) == 32 * 40
    assert found["semantic"].shape == (1, 3, 96, 160)


def test_vectors_and_disparity_are_in_px_of_the_image(model):
    """Twice as large an image gets twice as large vectors and disparities, on tiles as on the whole."""
    predictor = ScenePredictor(model, NetworkPredictor(model))
    small, large = (np.full((*size, 3), 90, np.uint8) for size in ((96, 160), (192, 320)))
    one, two = (predictor.predict(image, tile=(64, 64)) for image in (small, large))
    assert np.median(two.disparity_px) == pytest.approx(2 * np.median(one.disparity_px), rel=0.01)
    assert np.abs(two.offsets).mean() == pytest.approx(2 * np.abs(one.offsets).mean(), rel=0.01)


def test_a_crop_decides_the_dilations_and_the_whole_image_is_the_input(model, tmp_path):
    for name, data in model_files(model).items():
        (tmp_path / name).write_bytes(data)
    read = load_model(tmp_path)
    assert read.description.crop == (48, 64)
    like = SceneModel(replace(read.description, input_size=(48, 64), crop=None))
    dilations = [
        [module.dilation for module in one.network.aspp.modules() if isinstance(module, nn.Conv2d)]
        for one in (read, like)
    ]
    assert dilations[0] == dilations[1]
    seen = []
    read.network.register_forward_pre_hook(lambda module, inputs: seen.append(tuple(inputs[0].shape)))
    ScenePredictor(read, NetworkPredictor(read)).predict(scene(0, (50, 90)).image)
    assert seen == [(1, 3, 96, 160)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"tile": (16, 64)}, "tile: expected height and width of 32 px or more, found (16, 64)"),
        ({"tile": (64, 64), "overlap": 1.0}, "overlap: expected 0 … 0.9, found 1.0"),
    ],
)
def test_mistakes_in_python(model, arguments, message):
    with pytest.raises(UsageError) as raised:
        ScenePredictor(model, NetworkPredictor(model)).predict(scene(0).image, **arguments)
    assert str(raised.value) == message


def test_the_commands(tmp_path):
    write_folder(tmp_path / "data")
    (tmp_path / "recipe.toml").write_text(RECIPE.format(steps=2))
    assert equipoise("train", "recipe.toml", "--out", "run", cwd=tmp_path).returncode == 0
    whole, tiles, one = (
        json.loads(equipoise("evaluate", "run", "--no-baselines", "--json", *more, cwd=tmp_path).stdout)
        for more in ((), ("--tile", "32x32", "--overlap", "0.5"), ("--tile", "64x64"))
    )
    assert one["tasks"] == whole["tasks"]
    assert tiles["tasks"] != whole["tasks"]
    assert (tmp_path / "run/metrics-tile32x32-overlap0.5.json").exists()
    assert (tmp_path / "run/metrics-tile64x64.json").exists()
    image = next((tmp_path / "data").rglob("*.png"))
    done = equipoise("predict", "run", image, "--out", "out", "--tile", "32X40", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for more, message in (
        (("--tile", "big"), "--tile: expected HEIGHTxWIDTH such as 128x256, found 'big'"),
        (("--tile", "8x8"), "--tile: expected height and width of 32 px or more, found (8, 8)"),
        (("--tile", "64x64", "--overlap", "2"), "--overlap: expected 0 … 0.9, found 2.0"),
        (("--overlap", "0.5"), "--overlap: expected it with --tile"),
    ):
        failed = equipoise("evaluate", "run", *more, cwd=tmp_path)
        assert failed.returncode == UsageError.exit_status
        assert message in one_line(failed)


def test_a_described_run_without_a_crop_still_loads(tmp_path):
    assert load(write_run(tmp_path, ("depth",))).model.description.training_size == (40, 56)
