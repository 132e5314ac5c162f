"""What a task gives to people and to programs: pictures beside the truth, and pictures that hold its answer."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy.typing as npt

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.grouping import Instance
from equipoise.scenes.visual.colors import Picture


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The range of values that a picture's colours cover.

    Attributes:
        low: the value of the darkest colour.
        high: the value of the brightest colour.
        unit: the unit of both; empty if they have none.
        meaning: what bright colours mean, in a few words.
    """

    low: float = 0.0
    high: float
    unit: str = ""
    meaning: str = ""


@dataclass(frozen=True, kw_only=True)
class ComparedPictures:
    """A prediction and the truth of one image, drawn in the same colours.

    Attributes:
        prediction: the predicted picture.
        truth: the picture of the label; ``None`` if the image has no such label.
        scale: the range of the colours, if they show a quantity.
    """

    prediction: Picture
    truth: Picture | None
    scale: Scale | None = None


LABELS, DISPARITY = "labels", "disparity"
"""The outputs that label pictures belong to, as ``predict --write`` names them."""
LEVEL = 0.9
"""The share of a distribution that lies in its interval."""


@dataclass(frozen=True, kw_only=True)
class LabelPicture:
    """A picture that holds an answer for programs to read: ``NAME_ENDING.png``.

    Attributes:
        ending: the end of the file's name.
        key: the key in the record ``NAME.json`` that describes the file.
        pixels: ``uint8`` or ``uint16`` ``(H, W)``, or ``uint8 (H, W, 3)``.
        facts: what the record says about the picture apart from its file name.
        output: the output that it belongs to, ``LABELS`` or ``DISPARITY``.
    """

    ending: str
    key: str
    pixels: npt.NDArray[Any]
    facts: Mapping[str, Any] = field(default_factory=dict)
    output: str = LABELS


class PredictedScene(Protocol):
    """The parts of ``equipoise.scenes.Scene`` that tasks need to save their answers."""

    @property
    def outputs(self) -> dict[str, npt.NDArray[Any]]:
        """Every predicted array by name."""
        ...

    @property
    def instances(self) -> tuple[Instance, ...] | None:
        """The objects that were found."""
        ...

    @property
    def grouping(self) -> str:
        """The method by which they were found."""
        ...

    @property
    def half_width(self) -> Mapping[str, float]:
        """Half the width of the central 90 % interval of an output, in its unit, by task."""
        ...

    @property
    def grouped_by_votes(self) -> bool:
        """Whether objects were found without predicted classes."""
        ...

    @property
    def camera(self) -> Camera | None:
        """The camera, scaled to the image."""
        ...
