"""The files below a folder, through links too."""

import os
from pathlib import Path

from equipoise.errors import DataError


def walked(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted; linked folders are followed, each once. Broken links are files, too.

    Raises:
        DataError: a folder may not be read.
    """
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True, onerror=_unreadable):
        here = os.path.realpath(parent)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        found += [Path(parent, name) for name in names]
    return sorted(found)


def there(path: Path) -> bool:
    """Whether something lies at a path, be it no file or a broken link: who reads it says what is wrong with it."""
    return os.path.lexists(path)


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise DataError(f"{error.filename}: expected a folder that may be read, found: {error.strerror}")
