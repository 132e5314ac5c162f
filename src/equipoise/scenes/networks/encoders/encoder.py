"""Encoders by name, from a closed list."""

from abc import ABC, abstractmethod
from typing import cast

from torch import Tensor, nn

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.networks.encoders.resnet import LAYERS, ResNet
from equipoise.scenes.networks.encoders.small import SmallEncoder

ENCODERS = ("small", *LAYERS)
STRIDES = (8, 16)


class Encoder(nn.Module, ABC):
    """The shape of every encoder: images to features of ``channels`` channels at the output stride."""

    channels: int

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)`` → ``(B, channels, ⌈H/stride⌉, ⌈W/stride⌉)``."""


def make_encoder(encoder_name: str, output_stride: int, normalization: str) -> Encoder:
    """The encoder of this name; raises ``RecipeError`` with a suggestion."""
    if encoder_name not in ENCODERS:
        raise RecipeError(f"model.encoder_name: found {encoder_name!r}{suggestion(encoder_name, ENCODERS)}")
    if output_stride not in STRIDES:
        raise RecipeError(f"model.output_stride: expected one of {STRIDES}, found {output_stride}")
    if encoder_name == "small":
        return cast(Encoder, SmallEncoder(output_stride, normalization))
    return cast(Encoder, ResNet(encoder_name, output_stride, normalization))
