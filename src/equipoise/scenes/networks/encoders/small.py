"""A small residual encoder for machines without a GPU: five blocks."""

import itertools
import operator
from collections.abc import Sequence

from torch import Tensor, nn

from equipoise.scenes.networks.encoders.encoder import Encoder, EncoderModule
from equipoise.scenes.networks.layers import conv_norm


class ResidualBlock(nn.Module):
    """Two 3×3 convolutions beside an identity, or beside a 1×1 convolution where the shape changes."""

    def __init__(self, inputs: int, outputs: int, *, stride: int, dilation: int, normalization: str) -> None:
        super().__init__()
        self.first = conv_norm(inputs, outputs, 3, stride=stride, dilation=dilation, normalization=normalization)
        self.second = conv_norm(outputs, outputs, 3, dilation=dilation, normalization=normalization)
        same = stride == 1 and inputs == outputs
        self.skip = nn.Identity() if same else conv_norm(inputs, outputs, 1, stride=stride, normalization=normalization)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, features: Tensor) -> Tensor:
        """Features ``(B, inputs, h, w)`` → ``(B, outputs, h/stride, w/stride)``."""
        hidden = self.second(self.relu(self.first(features)))
        return self.relu(hidden + self.skip(features))  # type: ignore[no-any-return]


class SmallEncoder(EncoderModule):
    """A stem of stride 2 and five residual blocks; dilation replaces the strides beyond the output stride.

    Shapes: ``(B, 3, H, W)`` → 32 channels at stride 2, 64 at 4, 128 at 8, 16 and 32.
    """

    def __init__(self, output_stride: int, normalization: str) -> None:
        super().__init__()
        (fourth, fifth), dilation = {8: ((1, 1), 2), 16: ((2, 1), 1), 32: ((2, 2), 1)}[output_stride]
        plan = [(32, 64, 2, 1), (64, 64, 1, 1), (64, 128, 2, 1)]
        plan += [(128, 128, fourth, dilation), (128, 128, fifth, dilation)]
        self.strides = list(itertools.accumulate((stride for _, _, stride, _ in plan), operator.mul, initial=2))
        self.channels = dict(zip(self.strides, (32, 64, 64, 128, 128, 128), strict=True))
        self.stem = nn.Sequential(conv_norm(3, 32, 3, stride=2, normalization=normalization), nn.ReLU(inplace=True))
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(i, o, stride=stride, dilation=dilation, normalization=normalization)
                for i, o, stride, dilation in plan
            )
        )

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Preprocessed images to features."""
        hidden = self.stem(images)
        features = {2: hidden}
        for stride, block in zip(self.strides[1:], self.blocks, strict=True):
            features[stride] = hidden = block(hidden)
        return features

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """The stem, two blocks of 64 channels, and three of 128."""
        return [[*part.parameters()] for part in (self.stem, self.blocks[:2], self.blocks[2:])]


ENCODERS = {"small": Encoder(build=SmallEncoder)}
