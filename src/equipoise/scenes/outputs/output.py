"""The base class of outputs: one form in which a prediction is written."""

import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.labels.vocabulary import SceneVocabulary

FARTHEST_M = 80.0
"""Points beyond this depth are left out of point clouds: there a small part of a pixel decides over many metres."""


@dataclass(frozen=True, kw_only=True)
class OutputSettings:
    """The settings of outputs.

    Attributes:
        farthest_m: the largest depth in point clouds, m.
    """

    farthest_m: float = FARTHEST_M


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What the scenes of a model hold, as far as it is known before the first prediction.

    Attributes:
        tasks: the names of the predicted tasks.
        vocabulary: the classes and the unit of inverse depth.
        camera: the camera of the images; ``None`` if it is not known.
        camera_doubt: why there is no camera, or why metres may be wrong.
        intervals: the tasks whose likelihood has an interval.
    """

    tasks: tuple[str, ...]
    vocabulary: SceneVocabulary
    camera: Camera | None = None
    camera_doubt: str = ""
    intervals: tuple[str, ...] = ()

    @classmethod
    def of(cls, scene: Scene) -> "Contents":
        """What a scene holds."""
        return cls(
            tasks=scene.predicted(),
            vocabulary=scene.vocabulary,
            camera=scene.camera,
            camera_doubt=scene.camera_doubt,
            intervals=tuple(scene.half_width),
        )


@dataclass(frozen=True, kw_only=True)
class Files:
    """The files of one output for one scene.

    Attributes:
        files: functions that make their contents, by file name.
        facts: what the record ``NAME.json`` says about them.
    """

    files: Mapping[str, Callable[[], bytes]] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One image in the files about all images.

    Attributes:
        name: the name of its predictions, relative to their folder.
        file_name: the image, relative to the folder of the images.
        size: height and width, px.
        facts: its record.
    """

    name: str
    file_name: str
    size: tuple[int, int]
    facts: Mapping[str, Any]


class Output(ABC):
    """One form in which predictions are written."""

    name: ClassVar[str]
    """The word for it in ``--write``."""

    def lacking(self, contents: Contents) -> str:
        """Return what is missing to write it, as ``expected …, found …``; empty if nothing is."""
        return ""

    @abstractmethod
    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """Return the files for a scene; their names start with ``name``, which has no folders."""

    def joint(self, entries: Sequence[Entry], contents: Contents) -> dict[str, Any]:
        """Return the contents of the JSON files about all images, by file name."""
        return {}


def png(picture: npt.NDArray[Any]) -> bytes:
    """Encode a picture of numbers as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(picture)).save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()
