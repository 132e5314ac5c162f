"""The files below a folder, through links too."""

import os
from collections.abc import Iterable
from pathlib import Path

from equipoise.errors import DataError


def walked(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted; linked folders are followed, each once. Broken links are files, too.

    But for what equipoise wrote itself: the folders of runs, and the pictures of predictions.

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
        if {"run.json", "recipe.json", "log.jsonl"} <= set(names):
            folders.clear()
            continue
        written = predicted(names)
        found += [Path(parent, name) for name in names if name not in written]
    return sorted(found)


def predicted(names: Iterable[str]) -> set[str]:
    """Of the names in a folder those that predictions have: ``NAME.json``, its overlays, and what goes with them."""
    here = set(names)
    endings = [f"_{task}{end}.png" for task in ("semantic", "instance", "depth") for end in ("_overlay", "")]
    stems = {name.removesuffix(end) for name in here for end in endings[::2] if name.endswith(end)}
    endings += ["_disparity.png", "_offsets.png", ".json"]
    return {stem + end for stem in stems if f"{stem}.json" in here for end in endings}


def there(path: Path) -> bool:
    """Whether something lies at a path, be it no file or a broken link: who reads it says what is wrong with it."""
    return os.path.lexists(path)


def _unreadable(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise DataError(f"{error.filename}: expected a folder that may be read, found: {error.strerror}")
