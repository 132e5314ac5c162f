"""Read all labels of one image, and report all their mistakes at once."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError
from equipoise.scenes.io.images import expect_size
from equipoise.scenes.labels.label import Array, Files, Reader
from equipoise.scenes.labels.shapes import ImageFile


def read_labels(
    readers: Mapping[str, Reader], files: Files, image: npt.NDArray[np.uint8], image_path: Path
) -> dict[str, Array]:
    """Return the labels whose files exist, by name. Raises ``DataError`` with all their mistakes in one line."""
    found: dict[str, Array] = {}
    wrong: list[str] = []
    for name, path in files.items():
        try:
            stored = readers[name].of_image(path, ImageFile(path=image_path, size=(image.shape[0], image.shape[1])))
            expect_size(stored, path, image, image_path)
            found[name] = readers[name].understood(stored, path)
        except DataError as error:
            wrong.append(str(error))
    if wrong:
        raise DataError("; ".join(wrong))
    for name in files:
        found[name] = readers[name].settled(name, found, files)
    return found
