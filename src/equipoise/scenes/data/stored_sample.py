"""One cached sample as a file: a safetensors file whose parts can be read alone, without loss.

Integers take the narrowest of 8, 16 and 32 bits that holds them. Floating-point numbers of few different values, such
as disparity from 16-bit files, are 8 or 16-bit places in a table of these values. The centroids of instances are
stored too, so that a part of the sample needs no look at the whole.
"""

import zlib
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError, safe_open

from equipoise.errors import DataError
from equipoise.scenes.data.parts import Choose, Window
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import Array, Points
from equipoise.scenes.labels.vocabulary import SceneVocabulary

OWNER = "cache"
IMAGE, LABEL, TABLE, IDS, POINTS = "image", "label.", "table.", "ids.", "points."
LARGEST_TABLE = 1 / 8
"""Values that are more than this share of the pixels are stored as they are."""
LARGE = 2**19
"""Depth of as many pixels or more mostly has few different values."""


def expected_bytes(vocabulary: SceneVocabulary, size: tuple[int, int]) -> int:
    """Return about how large the file of a sample will be."""
    pixels, width = size[0] * size[1], 3
    for name in vocabulary.labels:
        label = LABELS[name]
        narrow = 2 if label.dtype == "int32" or (not label.pixel and pixels >= LARGE) else 4
        width += min(narrow, np.dtype(label.dtype).itemsize) * int(np.prod(label.pixel, dtype=int))
    return pixels * width


def write_sample(path: Path, sample: Sample, owner: str) -> None:
    """Write a sample, so that the file is there as a whole or not at all; ``owner`` identifies the cache."""
    arrays: dict[str, Array] = {IMAGE: sample.image}
    for name, array in sample.labels.items():
        arrays |= _stored(name, array)
        points = LABELS[name].points(array)
        if points is not None:
            arrays[IDS + name] = np.array(list(points), np.int64)
            arrays[POINTS + name] = np.array(list(points.values()), np.float64).reshape(-1, 2)
    arrays = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
    # A single metadata entry: safetensors writes several in random order, and equal samples must give equal files.
    metadata = {OWNER: f"{owner} {_checksum(arrays)}"}
    write_atomic(path, safetensors.numpy.save(arrays, metadata), sync=False)


def read_part(path: Path, name: str, owner: str, choose: Choose) -> Sample:
    """Read the chosen part of a sample, and little more than it; raises ``DataError`` for a damaged file."""
    try:
        with safe_open(path, framework="numpy") as file:
            if _mark(file)[0] != owner:
                raise DataError(
                    f"{path}: expected the cache that this run opened, found another one: another run has made it "
                    "again, because the data have changed: start this run again"
                )
            window = choose(tuple(file.get_slice(IMAGE).get_shape()[:2]))
            return _part(file, name, window)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise DataError(
            f"{path}: expected a sample of the cache, found: {_reason(error)}: delete the folder {path.parent}, and it "
            "is made again"
        ) from None


def is_whole(path: Path, owner: str) -> bool:
    """Return whether the file holds what was written, to the last bit."""
    with suppress(OSError, SafetensorError, ValueError), safe_open(path, framework="numpy") as file:
        if _mark(file)[0] == owner:
            return _checksum({key: file.get_tensor(key) for key in file.keys()}) == _mark(file)[1]  # noqa: SIM118
    return False


def _mark(file: Any) -> tuple[str, str]:
    """Return whose sample it is, and its checksum."""
    owner, _, checksum = str((file.metadata() or {}).get(OWNER, "")).partition(" ")
    return owner, checksum


def _part(file: Any, name: str, window: Window) -> Sample:
    rows = slice(window.top, window.top + window.height)
    columns = slice(window.left, window.left + window.width)
    labels: dict[str, Array] = {}
    points: dict[str, Points] = {}
    keys = set(file.keys())
    for label in LABELS:
        if LABEL + label in keys:
            array = file.get_slice(LABEL + label)[rows, columns]
            table = file.get_tensor(TABLE + label) if TABLE + label in keys else None
            labels[label] = array.astype(LABELS[label].dtype, copy=False) if table is None else table.take(array)
        if IDS + label in keys:
            places = file.get_tensor(POINTS + label) - (window.left, window.top)
            ids = file.get_tensor(IDS + label).tolist()
            points[label] = {k: (x, y) for k, (x, y) in zip(ids, places.tolist(), strict=True)}
    return Sample(name=name, image=file.get_slice(IMAGE)[rows, columns], labels=labels, points=points)


def _stored(name: str, array: Array) -> dict[str, Array]:
    """Return the arrays that a label is stored as."""
    if array.dtype.kind in "iu":
        return {LABEL + name: _narrow(array)}
    if array.ndim > 2 or array.dtype != np.float32:
        return {LABEL + name: array}
    values, places = np.unique(array.view(np.uint32), return_inverse=True)  # By bits: NaN and -0.0 stay what they are.
    if values.size > min(2**16, LARGEST_TABLE * array.size):
        return {LABEL + name: array}
    return {LABEL + name: _narrow(places.reshape(array.shape)), TABLE + name: values.view(np.float32)}


def _narrow(array: Array) -> Array:
    """Return integers in the narrowest type that holds them."""
    low, high = int(array.min(initial=0)), int(array.max(initial=0))
    fitting = (t for t in (np.uint8, np.uint16) if low >= 0 and high <= np.iinfo(t).max)
    return array.astype(next(fitting, np.int32), copy=False)


def _checksum(arrays: Mapping[str, Array]) -> str:
    checksum = 0
    for key in sorted(arrays):
        checksum = zlib.crc32(np.ascontiguousarray(arrays[key]).tobytes(), zlib.crc32(key.encode(), checksum))
    return f"{checksum:08x}"


def _reason(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return " ".join(str(getattr(error, "strerror", None) or error).split())[:120]
