"""Which files predictions wrote: the record of each prediction lists them."""

from collections.abc import Iterable
from pathlib import Path

from equipoise.scenes.io.json import read_json


def prediction_files(folder: Path, names: Iterable[str]) -> set[str]:
    """Of the names in a folder those of predictions; reads only records that have a picture called after them."""
    here = set(names)
    stems = {name[:i] for name in here if name.endswith(".png") for i, letter in enumerate(name) if letter == "_"}
    return {file for stem in stems if f"{stem}.json" in here for file in listed(folder / f"{stem}.json")} & here


def listed(record: Path) -> list[str]:
    """The files of an earlier prediction, as its record lists them; none where it is no such record."""
    try:
        facts = read_json(record)
    except (OSError, ValueError):
        return []
    files = facts.get("files") if isinstance(facts, dict) and facts.get("format") == 1 else None
    if not isinstance(files, list) or "sigma" not in facts:
        return []
    return [*(str(file) for file in files if Path(str(file)).name == file), record.name]
