"""Paths below a root folder, and path patterns with ``{name}``."""

import re
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.io.names import stored_spelling, to_nfc


def path_below(root: Path, relative: str) -> Path:
    """Join a relative path to a root, spelled as on disk. Raises ``DataError`` if it leads outside the root."""
    if "\0" in relative:
        raise DataError(f"expected a path below {root}, found one with a NUL character")
    path = root / stored_spelling(root, relative)
    try:
        inside = path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # A link to itself is reported when it is read.
        inside = True
    if Path(relative).is_absolute():
        raise DataError(f"expected a path relative to {root}, found the absolute path {relative!r}")
    if ".." in Path(relative).parts or not inside:
        link = ", through a link: use the link's target as the root" if path.is_symlink() else ""
        raise DataError(f"expected a path below {root}, found {relative!r}, which leads out of it{link}")
    return path


def pattern_folder(pattern: str) -> str:
    """The deepest folder that contains all files of a pattern, relative to the root.

    >>> pattern_folder("images/left_{name}.png"), pattern_folder("{name}.png")
    ('images', '.')
    """
    return pattern.split("{name}")[0].rpartition("/")[0] or "."


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """Compile a pattern to a regular expression for NFC paths; its only group is the name."""
    head, tail = to_nfc(pattern).split("{name}")
    return re.compile(re.escape(head) + "(.+)" + re.escape(tail), re.DOTALL)


def matches_pattern(path: str, pattern: str) -> bool:
    """Whether ``path``, relative to the root, matches a pattern."""
    return pattern_regex(pattern).fullmatch(to_nfc(path)) is not None
