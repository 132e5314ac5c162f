"""Read parts of samples, without the rest where the data set allows it."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

from equipoise.scenes.data.sample import Sample, SceneDataset
from equipoise.scenes.labels import LABELS, Label
from equipoise.scenes.labels.label import Array


class Window(NamedTuple):
    """A rectangle of an array, px."""

    top: int
    left: int
    height: int
    width: int


Choose = Callable[[tuple[int, int]], Window]
"""Chooses a part of a sample, once its height and width are known."""


def whole(size: tuple[int, int]) -> Window:
    """Return the window that shows all of a sample."""
    return Window(0, 0, *size)


@runtime_checkable
class PartialDataset(Protocol):
    """A data set that can read parts of its samples."""

    def part(self, index: int, choose: Choose) -> Sample:
        """Return the chosen part of one sample, equal to ``part_of`` of the whole."""
        ...


def read_part(dataset: SceneDataset, index: int, choose: Choose) -> Sample:
    """Return the chosen part of one sample; all of it is read if the data set cannot read parts."""
    if isinstance(dataset, PartialDataset):
        return dataset.part(index, choose)
    return part_of(dataset[index], choose)


def part_of(sample: Sample, choose: Choose) -> Sample:
    """Return the chosen part of a sample, or the sample itself if all of it is chosen."""
    window = choose(sample.size)
    return sample if (window.height, window.width) == sample.size else crop(sample, *window)


def crop(sample: Sample, top: int, left: int, height: int, width: int) -> Sample:
    """Cut out a part of a sample. An object that is cut keeps the centroid it has in the whole image."""
    missing = {name: array for name, array in sample.labels.items() if name not in sample.points}
    found = {name: LABELS[name].points(array) for name, array in missing.items()}
    window = (slice(top, top + height), slice(left, left + width))
    cropped = moved(
        replace(sample, points={**sample.points, **{name: some for name, some in found.items() if some is not None}}),
        lambda label, array: array[window],
        lambda x, y: (x - left, y - top),
    )
    return replace(cropped, image=sample.image[window])


def moved(
    sample: Sample,
    array: Callable[[Label, Array], Array],
    point: Callable[[float, float], tuple[float, float]],
) -> Sample:
    """Apply a function to the array of every label and another to every point; the image stays as it is."""
    return replace(
        sample,
        labels={name: array(LABELS[name], value) for name, value in sample.labels.items()},
        points={name: {k: point(x, y) for k, (x, y) in some.items()} for name, some in sample.points.items()},
    )
