"""Encoders by name. Another family is one file beside this one and one line in ``ENCODERS``."""

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.networks.encoders import resnet, small
from equipoise.scenes.networks.encoders.encoder import Encoder, EncoderModule

ENCODERS: dict[str, Encoder] = {
    **small.ENCODERS,
    **resnet.ENCODERS,
}


def find_encoder(encoder_name: str) -> Encoder:
    """The entry of this name; raises ``RecipeError`` with a suggestion."""
    if encoder_name not in ENCODERS:
        raise RecipeError(f"model.encoder_name: found {encoder_name!r}{suggestion(encoder_name, ENCODERS)}")
    return ENCODERS[encoder_name]


def make_encoder(encoder_name: str, output_stride: int, normalization: str) -> EncoderModule:
    """Build the encoder of this name with random weights; raises ``RecipeError`` where it has no such stride."""
    encoder = find_encoder(encoder_name)
    if output_stride not in encoder.strides:
        raise RecipeError(f"model.output_stride: expected one of {encoder.strides}, found {output_stride}")
    return encoder.build(output_stride, normalization)
