"""The files of a comparison: one JSON file a run, written atomically, so that a killed process leaves no half file."""

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

from equipoise.comparison.records import RunRecord

FOLDER = "runs"


def path_of(folder: Path, row: str, candidate: str, seed: int) -> Path:
    """The file of a run."""
    return folder / FOLDER / _safe(row) / f"{_safe(candidate)}-seed-{seed}.json"


def load(folder: Path, row: str, candidate: str, seed: int) -> RunRecord | None:
    """The record of a run; ``None`` where there is none.

    Raises:
        ValueError: the file cannot be read as a record; names the file.
    """
    path = path_of(folder, row, candidate, seed)
    return _read(path) if path.exists() else None


def save(folder: Path, record: RunRecord) -> Path:
    """Write the file of a run, replacing an older one, and return its path."""
    path = path_of(folder, record.row, record.candidate, record.seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, record.to_json())
    return path


def records(folder: Path) -> Iterator[RunRecord]:
    """All runs of a folder, by the names of their files.

    Raises:
        ValueError: a file cannot be read as a record; names the file.
    """
    for path in sorted((folder / FOLDER).glob("*/*.json")):
        yield _read(path)


def replace(path: Path, text: str) -> None:
    """Write a text file so that a reader sees the old or the new content, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.writing")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _read(path: Path) -> RunRecord:
    try:
        return RunRecord.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{path}: expected the record of a run, found {error}: remove the file to run it again"
        ) from error


def _safe(name: str) -> str:
    """A file name for any name: readable, and different for different names."""
    plain = re.sub(r"[^A-Za-z0-9.+-]+", "-", name).strip("-.")[:60]
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"
