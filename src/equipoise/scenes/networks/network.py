"""The network: one encoder, one shared representation, a decoder per task."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.scenes.networks.aspp import ASPP, scaled_dilations
from equipoise.scenes.networks.encoders.encoder import make_encoder
from equipoise.scenes.networks.layers import conv_norm

MEAN, DEVIATION = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Of ImageNet's pixels in 0…255: what published weights expect."""


class SceneNetwork(nn.Module):
    """Images to each task's output, at the size of the images.

    A decoder is a 3×3 convolution with normalisation and ReLU, then a 1×1 to the task's channels, then bilinear
    interpolation to the input's size. (The paper's text has 3×3 in one place and 1×1 in another.)

    Args:
        encoder_name: ``small``, ``resnet18``, ``resnet34``, ``resnet50`` or ``resnet101``.
        output_stride: 8 (the paper's) or 16.
        aspp_channels: of each branch; 256 in the paper.
        decoder_channels: of each decoder's 3×3; ``None``: as many as ``aspp_channels``.
        normalization: ``batch``, ``group`` or ``frozen``.
        heads: channels by task name.
        input_size: height and width it is trained at, which the dilations follow.

    Shapes: images ``(B, 3, H, W)``, uint8 or float in 0…255 → ``(B, C_task, H, W)``.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        *,
        encoder_name: str,
        output_stride: int,
        aspp_channels: int,
        decoder_channels: int | None,
        normalization: str,
        heads: dict[str, int],
        input_size: tuple[int, int],
    ) -> None:
        super().__init__()
        width = aspp_channels if decoder_channels is None else decoder_channels
        self.register_buffer("mean", torch.tensor(MEAN).reshape(3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(DEVIATION).reshape(3, 1, 1), persistent=False)
        self.heads = dict(heads)
        self.encoder = make_encoder(encoder_name, output_stride, normalization)
        dilations = scaled_dilations(output_stride, input_size)
        self.aspp = ASPP(self.encoder.channels, aspp_channels, dilations, normalization)
        self.decoders = nn.ModuleDict(
            {
                name: nn.Sequential(
                    conv_norm(self.aspp.channels, width, 3, normalization=normalization),
                    nn.ReLU(inplace=True),
                    nn.Conv2d(width, channels, 1),
                )
                for name, channels in heads.items()
            }
        )
        self.apply(_initialize)

    def forward(self, images_B3HW: Tensor, rows: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Each task's output at the size of the images.

        Args:
            images_B3HW: the images.
            rows: for some or all tasks: which images to decode, by index; the others cost no decoder.
        """
        normalized = (images_B3HW - self.mean) / self.deviation
        shared = self.aspp(self.encoder(normalized))
        return {name: self._decoded(name, shared, images_B3HW, (rows or {}).get(name)) for name in self.decoders}

    def _decoded(self, name: str, shared: Tensor, images: Tensor, rows: Tensor | None) -> Tensor:
        size = images.shape[2:]
        if rows is not None and len(rows) == 0:
            # With the decoder in its graph all the same: DistributedDataParallel waits for every gradient.
            nothing = sum(parameter.sum() for parameter in self.decoders[name].parameters()) * 0.0
            return shared.new_zeros(0, self.heads[name], *size) + nothing
        if rows is not None and len(rows) < len(images):
            shared = shared[rows]
        return functional.interpolate(self.decoders[name](shared), size=size, mode="bilinear", align_corners=False)

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that every task trains."""
        yield from self.encoder.parameters()
        yield from self.aspp.parameters()


def _initialize(module: nn.Module) -> None:
    """He's initialisation for convolutions, none for the rest."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
