"""What the values of settings must be beyond their types. Each component states the ranges of its own settings."""

from collections.abc import Callable, Mapping
from typing import Any

from equipoise.errors import RecipeError

Range = tuple[Callable[[Any], bool], str]
"""Whether a value is allowed, and which values are, in words."""
NOT_NEGATIVE: Range = (lambda v: 0 <= v <= 1e30, "0 or more, at most 10^30")
POSITIVE: Range = (lambda v: v is None or 0 < v <= 1e30, "a finite number above 0, at most 10^30")
FRACTION: Range = (lambda v: v is None or 0 <= v < 1, "0 or more, below 1")


def between(low: int, high: int) -> Range:
    """A whole number within bounds, or ``None``."""
    return lambda v: v is None or low <= v <= high, f"{low} … {high:,}"


def check_ranges(settings: Any, ranges: Mapping[str, Range], key: str, where: str) -> None:
    """Raise ``RecipeError`` for the first value outside its range.

    Args:
        settings: a dataclass with the attributes that ``ranges`` names.
        ranges: by attribute.
        key: the table of the settings, such as ``training``, for the message.
        where: the file, for the message.
    """
    for name, (is_allowed, expected) in ranges.items():
        found = getattr(settings, name)
        if not is_allowed(found):
            raise RecipeError(f"{where}: {key}.{name}: expected {expected}, found {found}")
