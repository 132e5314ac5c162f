"""One process at a time writes a folder: a lock that the system takes back when its process ends, however it ends."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equipoise.errors import RunError

if sys.platform != "win32":  # Where nothing is locked.
    import fcntl

LOCK = ".lock"


@contextmanager
def alone_in(folder: Path, *, name: str = LOCK, wait: bool = False) -> Iterator[None]:
    """Hold a folder that exists while the block runs; ``wait``: until another process leaves it.

    Raises:
        RunError: another process holds it, or nothing can be written there.
    """
    if sys.platform == "win32":
        yield
        return
    try:
        file = (folder / name).open("ab")
    except OSError as error:
        raise RunError(f"{folder}: expected a folder to write to, found: {error.strerror}") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise RunError(
                f"expected to be the only one who writes to {folder}, found another process there: wait until it "
                "ends, or choose another --out"
            ) from None
        except OSError:
            pass  # A file system without locks.
        yield
