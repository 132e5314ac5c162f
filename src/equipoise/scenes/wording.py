"""Format numbers and counts for people: the same in the terminal and on the report page."""

from typing import Any

from equipoise._wording import counted, decimals, duration, fixed, number

__all__ = [
    "bytes_in_words",
    "counted",
    "decimals",
    "duration",
    "fixed",
    "number",
    "percent",
    "significant",
    "time_in_words",
]


def significant(value: Any) -> str:
    """Format a number with three significant digits, trailing zeros included.

    >>> significant(5.3), significant([1.0, 0.25]), significant(None)
    ('5.30', '1.00, 0.250', '–')
    """
    if isinstance(value, list):
        return ", ".join(significant(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "–"
    return fixed(value, decimals(value))


def percent(share: Any) -> str:
    """Format a fraction of 1 as a percentage with one decimal; a dash stands for no value.

    >>> percent(0.4853), percent(float("nan")), percent(None)
    ('48.5', '–', '–')
    """
    return fixed(None if share is None else 100 * float(share), 1)


def bytes_in_words(size: float) -> str:
    """Format a number of bytes in the largest unit of kB, MB, GB and TB that it has one of.

    >>> bytes_in_words(0), bytes_in_words(52_300_000), bytes_in_words(2975 * 1024 * 2048 * 8)
    ('0 kB', '52.3 MB', '49.9 GB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size >= factor:
            return f"{number(size / factor)} {unit}"
    return f"{number(size / 1e3)} kB"


def time_in_words(seconds: float) -> str:
    """Format a time with three digits, in the largest unit of days, hours, minutes, seconds and ms that it has one of.

    >>> time_in_words(0.0248), time_in_words(7.25), time_in_words(90), time_in_words(120_000), time_in_words(180_000)
    ('24.8 ms', '7.25 s', '1.5 min', '33.3 h', '2.08 days')
    """
    for unit, factor, least in (("days", 86400, 2), ("h", 3600, 1), ("min", 60, 1), ("s", 1, 1)):
        if seconds >= least * factor:
            return f"{number(seconds / factor)} {unit}"
    return f"{number(1e3 * seconds)} ms"
