"""Write generated streets to disk, in Cityscapes' layout."""

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Generator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from equipoise.errors import RunError, UsageError
from equipoise.scenes.io.lock import LOCK, exclusive_lock
from equipoise.scenes.streets.render import render
from equipoise.scenes.visual.colors import normal_colors

CITY = "streets"
FOLDERS = ("leftImg8bit", "gtFine", "disparity", "camera")
NORMALS = "normals"
MANIFEST = "streets.json"
UNFINISHED = ".unfinished"
"""The folder of a data set until it is complete. No reader looks there."""
WRITTEN = "equipoise: written\n"
"""The line that a process prints for each written street. Its other output is ignored."""
FAILED = "equipoise: failed: "
SPLITS = ("train", "val", "test")
COMPRESSION = 3
"""zlib's level. Level 9 takes three times as long and saves a tenth."""

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
    normals: bool = False,
    progress: Callable[[], None] | None = None,
) -> None:
    """Write streets below ``out``: images, label ids, instance ids, disparity and cameras.

    Each image depends only on (seed, split, index), so the files do not depend on the number of workers. They are moved
    to their place when all are written: an interrupted run leaves no incomplete data set, and does not damage the one
    that it was to replace.

    Args:
        out: a folder that is empty or absent, unless ``overwrite``.
        train: the number of training images.
        val: the number of validation images.
        test: the number of test images.
        size: (height, width), px.
        seed: the seed of all streets.
        workers: the number of processes; ``None``: one per core.
        overwrite: replace existing generated streets, but no other data of the same layout.
        normals: also write surface normals, as ``normals/SPLIT/streets/NAME_normals.png``.
        progress: called after each image.

    Raises:
        UsageError: a number is out of range.
        RunError: the folder is not empty, or cannot be written.
    """
    counts = dict(zip(SPLITS, (train, val, test), strict=True))
    _check(counts, size, seed, workers)
    jobs = [(split, index) for split, count in counts.items() for index in range(count)]
    try:
        _refuse(out, overwrite)
        out.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(out):
            _write_all(out, size, seed, jobs, workers, progress, normals=normals)
            manifest = {"format": 1, "seed": seed, "size": list(size), **counts}
            (out / UNFINISHED / MANIFEST).write_text(json.dumps(manifest) + "\n", encoding="utf-8")
            _finish(out)
    except OSError as error:
        raise RunError(f"{out}: expected to write streets, found: {error.strerror or error}") from None


def _write_all(
    out: Path,
    size: tuple[int, int],
    seed: int,
    jobs: list[Job],
    workers: int | None,
    progress: Callable[[], None] | None,
    *,
    normals: bool,
) -> None:
    """Write all streets to a temporary folder; remove it if one of them fails."""
    unfinished = out / UNFINISHED
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        for split in {split for split, _ in jobs}:
            for folder in (*FOLDERS, NORMALS) if normals else FOLDERS:
                (unfinished / folder / split / CITY).mkdir(parents=True)
        with contextlib.closing(_each(unfinished, size, seed, jobs, workers, normals=normals)) as written:
            for _ in written:
                if progress is not None:
                    progress()
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def write_street(out: Path, size: tuple[int, int], seed: int, job: Job, *, normals: bool) -> None:
    """Render and write one street; ``normals``: also its surface normals."""
    split, index = job
    street = render(seed, zlib.crc32(split.encode()), index, size)
    name = f"{split}/{CITY}/{CITY}_{index:06d}_000019"
    _save(out / f"leftImg8bit/{name}_leftImg8bit.png", street.image)
    _save(out / f"gtFine/{name}_gtFine_labelIds.png", street.label)
    _save(out / f"gtFine/{name}_gtFine_instanceIds.png", street.instance)
    _save(out / f"disparity/{name}_disparity.png", street.disparity)
    if normals:
        _save(out / f"{NORMALS}/{name}_normals.png", normal_colors(street.normal))
    camera = json.dumps(street.camera.as_table(), indent=4) + "\n"
    (out / f"camera/{name}_camera.json").write_text(camera, encoding="utf-8")


def _each(
    out: Path, size: tuple[int, int], seed: int, jobs: list[Job], workers: int | None, *, normals: bool
) -> Generator[None]:
    """Write all jobs with this number of processes; yield after each job."""
    count = min(workers or os.cpu_count() or 1, max(len(jobs) // 8, 1))
    if count == 1:
        for job in jobs:
            write_street(out, size, seed, job, normals=normals)
            yield
        return
    # Not multiprocessing, whose processes would run the caller's main module again.
    # -P: do not import modules from the current folder.
    command = [sys.executable, "-P", "-m", "equipoise.scenes.streets", str(out), *map(str, size), str(seed)]
    command += [NORMALS] * normals
    done: queue.Queue[str] = queue.Queue()
    with contextlib.ExitStack() as stack:
        processes = []
        for part in range(count):
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            stack.callback(_end, process)
            processes.append(process)
            text = "".join(f"{split} {index}\n" for split, index in jobs[part::count])
            threading.Thread(target=_follow, args=(process, text, done), daemon=True).start()
        for _ in jobs:
            if fault := done.get():
                raise RunError(f"{out.parent}: expected to write streets, found: {fault}")
            yield


def _follow(process: "subprocess.Popen[str]", text: str, done: "queue.Queue[str]") -> None:
    """Send a process its jobs, and queue an empty text for each finished job, or the reason why it ended early."""
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(OSError):
        process.stdin.write(text)
        process.stdin.close()
    written, fault = 0, "a process that ended early"
    for line in process.stdout:
        if line == WRITTEN:
            written += 1
            done.put("")
        elif line.startswith(FAILED):
            fault = line.removeprefix(FAILED).strip()
    if process.wait() != 0 or written < text.count("\n"):
        done.put(fault)


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()


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


def _refuse(out: Path, overwrite: bool) -> None:
    """Refuse a folder whose files would be lost or mixed with streets."""
    if out.exists() and not out.is_dir():
        raise RunError(f"expected a folder at {out}, found a file: choose another place")
    present = {path.name for path in out.iterdir()} - {UNFINISHED, LOCK} if out.exists() else set()
    strange = sorted(present - {*FOLDERS, NORMALS, MANIFEST})
    # Cityscapes has the same folders; those written by this module contain a single city.
    for folder in (*FOLDERS, NORMALS):
        strange += sorted(str(p.relative_to(out)) for p in out.glob(f"{folder}/*/*") if p.name != CITY)
    if strange or (present and not overwrite):
        what = f"expected an empty folder at {out}, found {(strange or sorted(present))[0]!r} in it"
        raise RunError(f"{what}: choose another place" + ("" if overwrite or strange else ", or --overwrite"))


def _finish(out: Path) -> None:
    """Move a complete data set to its place, replacing an older one. The manifest is removed first and added last."""
    (out / MANIFEST).unlink(missing_ok=True)
    for folder in (*FOLDERS, NORMALS):
        if (out / folder).exists():
            shutil.rmtree(out / folder)
        if (out / UNFINISHED / folder).exists():
            (out / UNFINISHED / folder).rename(out / folder)
    (out / UNFINISHED / MANIFEST).rename(out / MANIFEST)
    (out / UNFINISHED).rmdir()
