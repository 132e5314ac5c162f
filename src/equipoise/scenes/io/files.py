"""List the files below a folder, following links."""

import os
import re
from collections.abc import Iterable
from heapq import heappop, heappush
from pathlib import Path

from equipoise.errors import DataError


def list_files(folder: Path) -> list[Path]:
    """List all files below ``folder``, sorted. Linked folders are visited once each; broken links count as files.

    Files that equipoise wrote itself are skipped: run folders and the files of predictions. If several paths lead to
    one folder, a path without links is preferred over one with links, and both over one with hidden folders.

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
        if {"run.json", "recipe.json", "log.jsonl"} <= set(names):
            continue
        written = prediction_files(names)
        found += [here / name for name in names if name not in written]
        for name in folders:
            own = HIDDEN if name.startswith(".") else LINKED if (here / name).is_symlink() else PLAIN
            heappush(waiting, (max(way, own), here / name))
    return sorted(found)


PLAIN, LINKED, HIDDEN = 0, 1, 2
"""Kinds of path to a folder, the preferred first."""


def _entries(folder: Path) -> tuple[list[str], list[str]]:
    """Return the names of the subfolders and of the files in a folder."""
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


def prediction_files(names: Iterable[str]) -> set[str]:
    """Return those names that ``equipoise predict`` wrote: ``NAME.json``, its overlays and the files beside them."""
    here = set(names)
    found = set()
    for match in filter(None, map(OVERLAY.fullmatch, here)):
        stem, task = match.groups()
        if f"{stem}.json" in here:
            found |= {stem + end for end in (f"_{task}_overlay.png", f"_{task}.png", *WITH_OVERLAYS)}
    return found


OVERLAY = re.compile(r"(.+)_([a-z]+)_overlay\.png", re.DOTALL)
"""The name of a prediction, and its task."""
WITH_OVERLAYS = ("_disparity.png", "_offsets.png", ".json")


def path_exists(path: Path) -> bool:
    """Whether the path exists. Broken links count, so that reading one reports what is wrong with it."""
    return os.path.lexists(path)
