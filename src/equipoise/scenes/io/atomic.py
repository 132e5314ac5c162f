"""Files that are whole or not there: written beside, synced, renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def write_synced(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file and, by default, wait until the disk has it."""
    with errors_naming(path), path.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


@contextmanager
def errors_naming(path: Path) -> Iterator[None]:
    """An error of the block names the file, as one of a full disk does not by itself."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace one file so that a reader sees the old one or the new one, never a part.

    ``sync``: wait until the disk has it, so that this holds after a power cut, too.
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
    """Wait until the disk has the folder's entries (a rename among them)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
