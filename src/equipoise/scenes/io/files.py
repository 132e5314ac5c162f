"""List the files below a folder, following links."""

import os
from heapq import heappop, heappush
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.io.predictions import prediction_files
from equipoise.scenes.io.run_files import LOG_JSONL, RECIPE, RECORD


def list_files(folder: Path) -> list[Path]:
    """List all files below ``folder``, sorted. Each linked folder is followed once; broken links count as files.

    Run folders and predictions, which Equipoise wrote itself, are left out. If several paths lead to a folder, one
    without hidden folders and links is preferred.

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
"""Kinds of paths to a folder, in order of preference."""


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the folders and of the files in a folder."""
    try:
        with os.scandir(folder) as entries:
            kinds = [(_is_folder(entry), entry.name) for entry in entries]
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise DataError(f"{folder}: expected a readable folder, found: {error.strerror}") from None
    return [name for is_folder, name in kinds if is_folder], [name for is_folder, name in kinds if not is_folder]


def _is_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # For example, a link to itself.
        return False


def path_exists(path: Path) -> bool:
    """Whether anything exists at a path, even a broken link: reading it then reports the mistake."""
    return os.path.lexists(path)
