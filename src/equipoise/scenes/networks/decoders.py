"""Skip connections: the fine features of the encoder beside the coarse ones of ASPP."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.errors import RecipeError
from equipoise.scenes.networks.encoders.encoder import EncoderModule
from equipoise.scenes.networks.layers import conv_norm_relu

SKIP_STRIDE, SKIP_CHANNELS = 4, 48


def fine_channels(encoder: EncoderModule, encoder_name: str) -> int:
    """Channels of the encoder's features at stride 4; raises ``RecipeError`` where it has none."""
    if SKIP_STRIDE not in encoder.channels:
        raise RecipeError(
            f"model.decoder: expected 'aspp', found 'deeplabv3plus', which reads features at stride {SKIP_STRIDE}: "
            f"{encoder_name} has them at {', '.join(map(str, encoder.channels))} alone"
        )
    return encoder.channels[SKIP_STRIDE]


class SkipFusion(nn.Module):
    """The body of DeepLab v3+'s decoder, which all tasks share.

    ASPP's output passes a 1×1 convolution, is brought to the size of the encoder's features at stride 4, and is joined
    with these, which a 1×1 convolution has reduced to 48 channels; a 3×3 convolution mixes both. Where DeepLab v3+ has
    a second 3×3 convolution, each task has its own. benchmarks/results/decoders.md compares other divisions.

    Shapes: ``(B, pooled, h, w)`` and ``(B, fine, H/4, W/4)`` → ``(B, channels, H/4, W/4)``.

    Source: Chen et al., Encoder-Decoder with Atrous Separable Convolution (ECCV 2018).
    """

    def __init__(self, pooled: int, fine: int, channels: int, normalization: str) -> None:
        super().__init__()
        self.coarse = conv_norm_relu(pooled, channels, 1, normalization=normalization)
        self.fine = conv_norm_relu(fine, SKIP_CHANNELS, 1, normalization=normalization)
        self.mix = conv_norm_relu(channels + SKIP_CHANNELS, channels, 3, normalization=normalization)
        self.channels = channels

    def forward(self, pooled: Tensor, fine: Tensor) -> Tensor:
        """The shared representation at the size of the fine features."""
        coarse = functional.interpolate(self.coarse(pooled), size=fine.shape[2:], mode="bilinear", align_corners=False)
        return self.mix(torch.cat([coarse, self.fine(fine)], 1))  # type: ignore[no-any-return]
