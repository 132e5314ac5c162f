"""Streets on disk, in Cityscapes' own layout."""

import functools
import json
import multiprocessing
import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.errors import RunError, UsageError
from equipoise.scenes.streets.render import render

CITY = "streets"
FOLDERS = ("leftImg8bit", "gtFine", "disparity", "camera")
MANIFEST = "streets.json"
SPLITS = ("train", "val", "test")
COMPRESSION = 3
"""zlib's level: of 9, which is three times as slow and saves a tenth."""

Job = tuple[str, int]


def generate(
    out: Path,
    *,
    train: int,
    val: int,
    test: int = 0,
    size: tuple[int, int] = (128, 256),
    seed: int = 0,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Callable[[], None] | None = None,
) -> None:
    """Write streets below ``out``: images, label ids, instance ids, disparity and cameras.

    Every image depends on (seed, split, index) alone: the files are the same whatever the workers. ``streets.json``
    comes last, so that a set that was stopped half-way is not taken for a whole one.

    Args:
        out: a folder that is empty or absent, unless ``overwrite``.
        train: how many training images.
        val: how many validation images.
        test: how many test images.
        size: height and width, px.
        seed: of the set.
        workers: processes; ``None``: as many as there are cores.
        overwrite: replace streets that lie there, and nothing else.
        progress: called after each image.

    Raises:
        UsageError: a number out of range.
        RunError: the folder holds something, or cannot be written.
    """
    counts = dict(zip(SPLITS, (train, val, test), strict=True))
    _check(counts, size, seed, workers)
    _prepare(out, overwrite)
    jobs = [(split, index) for split, count in counts.items() for index in range(count)]
    try:
        for split in {split for split, _ in jobs}:
            for folder in FOLDERS:
                (out / folder / split / CITY).mkdir(parents=True, exist_ok=True)
        write = functools.partial(write_street, out, size, seed)
        for _ in _each(write, jobs, workers):
            if progress is not None:
                progress()
        manifest = {"format": 1, "seed": seed, "size": list(size), **counts}
        (out / MANIFEST).write_text(json.dumps(manifest) + "\n", encoding="utf-8")
    except OSError as error:
        raise RunError(f"{out}: expected to write streets, found: {error.strerror or error}") from None


def write_street(out: Path, size: tuple[int, int], seed: int, job: Job) -> None:
    """Render and write one street."""
    split, index = job
    street = render(seed, zlib.crc32(split.encode()), index, size)
    name = f"{split}/{CITY}/{CITY}_{index:06d}_000019"
    _save(out / f"leftImg8bit/{name}_leftImg8bit.png", street.image)
    _save(out / f"gtFine/{name}_gtFine_labelIds.png", street.label)
    _save(out / f"gtFine/{name}_gtFine_instanceIds.png", street.instance)
    _save(out / f"disparity/{name}_disparity.png", street.disparity)
    camera = json.dumps(street.camera.as_table(), indent=4) + "\n"
    (out / f"camera/{name}_camera.json").write_text(camera, encoding="utf-8")


def _each(write: Callable[[Job], None], jobs: list[Job], workers: int | None) -> Iterator[None]:
    count = min(workers or os.cpu_count() or 1, max(len(jobs) // 4, 1))
    if count == 1:
        yield from map(write, jobs)
        return
    # A fork would copy the threads' locks of a process that has used torch.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(count, mp_context=context) as pool:
        yield from pool.map(write, jobs, chunksize=4)


def _save(path: Path, array: npt.NDArray[np.uint8] | npt.NDArray[np.uint16]) -> None:
    Image.fromarray(array).save(path, compress_level=COMPRESSION)


def _check(counts: dict[str, int], size: tuple[int, int], seed: int, workers: int | None) -> None:
    for split, count in counts.items():
        if not 0 <= count <= 999_999:
            raise UsageError(f"{split}: expected 0 … 999999 images, found {count}")
    if sum(counts.values()) == 0:
        raise UsageError("expected at least one image, found train, val and test all 0")
    if not (32 <= size[0] <= 4096 and 32 <= size[1] <= 8192):
        raise UsageError(f"size: expected a height of 32 … 4096 and a width of 32 … 8192 px, found {size[0]}x{size[1]}")
    if seed < 0:
        raise UsageError(f"seed: expected 0 or more, found {seed}")
    if workers is not None and workers < 1:
        raise UsageError(f"workers: expected at least 1, found {workers}")


def _prepare(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise RunError(f"expected a folder at {out}, found a file: choose another place")
    try:
        present = {path.name for path in out.iterdir()} if out.exists() else set()
        strange = present - {*FOLDERS, MANIFEST}
        if present and (not overwrite or strange):
            what = f"expected an empty folder at {out}, found {sorted(strange or present)[0]!r} in it"
            raise RunError(f"{what}: choose another place" + ("" if overwrite or strange else ", or --overwrite"))
        (out / MANIFEST).unlink(missing_ok=True)
        for name in present - {MANIFEST}:
            shutil.rmtree(out / name)
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{out}: expected a folder to write to, found: {error.strerror or error}") from None
