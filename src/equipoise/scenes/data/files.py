"""The files below a folder, through links too."""

import os
from pathlib import Path


def walked(folder: Path) -> list[Path]:
    """All files below ``folder``, sorted; linked folders are followed, each once."""
    found: list[Path] = []
    seen: set[str] = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        here = os.path.realpath(parent)
        if here in seen:
            folders.clear()
            continue
        seen.add(here)
        found += [path for path in (Path(parent, name) for name in names) if path.is_file()]
    return sorted(found)
