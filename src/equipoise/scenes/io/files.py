"""The files below a folder, through links too."""

import os
import re
from collections.abc import Iterable
from heapq import heappop, heappush
from pathlib import Path

from equipoise.errors import DataError


def walked(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted; linked folders are followed, each once. Broken links are files, too.

    Leaves out what equipoise itself wrote: the folders of runs, and the pictures of predictions. A folder that can be
    reached in several ways is named by a way without hidden folders and links, where there is one.

    Raises:
        DataError: a folder may not be read.
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
        written = predicted(names)
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


def predicted(names: Iterable[str]) -> set[str]:
    """Of the names in a folder those that predictions have: ``NAME.json``, its overlays, and what goes with them."""
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


def there(path: Path) -> bool:
    """Whether something lies at a path, be it no file or a broken link: who reads it says what is wrong with it."""
    return os.path.lexists(path)
