"""What an encoder is, and its entry in the table of encoders."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """How pixels become an encoder's input: ``(pixel − mean) / std`` for each channel, red first.

    Attributes:
        mean: what is subtracted.
        std: what is divided by.
        input_max: the value of white in the numbers above: 255, or 1 where they are fractions.
    """

    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    input_max: float = 255.0


IMAGENET = Preprocessing(mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375))
"""The statistics of ImageNet's pixels, which most published weights expect."""


class EncoderModule(nn.Module, ABC):
    """The module that an encoder's entry builds: images to features of ``channels`` channels."""

    channels: int

    @abstractmethod
    def forward(self, images: Tensor) -> Tensor:
        """``(B, 3, H, W)``, preprocessed → ``(B, channels, ⌈H/stride⌉, ⌈W/stride⌉)``."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One encoder of the table.

    Attributes:
        build: makes the module, with random weights, from an output stride and a normalization (see ``layers.norm``).
        strides: the output strides that it supports.
        preprocessing: what it expects of its input.
        weights: published weights by name, each with where it comes from.
    """

    build: Callable[[int, str], EncoderModule]
    strides: tuple[int, ...] = (8, 16)
    preprocessing: Preprocessing = IMAGENET
    weights: Mapping[str, str] = field(default_factory=dict)
