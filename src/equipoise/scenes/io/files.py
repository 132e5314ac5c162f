"""List the files below a folder, following links."""

import os
from heapq import heappop, heappush
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.io.predictions import prediction_files
from equipoise.scenes.io.run_files import LOG_JSONL, RECIPE, RECORD


def list_files(folder: Path) -> list[Path]:
    """List all files below ``folder``, sorted. Linked folders are followed once each; broken links count as files.

    Files that equipoise wrote itself are left out: run folders and predictions. If several paths lead to a folder, the
    one without hidden folders and links is preferred.

    Raises:
        DataError: a folder cannot be read.
    """
    found: list[Path] = []
    seen: set[str] = set()
    waiting = [(PLAIN, folder)]
    while waiting:
        way, here = heappop(waiting)
        if (real := os.path.realpath(here)) in seen:
            continue
        seen.add(real)
        folders, names = _entries(here)
        if {RECORD, RECIPE, LOG_JSONL} <= set(names):
            continue
        written = prediction_files(here, names)
        found += [here / name for name in names if name not in written]
        for name in folders:
            own = HIDDEN if name.startswith(".") else LINKED if (here / name).is_symlink() else PLAIN
            heappush(waiting, (max(way, own), here / name))
    return sorted(found)


PLAIN, LINKED, HIDDEN = 0, 1, 2
"""Ways to a folder, the best first."""


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """The names of the folders and of the files in a folder."""
    try:
        with os.scandir(folder) as entries:
            kinds = [(_is_folder(entry), entry.name) for entry in entries]
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise DataError(f"{folder}: expected a folder that may be read, found: {error.strerror}") from None
    return [name for is_folder, name in kinds if is_folder], [name for is_folder, name in kinds if not is_folder]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # A link that leads to itself, for one.
        return False


def path_exists(path: Path) -> bool:
    """Whether something lies at a path, be it no file or a broken link: who reads it says what is wrong with it."""
    return os.path.lexists(path)
