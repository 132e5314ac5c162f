"""Find out before long work whether its result can be written."""

import tempfile
from pathlib import Path

from equipoise.errors import RunError
from equipoise.scenes.io.files import path_exists


def expect_writable(path: Path, option: str = "--out") -> None:
    """Raise ``RunError`` where nothing can be written beside ``path``, or in the nearest folder above it that exists.

    Tries it with a folder that is removed at once, since permissions alone do not tell (read-only disks, root).

    Args:
        path: the file or folder to write.
        option: what named it, for the message.
    """
    parent = next(folder for folder in path.absolute().parents if path_exists(folder))
    try:
        tempfile.TemporaryDirectory(prefix=".equipoise-", dir=parent).cleanup()
    except OSError as error:
        raise RunError(
            f"{option}: expected a folder that can be written at {parent}, found: {error.strerror}: choose another one"
        ) from None
