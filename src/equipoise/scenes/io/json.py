"""Read and write JSON."""

import dataclasses
import json
from pathlib import Path
from typing import Any

LARGEST_JSON = 256 * 2**20
"""Largest JSON file that is read, bytes."""


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises ``ValueError`` for invalid or oversized content and for pipes and devices."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError("no regular file")
    if path.is_file() and path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"more than {LARGEST_JSON >> 20} MB")
    return parse_json(path.read_bytes())


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
