"""The table of encoders: whatever its entries say of strides, channels and preprocessing holds."""

import pytest
import torch

from equipoise.errors import RecipeError
from equipoise.scenes.networks.encoders import ENCODERS, find_encoder, make_encoder
from equipoise.scenes.networks.encoders.encoder import Encoder, EncoderModule

PLACES = [(name, stride) for name, encoder in ENCODERS.items() for stride in encoder.strides]


@pytest.mark.parametrize(("encoder_name", "stride"), PLACES)
def test_features_have_the_output_stride(encoder_name: str, stride: int):
    encoder = make_encoder(encoder_name, stride, "batch").eval()
    with torch.no_grad():
        features = encoder(torch.zeros(1, 3, 64, 96))
    assert max(features) == encoder.output_stride == stride
    assert 4 in features
    shapes = {each: tuple(tensor.shape) for each, tensor in features.items()}
    assert shapes == {each: (1, channels, 64 // each, 96 // each) for each, channels in encoder.channels.items()}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_preprocessing_is_stated_for_pixels_of_its_range(encoder: Encoder):
    preprocessing = encoder.preprocessing
    assert all(0 <= mean <= preprocessing.input_max for mean in preprocessing.mean)
    assert all(0 < std <= preprocessing.input_max for std in preprocessing.std)


def test_another_encoder_is_one_entry(monkeypatch: pytest.MonkeyPatch):
    class Thumbnail(EncoderModule):
        def __init__(self) -> None:
            super().__init__()
            self.channels = {32: 3}

        def forward(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
            return {32: torch.nn.functional.avg_pool2d(images, 32)}

    monkeypatch.setitem(ENCODERS, "thumbnail", Encoder(build=lambda stride, normalization: Thumbnail(), strides=(32,)))
    assert make_encoder("thumbnail", 32, "batch")(torch.zeros(1, 3, 64, 96))[32].shape == (1, 3, 2, 3)
    with pytest.raises(RecipeError, match=r"model.output_stride: expected one of \(32,\), found 8"):
        make_encoder("thumbnail", 8, "batch")
    with pytest.raises(RecipeError, match="encoder_lr_decay: expected 1 for Thumbnail, which has no stages"):
        make_encoder("thumbnail", 32, "batch").stages()


def test_an_unknown_name_gets_a_suggestion():
    with pytest.raises(RecipeError, match="found 'resnet5': did you mean 'resnet50'"):
        find_encoder("resnet5")
