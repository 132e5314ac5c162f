"""A memory-mapped cache of resized samples: decoding and resizing happen once, not in every epoch."""

import errno
import functools
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from equipoise.errors import DataError, RunError
from equipoise.scenes.data import stored_sample
from equipoise.scenes.data.parts import Choose, whole
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import read_json
from equipoise.scenes.io.lock import exclusive_lock
from equipoise.scenes.io.processes import in_processes
from equipoise.scenes.wording import bytes_in_words

FORMAT = 3
MANIFEST = "manifest.json"
ADVICE = "choose another data.cache_folder, or set data.cache = false"


class CachedDataset:
    """The samples of a data set at one size, in files under a folder, one a sample.

    They are written by several processes where they are absent or the data set has changed. Work that was stopped is
    taken up where it stopped. Several runs may open a cache at the same time: one writes, the others wait.

    Args:
        dataset: the samples.
        size: height and width, px.
        folder: what else lies there is removed.
        progress: called once for each sample.
        processes: how many write; ``None``: as many as there are cores.

    Raises:
        DataError: a sample cannot be read, or the cache cannot be written.
        RunError: a process that writes has ended.
    """

    def __init__(
        self,
        dataset: SceneDataset,
        size: tuple[int, int],
        folder: Path,
        *,
        progress: Callable[[], None] = lambda: None,
        processes: int | None = None,
    ) -> None:
        self.vocabulary, self.names = dataset.vocabulary, dataset.names
        self._dataset, self._folder = dataset, folder
        contents = {"format": FORMAT, "size": list(size), "names": list(self.names), "files": dataset.fingerprint()}
        self._owner = hashlib.sha256(json.dumps(contents).encode("utf-8", "surrogatepass")).hexdigest()
        if not self._is_complete():
            self._build(size, progress, processes)

    def __len__(self) -> int:
        """The number of images."""
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        """Return a sample at the cache's size."""
        return self.part(index, whole)

    def part(self, index: int, choose: Choose) -> Sample:
        """Return the chosen part of a sample; no more is read."""
        return stored_sample.read_part(_path(self._folder, index), self.names[index], self._owner, choose)

    def camera(self, index: int) -> Camera | None:
        """Return the camera of the original image."""
        return self._dataset.camera(index)

    def fingerprint(self) -> str:
        """Return the fingerprint of the data set."""
        return self._dataset.fingerprint()

    def _is_complete(self) -> bool:
        """Whether all samples are there, as large as they were written."""
        manifest = _manifest(self._folder)
        sizes = manifest.get("bytes")
        if manifest.get("owner") != self._owner or not isinstance(sizes, list) or len(sizes) != len(self):
            return False
        return all(_size(_path(self._folder, index)) == size for index, size in enumerate(sizes))

    def _build(self, size: tuple[int, int], progress: Callable[[], None], processes: int | None) -> None:
        """Write what is missing, unless another process has done so by the time it is our turn."""
        folder = self._folder
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            with exclusive_lock(folder.parent, name=f".{folder.name}.lock", wait=True):
                if not self._is_complete():
                    self._prepare(size)
                    self._write(size, progress, processes)
        except OSError as error:
            raise _unwritable(folder, error) from None
        except RunError as error:
            if str(folder.parent) not in str(error):
                raise
            raise DataError(f"{error}: {ADVICE}") from None

    def _prepare(self, size: tuple[int, int]) -> None:
        """Keep the finished samples of this cache and nothing else, and see whether there is room for the rest."""
        folder = self._folder
        if _manifest(folder).get("owner") != self._owner:
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(exist_ok=True)
        write_atomic(folder / MANIFEST, json.dumps({"owner": self._owner}).encode())
        for unfinished in folder.glob(".*.writing"):
            unfinished.unlink()
        present = sum(_size(path) for path in folder.iterdir())
        needed = cache_bytes(self._dataset, size) - present
        if needed > (free := shutil.disk_usage(folder).free):
            raise DataError(
                f"{folder}: expected {bytes_in_words(needed)} of free space for the cache of resized samples, found "
                f"{bytes_in_words(free)}: {ADVICE}"
            )

    def _write(self, size: tuple[int, int], progress: Callable[[], None], processes: int | None) -> None:
        make = functools.partial(_make, self._dataset, size, self._folder, self._owner)
        sizes = []
        for written in in_processes(make, range(len(self)), processes=processes):
            sizes.append(written)
            progress()
        write_atomic(self._folder / MANIFEST, json.dumps({"owner": self._owner, "bytes": sizes}).encode())


def cache_bytes(dataset: SceneDataset, size: tuple[int, int]) -> int:
    """Return about how large the cache of a data set will be."""
    return len(dataset) * stored_sample.expected_bytes(dataset.vocabulary, size)


def _make(dataset: SceneDataset, size: tuple[int, int], folder: Path, owner: str, index: int) -> int:
    """Write a sample unless it is there, and return the size of its file."""
    path = _path(folder, index)
    if not stored_sample.is_whole(path, owner):
        sample = resize(dataset[index], size, dataset.vocabulary)
        try:
            stored_sample.write_sample(path, sample, owner)
        except OSError as error:
            raise _unwritable(folder, error) from None
    return _size(path)


def _path(folder: Path, index: int) -> Path:
    return folder / f"{index:06d}.safetensors"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _unwritable(folder: Path, error: OSError) -> DataError:
    room = "free space, " if error.errno == errno.ENOSPC else ""
    return DataError(
        f"{folder}: expected to write the cache of resized samples, found: {error.strerror or error}: {room}{ADVICE}"
    )
