"""Random changes of an image's colours; labels do not depend on them."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from equipoise.scenes.data.augmentation import Augmentation

Pixels = npt.NDArray[np.float32]
"""``(H, W, 3)``, 0 … 255."""


def recolored(
    image: npt.NDArray[np.uint8], augmentation: Augmentation, rng: np.random.Generator
) -> npt.NDArray[np.uint8]:
    """The image after the colour changes that ``augmentation`` asks for; nothing is drawn for those it does not."""
    strengths = [
        augmentation.color if own is None else own
        for own in (augmentation.brightness, augmentation.contrast, augmentation.saturation)
    ]
    if not (any(strengths) or augmentation.hue or augmentation.gamma or augmentation.blur):
        return image
    pixels = image.astype(np.float32)
    if any(strengths):
        pixels = jitter(pixels, *(1 + np.array(strengths) * rng.uniform(-1, 1, 3)).astype(np.float32))
    if augmentation.hue:
        pixels = pixels @ hue_rotation(float(rng.uniform(-1, 1)) * augmentation.hue).T
    if augmentation.gamma:
        bound = math.log1p(augmentation.gamma)
        pixels = gamma(pixels, math.exp(rng.uniform(-bound, bound)))
    if augmentation.blur:
        pixels = blurred(pixels, float(rng.uniform(0, augmentation.blur)))
    changed: npt.NDArray[np.uint8] = np.clip(pixels.round(), 0, 255).astype(np.uint8)
    return changed


def jitter(pixels: Pixels, brightness: float, contrast: float, saturation: float) -> Pixels:
    """Differences from a pixel's grey times ``saturation``, from the mean times ``contrast``, all times ``brightness``.

    Grey is the mean of red, green and blue.
    """
    grey = pixels.mean(2, keepdims=True)
    mean = pixels.mean()
    changed: Pixels = ((grey + (pixels - grey) * saturation - mean) * contrast + mean) * brightness
    return changed


def hue_rotation(turns: float) -> npt.NDArray[np.float32]:
    """The matrix that turns colours round the axis of greys, which stay: a third of a turn makes red green.

    >>> hue_rotation(1 / 3).round(3) @ [255, 0, 0]
    array([  0., 255.,   0.])
    """
    cosine, sine = math.cos(2 * math.pi * turns), math.sin(2 * math.pi * turns) / math.sqrt(3)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    return (cosine * np.eye(3) + (1 - cosine) / 3 + sine * cross).astype(np.float32)


def gamma(pixels: Pixels, power: float) -> Pixels:
    """Intensities, as parts of 255, to this power; black and white stay."""
    raised = np.power(np.clip(pixels / 255, 0, 1), power) * 255
    return raised.astype(np.float32)


def blurred(pixels: Pixels, deviation: float) -> Pixels:
    """Convolved with a Gaussian of this standard deviation, px; pixels beyond the border are those at it."""
    reach = math.ceil(3 * deviation)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(deviation, 1e-6)) ** 2)
    kernel = torch.from_numpy((weights / weights.sum()).astype(np.float32))
    planes = torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))[:, None]
    padded = functional.pad(planes, (reach, reach, reach, reach), mode="replicate")
    smooth = functional.conv2d(functional.conv2d(padded, kernel[None, None, None]), kernel[None, None, :, None])
    return np.ascontiguousarray(smooth[:, 0].permute(1, 2, 0).numpy())
