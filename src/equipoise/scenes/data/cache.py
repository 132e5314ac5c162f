"""A memory-mapped cache of resized samples, so that each image is decoded and resized once and not in every epoch."""

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, RunError
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.lock import exclusive_lock
from equipoise.scenes.io.prefetch import prefetch
from equipoise.scenes.labels import LABELS

FORMAT = 2
IMAGE = "image"


class CachedDataset:
    """The samples of ``dataset`` at ``size``, in files under ``folder`` that are built if absent or out of date.

    The cache is written to a temporary folder and then renamed, so a process that is stopped never leaves an incomplete
    cache behind. It is rebuilt when any file of the data set has changed.
    """

    def __init__(
        self,
        dataset: SceneDataset,
        size: tuple[int, int],
        folder: Path,
        *,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self.vocabulary, self.names = dataset.vocabulary, dataset.names
        self._dataset, self._size = dataset, size
        expected = {"format": FORMAT, "size": list(size), "names": list(self.names), "files": dataset.fingerprint()}
        present = _open(folder, expected)
        if present is None:
            present = _built(dataset, size, folder, expected, progress)
        if present is None:
            raise DataError(
                f"expected the cache just written at {folder}, found another: is another run writing there?"
            )
        self._arrays, self._has = present

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Return one sample at the size of the cache."""
        arrays = {kind: np.array(self._arrays[kind][index]) for kind, has in self._has.items() if has[index]}
        return Sample(name=self.names[index], image=arrays.pop(IMAGE), labels=arrays)

    def camera(self, index: int) -> Camera | None:
        """Return the camera of one image at its original size."""
        return self._dataset.camera(index)

    def fingerprint(self) -> str:
        """Return the fingerprint of the data set."""
        return self._dataset.fingerprint()


_Present = tuple[dict[str, npt.NDArray[Any]], dict[str, list[bool]]]


def _open(folder: Path, expected: dict[str, Any]) -> _Present | None:
    try:
        manifest = read_json(folder / "manifest.json")
        has = manifest.pop("has")
        if manifest != expected:
            return None
        arrays = {
            kind: np.load(folder / f"{kind}.npy", mmap_mode="r", allow_pickle=False) for kind in has if any(has[kind])
        }
    except (OSError, ValueError, KeyError, EOFError):
        return None
    return arrays, has


def _built(
    dataset: SceneDataset,
    size: tuple[int, int],
    folder: Path,
    expected: dict[str, Any],
    progress: Callable[[], None],
) -> _Present | None:
    """Build the cache, or use the one that another process has built in the meantime."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        with exclusive_lock(folder.parent, name=f".{folder.name}.lock", wait=True):
            present = _open(folder, expected)
            if present is None:
                _build(dataset, size, folder, expected, progress)
                present = _open(folder, expected)
            return present
    except RunError as error:
        raise DataError(f"{error}: choose another data.cache_folder, or set data.cache = false") from None


def _build(
    dataset: SceneDataset,
    size: tuple[int, int],
    folder: Path,
    manifest: dict[str, Any],
    progress: Callable[[], None],
) -> None:
    try:
        beside = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise _unwritable(folder, error) from None
    try:
        has = _fill(dataset, size, beside, progress)
        (beside / "manifest.json").write_text(json.dumps(manifest | {"has": has}), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        beside.rename(folder)
    except OSError as error:
        raise _unwritable(folder, error) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _fill(
    dataset: SceneDataset, size: tuple[int, int], folder: Path, progress: Callable[[], None]
) -> dict[str, list[bool]]:
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {IMAGE: ("uint8", (3,))}
    shapes |= {name: (LABELS[name].dtype, LABELS[name].pixel) for name in dataset.vocabulary.labels}
    count = len(dataset)
    arrays: dict[str, np.memmap[Any, Any]] = {
        kind: np.lib.format.open_memmap(  # type: ignore[no-untyped-call]
            folder / f"{kind}.npy", "w+", np.dtype(dtype), (count, *size, *pixel)
        )
        for kind, (dtype, pixel) in shapes.items()
    }
    has = {kind: [False] * count for kind in shapes}
    for kind in shapes:
        _reserve(folder / f"{kind}.npy")

    def put(index: int) -> None:
        sample = resize(dataset[index], size, dataset.vocabulary)
        for kind, array in {IMAGE: sample.image, **sample.labels}.items():
            has[kind][index] = True
            arrays[kind][index] = array

    for _ in prefetch(put, range(count)):
        progress()
    for array in arrays.values():
        array.flush()
    return has


def _reserve(path: Path) -> None:
    """Reserve the file's space: on a full disk, a process that writes to a mapped file is killed without a message."""
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def _unwritable(folder: Path, error: OSError) -> DataError:
    room = "free space, " if error.errno == errno.ENOSPC else ""
    return DataError(
        f"{folder}: expected to write the cache of resized samples, found: {error.strerror or error}: {room}"
        "choose another data.cache_folder, or set data.cache = false"
    )
