"""The surface normal label: unit vectors in camera axes (x right, y down, z forward), ``float32``; NaN = no label."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import read_colors
from equipoise.scenes.labels.label import (
    Array,
    CityscapesPlace,
    Label,
    LabelDescription,
    Reader,
    Source,
    Stored,
)
from equipoise.scenes.labels.values import code, expect_storable, shown
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.visual.colors import Picture, normal_colors

LENGTHS = (0.5, 1.5)
"""Colours of vectors that are shorter or longer are no normals."""


@dataclass(frozen=True, kw_only=True)
class NormalsDescription:
    """Where surface normals lie: RGB pictures of 8 bits, n = v / 127.5 − 1 for each component.

    Attributes:
        files: the pattern of the pictures.
        axes: ``camera``: x to the right, y down, z forward; ``opengl``: x to the right, y up, z towards the camera.
        invalid: colours without a label.
        optional: images may lack their label.
    """

    files: str
    axes: Literal["camera", "opengl"] = "camera"
    invalid: tuple[tuple[int, int, int], ...] = ((0, 0, 0),)
    optional: bool = False


class StoredNormals(Reader):
    """Colours as a description says."""

    def __init__(self, described: NormalsDescription) -> None:
        self._described = described
        self.special = tuple(code(color) for color in described.invalid)

    def stored(self, path: Path) -> Stored:
        """Colours."""
        return read_colors(path)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.float32]:
        """Vectors, brought to unit length; raises for colours that are far from it."""
        channels = [stored >> 16, stored >> 8 & 255, stored & 255]
        vectors = np.stack(channels, -1).astype(np.float32) / np.float32(127.5) - 1
        length = np.linalg.norm(vectors, axis=-1)
        labelled = ~np.isin(stored, self.special)
        wrong = labelled & ~((LENGTHS[0] < length) & (length < LENGTHS[1]))
        if wrong.any():
            raise DataError(
                f"{path}: expected unit vectors n = v / 127.5 - 1, found the colour {shown(int(stored[wrong][0]))} of "
                f"length {length[wrong][0]:.2f}: add it to normals.invalid if it is no label"
            )
        if self._described.axes == "opengl":
            vectors *= np.array([1, -1, -1], np.float32)
        unit = vectors / np.where(labelled, length, 1)[..., None]
        return np.where(labelled[..., None], unit, np.float32(np.nan))


class NormalsLabel(Label):
    """Unit vectors ``(H, W, 3)``; a surface that faces the camera has a negative z."""

    name = table = title = "normals"
    about = "the surface normals."
    dtype, absent, pixel = "float32", np.nan, (3,)
    description = NormalsDescription
    cityscapes = CityscapesPlace(
        folder="normals",
        ending="normals.png",
        reader=lambda source: StoredNormals(NormalsDescription(files="")),
        official=False,
    )

    def reader(self, source: Source) -> Reader:
        """Colours."""
        return StoredNormals(cast(NormalsDescription, source.descriptions[self.name]))

    def check_description(
        self, described: NormalsDescription, others: Mapping[str, LabelDescription], where: str
    ) -> None:
        """Colours in range."""
        for color in described.invalid:
            expect_storable(color, f"{where}: normals.invalid")

    def flipped(self, array: Array) -> Array:
        """In a mirrored scene x points the other way."""
        return array * np.array([-1, 1, 1], np.float32)

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """The vector as a colour, as it is stored."""
        return normal_colors(array)
