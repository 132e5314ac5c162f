"""What an encoder is, and its entry in the table of encoders."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor, nn

from equipoise.errors import RecipeError
from equipoise.scenes.networks.layers import initialize, synchronized


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
    """The module that an encoder's entry builds: images to features at several strides.

    Attributes:
        channels: of the features at each stride, from the finest to the coarsest, which is the output stride.
    """

    channels: Mapping[int, int]

    @property
    def output_stride(self) -> int:
        """The stride of the deepest features."""
        return max(self.channels)

    @abstractmethod
    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """The deepest features of each stride.

        Shapes: ``(B, 3, H, W)``, preprocessed → by stride ``(B, channels[stride], ⌈H/stride⌉, ⌈W/stride⌉)``; some of
        timm's round down.
        """

    def stages(self) -> Sequence[Sequence[nn.Parameter]]:
        """All parameters by stage, from the image on; ``RecipeError`` where the encoder has no stages."""
        raise RecipeError(
            f"optimizer.encoder_lr_decay: expected 1 for {type(self).__name__}, which has no stages: leave the key out"
        )

    def synchronize(self) -> None:
        """Normalise batches over the images of all processes."""
        synchronized(self)

    def initialize(self) -> None:
        """Draw the first weights, as He et al. do."""
        self.apply(initialize)


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """One encoder of the table.

    Attributes:
        build: makes the module, with random weights, from an output stride and a normalization (see ``layers.norm``).
        strides: the output strides that it may support; ``build`` raises ``RecipeError`` for others.
        preprocessing: what it expects of its input.
        weights: published weights by name, each with its repository on the Hugging Face hub.
    """

    build: Callable[[int, str], EncoderModule]
    strides: tuple[int, ...] = (8, 16, 32)
    preprocessing: Preprocessing = IMAGENET
    weights: Mapping[str, str] = field(default_factory=dict)
