"""Atrous spatial pyramid pooling: the representation that all tasks share."""

import torch
from torch import Tensor, nn

from equipoise.scenes.networks.layers import conv_norm

DILATIONS = (12, 24, 36)
"""For output stride 8 and an input 512 px high."""
REFERENCE_STRIDE, REFERENCE_SIZE = 8, 512


def scaled_dilations(output_stride: int, input_size: tuple[int, int]) -> tuple[int, ...]:
    """12, 24 and 36, scaled with the feature map, since a kernel larger than the map would act as a 1×1.

    >>> scaled_dilations(8, (512, 1024)), scaled_dilations(16, (512, 1024)), scaled_dilations(8, (128, 256))
    ((12, 24, 36), (6, 12, 18), (3, 6, 9))
    """
    factor = (min(input_size) / REFERENCE_SIZE) * (REFERENCE_STRIDE / output_stride)
    return tuple(max(i + 1, round(d * factor)) for i, d in enumerate(DILATIONS))


class ASPP(nn.Module):
    """A 1×1 convolution, 3×3 convolutions at three dilations, and the pooled image, concatenated.

    Shapes: ``(B, inputs, h, w)`` → ``(B, 5·channels, h, w)``: 1280 channels for the paper's 256. Each branch is
    normalised but the pooled one, which has a single value per channel and so no spread in a batch of one.

    Source: Chen et al. (arXiv 1706.05587); Kendall, Gal & Cipolla (CVPR 2018), appendix.
    """

    def __init__(self, inputs: int, channels: int, dilations: tuple[int, ...], normalization: str) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [conv_norm(inputs, channels, 1, normalization=normalization)]
            + [conv_norm(inputs, channels, 3, dilation=d, normalization=normalization) for d in dilations]
        )
        self.pooled = nn.Conv2d(inputs, channels, 1)
        self.relu = nn.ReLU(inplace=True)
        self.channels = channels * (len(dilations) + 2)

    def forward(self, features: Tensor) -> Tensor:
        """The shared representation."""
        branches = [branch(features) for branch in self.branches]
        pooled = self.pooled(features.mean((2, 3), keepdim=True))
        branches.append(pooled.expand(-1, -1, *features.shape[2:]))
        return self.relu(torch.cat(branches, 1))  # type: ignore[no-any-return]
