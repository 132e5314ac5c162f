"""Find the files of earlier predictions, which the record of each prediction lists."""

from collections.abc import Iterable
from pathlib import Path

from equipoise.scenes.io.json import read_json


def prediction_files(folder: Path, names: Iterable[str]) -> set[str]:
    """Return the names in a folder that belong to predictions.

    Only JSON files with a picture or video of that name are read.
    """
    here = set(names)
    stems = {
        name[:i] for name in here if name.endswith((".png", ".mp4")) for i, letter in enumerate(name) if letter == "_"
    }
    return {file for stem in stems if f"{stem}.json" in here for file in listed(folder / f"{stem}.json")} & here


def listed(record: Path) -> list[str]:
    """Return the files that the record of a prediction lists; empty if the file is no such record."""
    try:
        facts = read_json(record)
    except (OSError, ValueError):
        return []
    files = facts.get("files") if isinstance(facts, dict) and facts.get("format") == 1 else None
    if not isinstance(files, list) or "sigma" not in facts:
        return []
    return [*(str(file) for file in files if Path(str(file)).name == file), record.name]
