"""Atomic writes: write a temporary file beside the target, sync it, rename it over the target."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_synced(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file and, if ``sync``, wait until the data are on disk."""
    with errors_naming(path), path.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


@contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """Add the file's name to an ``OSError`` that lacks it, such as "No space left on device"."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace a file atomically: a reader sees the old content or the new content, never part of it.

    Args:
        path: the file to replace or create.
        data: its new content.
        sync: wait until the data are on disk, so that the write also survives a power cut.

    Raises:
        OSError: the file cannot be written; the error names the file and the temporary file is removed.
    """
    temporary = path.with_name(f".{path.name}.writing")
    try:
        write_synced(temporary, data, sync=sync)
        with errors_naming(path):
            temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Wait until the folder's entries are on disk, including recent renames."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
