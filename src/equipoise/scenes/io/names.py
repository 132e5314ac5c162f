"""File names across systems: Unicode forms (NFC, NFD), spellings of suffixes, hidden files."""

import os
import unicodedata
from collections.abc import Container
from functools import lru_cache
from pathlib import Path, PurePosixPath

from equipoise.errors import DataError


def to_nfc(text: str) -> str:
    r"""Normalise text to Unicode's composed form (NFC) for comparisons. macOS often stores the decomposed form (NFD).

    >>> to_nfc("u\u0308") == "\u00fc"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def longest_end(path: Path, names: Container[str]) -> str | None:
    """Return the longest end of a path, from one of its folders on, that is among ``names``, which are NFC.

    >>> longest_end(Path("data/val/a.png"), {"a.png", "val/a.png"})
    'val/a.png'
    """
    parts = to_nfc(path.as_posix()).split("/")
    ends = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((end for end in ends if end in names), None)


def stored_spelling(root: Path, relative: str) -> str:
    """Return a path below ``root`` as it is spelled on disk, where its letters may have another Unicode form.

    Parts that do not exist are returned unchanged.

    Raises:
        DataError: the names of two files differ only in their Unicode form.
    """
    if relative.isascii() or PurePosixPath(relative).is_absolute() or "\0" in relative:
        return relative
    place = root
    for part in PurePosixPath(relative).parts:
        place = place / (part if part.isascii() else _spelled(place, part))
    return place.relative_to(root).as_posix()


def _spelled(folder: Path, name: str) -> str:
    """Return the name of a folder's entry as it is stored."""
    try:
        found = _entries(str(folder), folder.stat().st_mtime_ns).get(to_nfc(name), [name])
    except OSError:
        return name
    if len(found) > 1:
        raise DataError(f"{folder}: {duplicate_spelling_message(found[0], found[1])}")
    return found[0]


def duplicate_spelling_message(first: str, second: str) -> str:
    """The error message for two names that look the same."""
    return (
        f"expected names that look different, found {first!a} and {second!a}, which differ only in their Unicode form "
        "(composed and decomposed letters): rename one"
    )


@lru_cache(maxsize=64)
def _entries(folder: str, changed_ns: int) -> dict[str, list[str]]:
    """The entries of a folder by their NFC names. ``changed_ns`` makes the cache reread a changed folder."""
    entries: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        entries.setdefault(to_nfc(name), []).append(name)
    return entries


def lookalike_hint(path: Path) -> str:
    """For a message about a missing file: a file beside it whose name differs only in case or in ``.jpg``/``.jpeg``."""
    try:
        names = _entries(str(path.parent), path.parent.stat().st_mtime_ns)
    except OSError:
        return ""
    found = [name for name in names if _plain(name) == _plain(path.name)]
    return f" ({found[0]} exists: rename it)" if found else ""


def _plain(name: str) -> str:
    return to_nfc(name).casefold().replace(".jpeg", ".jpg")


def is_hidden(path: str, pattern: str = "") -> bool:
    """Whether a file or one of its folders is hidden (its name starts with a dot), though not in the pattern.

    macOS writes such files (``._photo.png``) beside others on foreign file systems.

    >>> is_hidden("images/._0.png", "images/{name}.png"), is_hidden(".data/0.png", ".data/{name}.png")
    (True, False)
    """
    return _dotted(path) > _dotted(pattern)


def _dotted(path: str) -> int:
    return sum(part.startswith(".") and part not in (".", "..") for part in path.split("/"))
