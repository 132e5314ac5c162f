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
"""Colours that stand for shorter or longer vectors are no normals."""


@dataclass(frozen=True, kw_only=True)
class NormalsDescription:
    """Where surface normals are: 8-bit RGB pictures with n = v / 127.5 − 1 for each component.

    Attributes:
        files: the pattern of the pictures.
        axes: ``camera``: x points right, y down, z forward; ``opengl``: x points right, y up, z towards the camera.
        invalid: colours that mean no label.
        optional: images may lack this label.
    """

    files: str
    axes: Literal["camera", "opengl"] = "camera"
    invalid: tuple[tuple[int, int, int], ...] = ((0, 0, 0),)
    optional: bool = False


class StoredNormals(Reader):
    """Reads normals as a data description defines them."""

    def __init__(self, described: NormalsDescription) -> None:
        self._described = described
        self.special = tuple(code(color) for color in described.invalid)

    def stored(self, path: Path) -> Stored:
        """Read colours."""
        return read_colors(path)

    def understood(self, stored: Stored, path: Path) -> npt.NDArray[np.float32]:
        """Convert to unit vectors. Raises ``DataError`` for colours whose vectors are far from unit length."""
        channels = [stored >> 16, stored >> 8 & 255, stored & 255]
        vectors = np.stack(channels, -1).astype(np.float32) / np.float32(127.5) - 1
        length = np.linalg.norm(vectors, axis=-1)
        labelled = ~np.isin(stored, self.special)
        wrong = labelled & ~((LENGTHS[0] < length) & (length < LENGTHS[1]))
        if wrong.any():
            raise DataError(
                f"{path}: expected unit vectors n = v / 127.5 - 1, found the colour {shown(int(stored[wrong][0]))} of "
                f"length {length[wrong][0]:.2f}: add it to normals.invalid if it means no label"
            )
        if self._described.axes == "opengl":
            vectors *= np.array([1, -1, -1], np.float32)
        unit = vectors / np.where(labelled, length, 1)[..., None]
        return np.where(labelled[..., None], unit, np.float32(np.nan))


class NormalsLabel(Label):
    """Unit vectors, ``float32 (H, W, 3)``. A surface that faces the camera has a negative z."""

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
        """Create the reader of described normals."""
        return StoredNormals(cast(NormalsDescription, source.descriptions[self.name]))

    def check_description(
        self, described: NormalsDescription, others: Mapping[str, LabelDescription], where: str
    ) -> None:
        """Check the ranges of colours."""
        for color in described.invalid:
            expect_storable(color, f"{where}: normals.invalid")

    def flipped(self, array: Array) -> Array:
        """Negate x: in a mirrored scene it points the other way."""
        return array * np.array([-1, 1, 1], np.float32)

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        """Draw each vector as the colour that stores it."""
        return normal_colors(array)
