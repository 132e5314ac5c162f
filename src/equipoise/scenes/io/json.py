"""JSON, strictly: what other readers would not take is refused."""

import dataclasses
import json
from pathlib import Path
from typing import Any

LARGEST_JSON = 256 * 2**20
"""Bytes: a file that is larger, or has no end, is none of ours."""


def read_json(path: Path) -> Any:
    """The value in a JSON file; raises ``ValueError`` for whatever is none, a pipe or a device among it."""
    if path.exists() and not path.is_file() and not path.is_dir():
        raise ValueError("no regular file")
    if path.is_file() and path.stat().st_size > LARGEST_JSON:
        raise ValueError(f"more than {LARGEST_JSON >> 20} MB")
    return parse_json(path.read_bytes())


def parse_json(text: str | bytes) -> Any:
    """The value that JSON text holds; raises ``ValueError`` for whatever is none."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("brackets nested too deeply") from None


def as_json(value: Any) -> bytes:
    """A dataclass or plain value as indented JSON."""
    plain = dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
    return (json.dumps(plain, indent=1) + "\n").encode()
