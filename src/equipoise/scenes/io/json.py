"""Read and write JSON."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from equipoise.errors import RunError

LARGEST_JSON = 256 * 2**20
"""Largest JSON file that is read, bytes."""


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises ``ValueError`` for invalid or oversized content and for pipes and devices."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError("no regular file")
    if path.is_file() and path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"more than {LARGEST_JSON >> 20} MB")
    return parse_json(path.read_bytes())


def read_format(path: Path, version: int, what: str) -> dict[str, Any]:
    """Read a table whose key ``format`` is ``version``.

    Raises:
        FileNotFoundError, NotADirectoryError: there is no such file.
        RunError: it cannot be read, is no JSON, or has another format; the message names ``what`` it is.
    """
    try:
        table = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        raise
    except OSError as error:
        raise RunError(f"{path}: expected a readable JSON file, found: {error.strerror}") from None
    except ValueError as error:
        raise RunError(f"{path}: expected JSON, found a mistake: {error}") from None
    if not isinstance(table, dict) or table.get("format") != version:
        found = table.get("format") if isinstance(table, dict) else None
        raise RunError(
            f"{path}: expected {what} format {version}, found {found!r:.40}: load it with the version that wrote it"
        )
    return table


def parse_json(text: str | bytes) -> Any:
    """Parse JSON text. Raises ``ValueError`` if it is invalid or nested too deeply."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets nested too deeply") from None


def as_json(value: Any) -> bytes:
    """Encode a dataclass or a plain value as indented JSON."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return (json.dumps(plain, indent=1) + "\n").encode()
