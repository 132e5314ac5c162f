"""Locks that let one process at a time write to a folder. The system releases a lock when its process ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from equipoise.errors import RunError

if sys.platform != "win32":  # There is no locking on Windows.
    import fcntl

LOCK = ".lock"
TRIES = 1000
"""Upper limit, for file systems that give a file a new inode number each time it is opened."""


@contextmanager
def exclusive_lock(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[None]:
    """Lock a folder while the block runs. The lock file is removed at the end, also after an error or a signal.

    Args:
        folder: an existing folder.
        name: the name of the lock file.
        wait: wait for another process to release the lock, instead of raising an error.

    Raises:
        RunError: another process holds the lock, or the folder is not writable.
    """
    if sys.platform == "win32":
        yield
        return
    for attempt in range(TRIES):
        with _lock_file(folder / name) as file:
            _lock(file, folder, wait)
            # If the previous holder has just removed the file, create a new one.
            if _is_still(folder / name, file) or attempt == TRIES - 1:
                yield
                return


@contextmanager
def _lock_file(path: Path) -> Iterator[IO[bytes]]:
    """Open the lock file and, at the end, remove it unless another process holds the lock."""
    try:
        file = path.open("ab")
    except OSError as error:
        raise RunError(f"{path.parent}: expected a writable folder, found: {error.strerror}") from None
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
            f"expected no other process to write to {folder}, found another process there: wait until it ends, or "
            "choose another --out"
        ) from None
    except OSError:
        pass  # The file system does not support locks.


def _is_free(file: IO[bytes]) -> bool:
    """Whether no other process holds the lock. It may be held by this process."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        pass
    return True


def _is_still(path: Path, file: IO[bytes]) -> bool:
    """Whether the path still refers to the open file."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False
