"""The settings of the network, as recipes spell them."""

from dataclasses import dataclass
from typing import Literal

from equipoise.errors import RecipeError
from equipoise.scenes.config.ranges import Range, between, check_ranges
from equipoise.scenes.networks.encoders import ENCODERS


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """The network: an encoder, ASPP, and a decoder for each task.

    Attributes:
        encoder_name: the encoder, one of those listed under *Encoders*.
        output_stride: how much smaller than the image the encoder's features are: 8 (the paper's) or 16.
        aspp_channels: channels of each ASPP branch (256 in the paper).
        decoder_channels: channels of each decoder's 3×3 convolution; left out: as many as ``aspp_channels``.
        normalization: ``batch``; ``group`` (does not depend on the batch); ``frozen`` (stored statistics, only with
            published weights, which no encoder has yet).
    """

    encoder_name: str = "small"
    output_stride: int = 8
    aspp_channels: int = 128
    decoder_channels: int | None = None
    normalization: Literal["batch", "group", "frozen"] = "batch"


MODEL_RANGES: dict[str, Range] = {
    "aspp_channels": between(1, 16384),
    "decoder_channels": between(1, 16384),
}


def check_model(model: ModelRecipe, where: str) -> None:
    """Raise ``RecipeError`` for values that types cannot rule out; ``where`` is the file."""
    check_ranges(model, MODEL_RANGES, "model", where)
    encoder = ENCODERS.get(model.encoder_name)  # An unknown one is reported when it is built.
    if model.normalization == "frozen" and encoder is not None and not encoder.weights:
        raise RecipeError(
            f"{where}: model.normalization: expected 'batch' or 'group', found 'frozen', which keeps the statistics of "
            f"published weights: {model.encoder_name!r} has none, so nothing would be normalised"
        )
