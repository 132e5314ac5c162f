"""Paths below a root, and patterns of them with ``{name}``."""

import re
from pathlib import Path

from equipoise.errors import DataError
from equipoise.scenes.io.names import stored_spelling, to_nfc


def path_below(root: Path, relative: str) -> Path:
    """A path inside of a root, spelled as on the disk; raises ``DataError`` where it leads out."""
    if "\0" in relative:
        raise DataError(f"expected a path below {root}, found one with a NUL")
    path = root / stored_spelling(root, relative)
    try:
        inside = path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # Links that lead to themselves are told by who reads them.
        inside = True
    if Path(relative).is_absolute():
        raise DataError(f"expected a path from {root} on, found {relative!r}, which starts at the file system's root")
    if ".." in Path(relative).parts or not inside:
        link = ", by a link: name what it points to as the root" if path.is_symlink() else ""
        raise DataError(f"expected a path below {root}, found {relative!r}, which leads out of it{link}")
    return path


def pattern_folder(pattern: str) -> str:
    """The folder that holds all files of a pattern, from the root on.

    >>> pattern_folder("images/left_{name}.png"), pattern_folder("{name}.png")
    ('images', '.')
    """
    return pattern.split("{name}")[0].rpartition("/")[0] or "."


def pattern_regex(pattern: str) -> re.Pattern[str]:
    """Fits the composed paths of a pattern; its group is the name."""
    head, tail = to_nfc(pattern).split("{name}")
    return re.compile(re.escape(head) + "(.+)" + re.escape(tail), re.DOTALL)


def matches_pattern(path: str, pattern: str) -> bool:
    """Whether a file at ``path``, from the root on, would be one of a pattern's."""
    return pattern_regex(pattern).fullmatch(to_nfc(path)) is not None
