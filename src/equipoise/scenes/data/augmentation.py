"""The settings of augmentation and their ranges, as recipes spell them."""

from dataclasses import dataclass

from equipoise.errors import RecipeError
from equipoise.scenes.config.ranges import Range, check_ranges


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes of training samples.

    Attributes:
        flip: mirror half of them left to right.
        scale: resize by a factor between these two, log-uniformly distributed, then crop or pad to the input size.
        crop: height and width of the network's input in training, px: a random part of the image after ``scale``,
            padded without labels where the image is smaller; left out: ``data.size``. Whole images are evaluated and
            predicted at ``data.size`` in any case.
        color: change brightness, contrast and saturation, each by a factor in 1 ± color.
        brightness: the same for brightness alone; left out: ``color``.
        contrast: the same for contrast alone; left out: ``color``.
        saturation: the same for saturation alone; left out: ``color``.
        hue: rotate colours around the grey axis by up to this fraction of a full turn, either way.
        gamma: raise intensities (0 … 1) to a power between 1 / (1 + gamma) and 1 + gamma, log-uniformly distributed.
        blur: blur by a Gaussian with a standard deviation of up to this many px of the network's input.
    """

    flip: bool = True
    scale: tuple[float, float] = (1.0, 1.0)
    crop: tuple[int, int] | None = None
    color: float = 0.0
    brightness: float | None = None
    contrast: float | None = None
    saturation: float | None = None
    hue: float = 0.0
    gamma: float = 0.0
    blur: float = 0.0

    def input_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Height and width of the network's input in training, for images of ``size``."""
        return self.crop or size


UNIT: Range = (lambda v: v is None or 0 <= v <= 1, "0 … 1")
AUGMENTATION_RANGES: dict[str, Range] = {
    "scale": (lambda v: 0 < v[0] <= v[1] <= 100, "two factors above 0, the smaller first, at most 100"),
    "crop": (lambda v: v is None or (min(v) >= 32 and v[0] * v[1] <= 2**25), "32 px or more each, 2^25 px in all"),
    "color": UNIT,
    "brightness": UNIT,
    "contrast": UNIT,
    "saturation": UNIT,
    "hue": (lambda v: 0 <= v <= 0.5, "0 … 0.5"),
    "gamma": (lambda v: 0 <= v <= 4, "0 … 4"),
    "blur": (lambda v: 0 <= v <= 20, "0 … 20 px"),
}


def check_augmentation(augmentation: Augmentation, size: tuple[int, int], where: str) -> None:
    """Raise ``RecipeError`` for values that types cannot rule out; ``size`` is ``data.size``, ``where`` the file."""
    check_ranges(augmentation, AUGMENTATION_RANGES, "augmentation", where)
    wanted, largest = augmentation.input_size(size), augmentation.scale[1]
    if any(part > round(whole * largest) for part, whole in zip(wanted, size, strict=True)) and augmentation.crop:
        raise RecipeError(
            f"{where}: augmentation.crop: expected at most data.size at the largest scale, "
            f"{round(size[0] * largest)}x{round(size[1] * largest)}, found {wanted[0]}x{wanted[1]}, which every image "
            "would be padded to: make it smaller, or data.size larger"
        )
