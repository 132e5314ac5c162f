"""Transform samples: resize, flip, crop, pad, and change colours.

Ids are never interpolated; vectors are computed afterwards, from ids and centroids. Disparity in px refers to the width
of its array, so every resize multiplies it by the ratio of widths.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.color import recolored
from equipoise.scenes.data.parts import Choose, Window, moved, part_of
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.vocabulary import SceneVocabulary


def augment(
    sample: Sample,
    augmentation: Augmentation,
    size: tuple[int, int],
    vocabulary: SceneVocabulary,
    rng: np.random.Generator,
) -> Sample:
    """Return a random version of a sample; ``rng`` is the only source of randomness.

    Args:
        sample: at any size.
        augmentation: what may happen to it.
        size: height and width of whole images at a scale of 1, px.
        vocabulary: what the labels mean.
        rng: draws everything that is random.

    Returns:
        A sample of ``augmentation.input_size(size)``.
    """
    return augment_part(lambda choose: part_of(sample, choose), augmentation, size, vocabulary, rng)


def augment_part(
    read: Callable[[Choose], Sample],
    augmentation: Augmentation,
    size: tuple[int, int],
    vocabulary: SceneVocabulary,
    rng: np.random.Generator,
) -> Sample:
    """Augment a sample of which only the part that the result shows is read and resized.

    Args:
        read: reads the part of the sample that is chosen once its size is known.
        augmentation: what may happen to it.
        size: height and width of whole images at a scale of 1, px.
        vocabulary: what the labels mean.
        rng: draws everything that is random.

    Returns:
        A sample of ``augmentation.input_size(size)``.
    """
    low, high = augmentation.scale
    factor = float(np.exp(rng.uniform(np.log(low), np.log(high))))
    scaled = (max(1, round(size[0] * factor)), max(1, round(size[1] * factor)))
    wanted = augmentation.input_size(size)
    shown = (min(scaled[0], wanted[0]), min(scaled[1], wanted[1]))
    sample = read(lambda whole: random_window(whole, scaled, shown, rng))
    sample = pad(resize(sample, shown, vocabulary), wanted)
    if augmentation.flip and rng.random() < 0.5:
        sample = flip(sample)
    return replace(sample, image=recolored(sample.image, augmentation, rng))


def random_window(
    whole: tuple[int, int], scaled: tuple[int, int], shown: tuple[int, int], rng: np.random.Generator
) -> Window:
    """Draw the window of a picture that a random crop ``shown`` would show, were the picture resized to ``scaled``.

    Its sides are rounded to whole pixels.
    """
    height, width = (max(1, round(side * part / full)) for side, part, full in zip(whole, shown, scaled, strict=True))
    if (height, width) == whole:
        return Window(0, 0, height, width)
    top, left = int(rng.integers(whole[0] - height + 1)), int(rng.integers(whole[1] - width + 1))
    return Window(top, left, height, width)


def resize(sample: Sample, size: tuple[int, int], vocabulary: SceneVocabulary) -> Sample:
    """Resize a sample to ``size`` (height, width): the image with antialiasing, labels by nearest neighbour."""
    if sample.size == size:
        return sample
    height, width = sample.size
    rows, columns = _nearest(height, size[0]), _nearest(width, size[1])
    ratio_x, ratio_y = size[1] / width, size[0] / height
    resized = moved(
        sample,
        lambda label, array: label.resized(array.take(columns, 1).take(rows, 0), ratio_x, vocabulary),
        lambda x, y: ((x + 0.5) * ratio_x - 0.5, (y + 0.5) * ratio_y - 0.5),
    )
    return replace(resized, image=resize_image(sample.image, size))


def resize_image(image: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Resize an image ``(H, W, 3)`` to ``size`` by bilinear interpolation with antialiasing."""
    if image.shape[:2] == size:
        return image
    pixels = torch.from_numpy(np.require(image, requirements=["C", "W"])).permute(2, 0, 1)[None]
    resized = functional.interpolate(pixels, size=size, mode="bilinear", antialias=True, align_corners=False)
    return np.stack([channel.numpy() for channel in resized[0]], -1)


def flip(sample: Sample) -> Sample:
    """Mirror a sample left to right. Offsets are computed from the result, so their dx is negated."""
    last = sample.size[1] - 1
    flipped = moved(
        sample,
        lambda label, array: label.flipped(np.ascontiguousarray(array[:, ::-1])),
        lambda x, y: (last - x, y),
    )
    image = torch.from_numpy(np.require(sample.image, requirements="W")).flip(1).numpy()  # Faster than NumPy's.
    return replace(flipped, image=image)


def pad(sample: Sample, size: tuple[int, int]) -> Sample:
    """Extend a sample to at least ``size``, to the right and below, with grey pixels that have no labels."""
    height, width = sample.size
    below, right = max(0, size[0] - height), max(0, size[1] - width)
    if not below and not right:
        return sample
    around = ((0, below), (0, right))
    padded = moved(
        sample,
        lambda label, array: np.pad(array, (*around, *[(0, 0)] * len(label.pixel)), constant_values=label.absent),
        lambda x, y: (x, y),
    )
    return replace(padded, image=np.pad(sample.image, (*around, (0, 0)), constant_values=128))


def _nearest(source: int, target: int) -> npt.NDArray[np.int64]:
    """For each target pixel, return the index of the source pixel that contains its centre."""
    places = ((np.arange(target) + 0.5) * source / target).astype(np.int64)
    return np.minimum(places, source - 1)
