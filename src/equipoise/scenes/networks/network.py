"""The network: one encoder, one shared representation, a decoder per task."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from equipoise.scenes.networks.aspp import ASPP, scaled_dilations
from equipoise.scenes.networks.decoders import SKIP_STRIDE, SkipFusion, fine_channels
from equipoise.scenes.networks.encoders import make_encoder
from equipoise.scenes.networks.encoders.encoder import IMAGENET, Preprocessing
from equipoise.scenes.networks.layers import beside_encoder, conv_norm_relu, initialize, initialize_output, synchronized


class SceneNetwork(nn.Module):
    """Images to each task's output, at the size of the images.

    A task's own layers are a 3×3 convolution with normalisation and ReLU, then a 1×1 to the task's channels, then
    bilinear interpolation to the input's size. (The paper's text has 3×3 in one place and 1×1 in another.) They read
    ASPP's output, or with the decoder ``deeplabv3plus`` what ``SkipFusion`` makes of it at stride 4.

    Args:
        encoder_name: one that ``encoders.find_encoder`` knows.
        output_stride: 8 (the paper's) or another that the encoder supports.
        aspp_channels: of each branch; 256 in the paper.
        decoder_channels: of each decoder's 3×3; ``None``: as many as ``aspp_channels``.
        normalization: ``batch``, ``group`` or ``frozen``; with ``frozen`` the layers after the encoder use ``group``.
        heads: channels by task name.
        input_size: height and width of the training images, from which the dilations follow.
        preprocessing: how pixels are normalised for the encoder.
        decoder: ``aspp`` or ``deeplabv3plus``.

    Shapes: images ``(B, 3, H, W)``, uint8 or float in 0…255 → ``(B, C_task, H, W)``.

    Raises:
        RecipeError: no such encoder, or a stride or decoder that it does not support.

    >>> network = SceneNetwork(
    ...     encoder_name="small", output_stride=8, aspp_channels=16, decoder_channels=None, normalization="batch",
    ...     heads={"depth": 1}, input_size=(64, 96),
    ... )
    >>> network(torch.zeros(2, 3, 64, 96, dtype=torch.uint8))["depth"].shape
    torch.Size([2, 1, 64, 96])
    """

    mean: Tensor
    std: Tensor

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
        preprocessing: Preprocessing = IMAGENET,
        decoder: str = "aspp",
    ) -> None:
        super().__init__()
        width = aspp_channels if decoder_channels is None else decoder_channels
        outside = beside_encoder(normalization)
        scale = 255 / preprocessing.input_max
        for key, values in (("mean", preprocessing.mean), ("std", preprocessing.std)):
            # Not in the weights: the model's description has them.
            self.register_buffer(key, torch.tensor([v * scale for v in values]).reshape(3, 1, 1), persistent=False)
        self.heads = dict(heads)
        self.encoder = make_encoder(encoder_name, output_stride, normalization)
        dilations = scaled_dilations(output_stride, input_size)
        self.aspp = ASPP(self.encoder.channels[output_stride], aspp_channels, dilations, outside)
        self.fusion = None
        if decoder == "deeplabv3plus":
            fine = fine_channels(self.encoder, encoder_name)
            self.fusion = SkipFusion(self.aspp.channels, fine, width, outside)
        self.decoders = nn.ModuleDict({name: self._task_layers(width, n, outside) for name, n in heads.items()})
        self.encoder.initialize()
        for part in (self.aspp, self.fusion):
            if part is not None:
                part.apply(initialize)

    def _task_layers(self, width: int, channels: int, normalization: str) -> nn.Sequential:
        """The layers of one task, with their first weights."""
        inputs = self.aspp.channels if self.fusion is None else self.fusion.channels
        first = conv_norm_relu(inputs, width, 3, normalization=normalization)
        last = nn.Conv2d(width, channels, 1)
        layers = nn.Sequential(*first, last)
        layers.apply(initialize)
        initialize_output(last)
        return layers

    def forward(self, images_B3HW: Tensor, rows: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """Each task's output at the size of the images.

        Args:
            images_B3HW: the images.
            rows: for some or all tasks: the indices of the images to decode, int64; the decoder skips the others.
        """
        normalized = (images_B3HW - self.mean) / self.std
        features = self.encoder(normalized)
        shared = self.aspp(features[self.encoder.output_stride])
        if self.fusion is not None:
            shared = self.fusion(shared, features[SKIP_STRIDE])
        chosen = {name: (rows or {}).get(name) for name in self.decoders}
        if all(each is not None and len(each) == 0 for each in chosen.values()):
            return {name: self._nothing(name, images_B3HW) + shared[:0].sum() for name in self.decoders}
        return {name: self._decoded(name, shared, images_B3HW, each) for name, each in chosen.items()}

    def _nothing(self, name: str, images: Tensor) -> Tensor:
        """The output for no image; it stays in the graph, as DistributedDataParallel waits for every gradient."""
        parameters = list(self.decoders[name].parameters())
        zero = torch.stack([parameter.sum() for parameter in parameters]).sum() * 0.0
        return zero.new_zeros(0, self.heads[name], *images.shape[2:]) + zero

    def _decoded(self, name: str, shared: Tensor, images: Tensor, rows: Tensor | None) -> Tensor:
        size = images.shape[2:]
        if rows is not None and len(rows) == 0:
            return self._nothing(name, images)
        if rows is not None and len(rows) < len(images):
            shared = shared[rows]
        return functional.interpolate(self.decoders[name](shared), size=size, mode="bilinear", align_corners=False)

    def synchronize(self) -> None:
        """Normalise batches over the images of all processes, but in the decoders.

        Where no image of a process has a task's label, that process skips the decoder, and the others would
        wait for it.
        """
        self.encoder.synchronize()
        for part in (self.aspp, self.fusion):
            if part is not None:
                synchronized(part)

    def shared_parameters(self) -> Iterator[nn.Parameter]:
        """The parameters that all tasks share."""
        yield from self.encoder.parameters()
        yield from self.aspp.parameters()
        if self.fusion is not None:
            yield from self.fusion.parameters()
