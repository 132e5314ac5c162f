"""Compare recipes, and tell which differences matter to a run."""

import re
from typing import Any


def changes_nothing(key: str) -> bool:
    """Whether a key does not affect the results of a run, such as the number of workers and the paths of the data.

    The file of ``model.encoder_weights`` may have moved, too: a resumed run does not read it, and its record says which
    one it was.
    """
    workings = ("workers", "device", "checkpoint_every", "keep_checkpoints")
    keys = ("data.cache_folder", "model.encoder_weights", *(f"training.{name}" for name in workings))
    return key in keys or re.fullmatch(r"(data|also\.[^.]+)\.(path|root)", key) is not None


def differing_keys(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """Return the dotted keys whose values differ between two tables.

    >>> differing_keys({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}, "d": 4})
    ['a.c', 'd']
    """
    keys: list[str] = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            keys += differing_keys(a, b, f"{prefix}{key}.")
        elif a != b:
            keys.append(f"{prefix}{key}")
    return keys
