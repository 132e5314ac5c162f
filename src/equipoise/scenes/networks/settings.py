"""The settings of the network, as recipes spell them."""

from dataclasses import dataclass
from typing import Literal

from equipoise.errors import RecipeError
from equipoise.scenes.config.ranges import Range, between, check_ranges

IMAGENET = "imagenet"
"""Asks for published weights."""


@dataclass(frozen=True, kw_only=True)
class ModelRecipe:
    """The network: an encoder, ASPP, and a decoder for each task. docs/encoders.md says more.

    Attributes:
        encoder_name: the encoder, one of those listed under *Encoders*.
        encoder_weights: what the encoder starts from: ``imagenet`` (published weights), or the path of a
            ``.safetensors`` file, relative to the recipe; left out: random weights.
        output_stride: how much smaller than the image the encoder's last features are: 8 (the paper's), 16 or 32.
        decoder: ``aspp`` (the paper's: the tasks read ASPP's output); ``deeplabv3plus`` (they read ASPP's output joined
            with the encoder's features at stride 4, for thin and small things).
        aspp_channels: channels of each ASPP branch (256 in the paper).
        decoder_channels: channels of each decoder's 3×3 convolution; left out: as many as ``aspp_channels``.
        normalization: ``batch``; ``group`` (does not depend on the batch); ``frozen`` (the encoder keeps the statistics
            of ``encoder_weights``, and the layers after it use ``group``).
    """

    encoder_name: str = "small"
    encoder_weights: str | None = None
    output_stride: int = 8
    decoder: Literal["aspp", "deeplabv3plus"] = "aspp"
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
    weights = model.encoder_weights
    if model.normalization == "frozen" and weights is None:
        raise RecipeError(
            f"{where}: model.normalization: expected 'batch' or 'group', found 'frozen', which keeps the statistics of "
            "published weights: there are none without model.encoder_weights, so nothing would be normalised"
        )
    if weights is not None and weights != IMAGENET and not weights.endswith(".safetensors"):
        hint = "leave it out for random weights"
        if weights.endswith((".pth", ".pt", ".bin", ".ckpt", ".tar")):
            hint = f"make one with equipoise convert-weights {weights}"
        raise RecipeError(
            f'{where}: model.encoder_weights: expected "imagenet" or a .safetensors file, found {weights!r}: {hint}'
        )
