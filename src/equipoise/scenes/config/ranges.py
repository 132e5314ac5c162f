"""Check the ranges of settings. Each component defines the ranges of its own settings."""

from collections.abc import Callable, Mapping
from typing import Any

from equipoise.errors import RecipeError

Range = tuple[Callable[[Any], bool], str]
"""A function that returns whether a value is allowed, and a text that says which values are."""
NOT_NEGATIVE: Range = (lambda v: 0 <= v <= 1e30, "0 or more, at most 10^30")
POSITIVE: Range = (lambda v: v is None or 0 < v <= 1e30, "a finite number above 0, at most 10^30")
FRACTION: Range = (lambda v: v is None or 0 <= v < 1, "0 or more, below 1")


def between(low: int, high: int) -> Range:
    """Return the range of numbers within bounds; ``None`` is allowed too."""
    return lambda v: v is None or low <= v <= high, f"{low} … {high:,}"


def check_ranges(settings: Any, ranges: Mapping[str, Range], key: str, where: str) -> None:
    """Raise ``RecipeError`` for the first value outside its range.

    Args:
        settings: a dataclass with the attributes in ``ranges``.
        ranges: ranges by attribute.
        key: the name of the settings' table, such as ``training``, for the message.
        where: the file, for the message.
    """
    for name, (is_allowed, expected) in ranges.items():
        found = getattr(settings, name)
        if not is_allowed(found):
            raise RecipeError(f"{where}: {key}.{name}: expected {expected}, found {found}")
