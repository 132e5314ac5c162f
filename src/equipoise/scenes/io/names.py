"""Names of files that other systems spell differently: composed or decomposed letters, hidden files."""

import os
import unicodedata
from functools import lru_cache
from pathlib import Path, PurePosixPath

from equipoise.errors import DataError


def to_nfc(text: str) -> str:
    r"""Text in Unicode's composed form (NFC), in which names are compared; macOS often stores the decomposed one.

    >>> to_nfc("u\u0308") == "\u00fc"
    True
    """
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def stored_spelling(root: Path, relative: str) -> str:
    """A path below ``root`` spelled as it is on the disk, whichever form its letters have there.

    A path of which nothing exists is returned as it is.

    Raises:
        DataError: two files have names that differ only in the form of their letters.
    """
    if relative.isascii() or PurePosixPath(relative).is_absolute() or "\0" in relative:
        return relative
    place = root
    for part in PurePosixPath(relative).parts:
        place = place / (part if part.isascii() else _spelled(place, part))
    return place.relative_to(root).as_posix()


def _spelled(folder: Path, name: str) -> str:
    """The name of an entry of a folder, as it is stored."""
    try:
        found = _entries(str(folder), folder.stat().st_mtime_ns).get(to_nfc(name), [name])
    except OSError:
        return name
    if len(found) > 1:
        raise DataError(f"{folder}: {duplicate_spelling_message(found[0], found[1])}")
    return found[0]


def duplicate_spelling_message(first: str, second: str) -> str:
    """What is wrong with two names that look the same."""
    return (
        f"expected names that look different, found {first!a} and {second!a}, the same letters composed and "
        "decomposed: rename one"
    )


@lru_cache(maxsize=64)
def _entries(folder: str, changed_ns: int) -> dict[str, list[str]]:
    """The entries of a folder by their composed names; ``changed_ns`` only tells the cache when to read it again."""
    entries: dict[str, list[str]] = {}
    for name in sorted(os.listdir(folder)):  # noqa: PTH208
        entries.setdefault(to_nfc(name), []).append(name)
    return entries


def lookalike_hint(path: Path) -> str:
    """For a message that misses a file: one beside it whose name differs in the spelling of its suffix, or in case."""
    try:
        names = _entries(str(path.parent), path.parent.stat().st_mtime_ns)
    except OSError:
        return ""
    found = [name for name in names if _plain(name) == _plain(path.name)]
    return f" ({found[0]} is there: rename it)" if found else ""


def _plain(name: str) -> str:
    return to_nfc(name).casefold().replace(".jpeg", ".jpg")


def is_hidden(path: str, pattern: str = "") -> bool:
    """Whether a file, or a folder it lies in, is hidden (its name starts with a dot) and the pattern names none.

    macOS writes such files (``._photo.png``) beside others on disks that are not its own.

    >>> is_hidden("images/._0.png", "images/{name}.png"), is_hidden(".data/0.png", ".data/{name}.png")
    (True, False)
    """
    return _dotted(path) > _dotted(pattern)


def _dotted(path: str) -> int:
    return sum(part.startswith(".") and part not in (".", "..") for part in path.split("/"))
