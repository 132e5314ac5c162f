"""Convolution and normalisation, as every part of the network uses them."""

import math

from torch import Tensor, nn
from torch.nn import functional

GROUPS = 16


class FrozenBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation that always uses its stored statistics, so a result does not depend on the batch."""

    def forward(self, input: Tensor) -> Tensor:
        """Normalise by the running mean and variance without updating them."""
        return functional.batch_norm(
            input, self.running_mean, self.running_var, self.weight, self.bias, training=False, eps=self.eps
        )


def synchronized(module: nn.Module) -> nn.Module:
    """A module whose batch normalisation is over the images of all processes, with the same weights.

    Frozen layers stay as they are: PyTorch's own function would make them use the statistics of the batch.
    """
    if isinstance(module, FrozenBatchNorm2d):
        return module
    if isinstance(module, nn.BatchNorm2d):
        converted: nn.Module = nn.SyncBatchNorm.convert_sync_batchnorm(module)  # type: ignore[no-untyped-call]
        return converted
    for name, child in module.named_children():
        setattr(module, name, synchronized(child))
    return module


def norm(channels: int, normalization: str) -> nn.Module:
    """``batch``, ``group`` (independent of the batch) or ``frozen`` (the stored statistics of published weights)."""
    if normalization == "batch":
        return nn.BatchNorm2d(channels)
    if normalization == "group":
        return nn.GroupNorm(math.gcd(GROUPS, channels), channels)
    if normalization == "frozen":
        return FrozenBatchNorm2d(channels)
    raise ValueError(f"normalization: expected batch, group or frozen, found {normalization!r}")


def beside_encoder(normalization: str) -> str:
    """The normalisation of the parts that published weights do not cover: ``group`` in place of ``frozen``.

    Like ``frozen``, ``group`` does not depend on the batch. Without weights, ``frozen`` would normalise nothing.
    """
    return "group" if normalization == "frozen" else normalization


def conv_norm(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, dilation: int = 1, normalization: str
) -> nn.Sequential:
    """A padded convolution, whose output is the input's size divided by the stride, and its normalisation."""
    padding = dilation * (kernel - 1) // 2
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding, dilation, bias=False)
    return nn.Sequential(convolution, norm(outputs, normalization))


def initialize(module: nn.Module) -> None:
    """Draw a convolution's weights as He et al. do; leave other modules as they are."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def initialize_output(module: nn.Conv2d) -> None:
    """Draw the weights of an output layer, so small that outputs start near 0, and set its bias to 0.

    The network then starts with equal probabilities and the mean of each target in its own unit, where σ = 1 fits.
    Drawn as the layers before it, a layer of few outputs would start with errors of several σ, and more the wider its
    input is. Source: Lin et al., Focal Loss for Dense Object Detection (ICCV 2017), sec. 4.1.
    """
    nn.init.normal_(module.weight, std=0.01)
    if module.bias is not None:
        nn.init.zeros_(module.bias)


def conv_norm_relu(inputs: int, outputs: int, kernel: int, *, normalization: str) -> nn.Sequential:
    """As ``conv_norm``, with a ReLU."""
    return nn.Sequential(conv_norm(inputs, outputs, kernel, normalization=normalization), nn.ReLU(inplace=True))
