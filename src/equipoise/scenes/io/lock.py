"""One process at a time writes a folder. The system drops the lock when its process ends, however that ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from equipoise.errors import RunError

if sys.platform != "win32":  # Nothing is locked on Windows.
    import fcntl

LOCK = ".lock"
TRIES = 1000
"""Enough for any number of processes; an end, where a file system numbers a file anew whenever it is opened."""


@contextmanager
def exclusive_lock(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[None]:
    """Hold a folder while the block runs. The lock file is removed at the end, also after an error or a signal.

    Args:
        folder: an existing folder.
        name: the name of the lock file.
        wait: wait while another process holds the folder, instead of raising.

    Raises:
        RunError: another process holds the folder, or nothing can be written there.
    """
    if sys.platform == "win32":
        yield
        return
    for attempt in range(TRIES):
        with _lock_file(folder / name) as file:
            _lock(file, folder, wait)
            # If the process before us has just removed the file, make a new one.
            if _is_still(folder / name, file) or attempt == TRIES - 1:
                yield
                return


@contextmanager
def _lock_file(path: Path) -> Iterator[IO[bytes]]:
    """The open lock file; at the end it is removed unless another process holds it."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise RunError(f"{path.parent}: expected a folder to write to, found: {error.strerror}") from None
    with file:
        try:
            yield file
        finally:
            if _is_free(file) and _is_still(path, file):
                with suppress(OSError):
                    path.unlink()


def _lock(file: IO[bytes], folder: Path, wait: bool) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise RunError(
            f"expected no other process that writes to {folder}, found another process there: wait until it ends, or "
            "choose another --out"
        ) from None
    except OSError:
        pass  # A file system without locks.


def _is_free(file: IO[bytes]) -> bool:
    """Whether no other process holds the lock; this one may."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _is_still(path: Path, file: IO[bytes]) -> bool:
    """Whether the open file is the one that lies at the path now."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False
