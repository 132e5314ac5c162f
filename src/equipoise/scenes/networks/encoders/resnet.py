"""Dilated ResNet 18, 34, 50 and 101, with the customary parameter names, so that published weights load.

Source: He et al., Deep Residual Learning (CVPR 2016); stride on the 3×3 of a bottleneck ("v1.5"); dilation in place of
stride as in DeepLab (Chen et al., arXiv 1706.05587).
"""

from collections.abc import Callable, Sequence
from functools import partial

from torch import Tensor, nn

from equipoise.scenes.networks.encoders.encoder import Encoder, EncoderModule
from equipoise.scenes.networks.layers import norm

LAYERS: dict[str, tuple[bool, tuple[int, int, int, int]]] = {
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet34": (False, (3, 4, 6, 3)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
}
"""Name → (whether blocks are bottlenecks, blocks in each stage)."""


class BasicBlock(nn.Module):
    """Two 3×3 convolutions beside the identity."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int, before: int, dilation: int, normalization: str) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 3, stride, before, before, bias=False)
        self.bn1 = norm(width, normalization)
        self.conv2 = nn.Conv2d(width, width, 3, 1, dilation, dilation, bias=False)
        self.bn2 = norm(width, normalization)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _downsample(inputs, width * self.expansion, stride, normalization)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, inputs, h, w)`` → ``(B, width, h/stride, w/stride)``."""
        hidden = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(features)))))
        beside = features if self.downsample is None else self.downsample(features)
        return self.relu(hidden + beside)  # type: ignore[no-any-return]


class Bottleneck(nn.Module):
    """1×1, 3×3, 1×1 convolutions beside the identity; four times as wide at the end."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int, before: int, dilation: int, normalization: str) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = norm(width, normalization)
        self.conv2 = nn.Conv2d(width, width, 3, stride, before, before, bias=False)
        self.bn2 = norm(width, normalization)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = norm(outputs, normalization)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _downsample(inputs, outputs, stride, normalization)

    def forward(self, features: Tensor) -> Tensor:
        """``(B, inputs, h, w)`` → ``(B, 4·width, h/stride, w/stride)``."""
        hidden = self.relu(self.bn1(self.conv1(features)))
        hidden = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(hidden)))))
        beside = features if self.downsample is None else self.downsample(features)
        return self.relu(hidden + beside)  # type: ignore[no-any-return]


def _downsample(inputs: int, outputs: int, stride: int, normalization: str) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), norm(outputs, normalization))


class ResNet(EncoderModule):
    """``(B, 3, H, W)`` → features at stride 2, 4 and 8, and for output stride 16 or 32 at these."""

    def __init__(self, encoder_name: str, output_stride: int, normalization: str) -> None:
        super().__init__()
        bottleneck, counts = LAYERS[encoder_name]
        block: Callable[..., BasicBlock | Bottleneck] = Bottleneck if bottleneck else BasicBlock
        expansion = 4 if bottleneck else 1
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = norm(64, normalization)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs, stride_so_far, dilation = 64, 4, 1
        self.strides: list[int] = []
        self.channels = {2: 64}
        for stage, (count, width) in enumerate(zip(counts, (64, 128, 256, 512), strict=True)):
            stride, before = (1 if stage == 0 else 2), dilation
            if stride_so_far * stride > output_stride:
                dilation, stride = dilation * stride, 1
            stride_so_far *= stride
            # Where dilation replaces a stride, convolutions before that place keep the earlier dilation.
            blocks = [block(inputs, width, stride, before, dilation, normalization)]
            inputs = width * expansion
            blocks += [block(inputs, width, 1, dilation, dilation, normalization) for _ in range(count - 1)]
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self.strides.append(stride_so_far)
            self.channels[stride_so_far] = inputs

    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Preprocessed images to features."""
        hidden = self.relu(self.bn1(self.conv1(images)))
        features = {2: hidden}
        hidden = self.maxpool(hidden)
        for stage, stride in enumerate(self.strides, 1):
            features[stride] = hidden = getattr(self, f"layer{stage}")(hidden)
        return features

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """The stem, and the four stages of blocks."""
        stem = [*self.conv1.parameters(), *self.bn1.parameters()]
        return [stem, *([*getattr(self, f"layer{stage}").parameters()] for stage in range(1, 5))]


ENCODERS = {name: Encoder(build=partial(ResNet, name), weights={"imagenet": f"timm/{name}.a1_in1k"}) for name in LAYERS}
