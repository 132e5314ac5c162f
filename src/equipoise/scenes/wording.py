"""Format numbers and counts for people: the same in the terminal and on the report page."""

import math
from typing import Any


def number(value: Any) -> str:
    """Format a number with three significant digits; a dash stands for no value.

    >>> number(0.48532), number(1234567), number(None), number([1.0, 0.25]), number(-0.0)
    ('0.485', '1,234,567', '–', '1, 0.25', '0')
    """
    if isinstance(value, list):
        return ", ".join(number(item) for item in value)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return "–"
    return (f"{value:z,.0f}" if 1000 <= abs(value) < 1e9 else f"{value:z.3g}").replace("-", "−")


def decimals(value: float | None) -> int | None:
    """Return how many decimals show three significant digits; ``None`` if the value is better left to ``number``.

    >>> decimals(5.2915), decimals(21.17), decimals(9.9999), decimals(1234.5), decimals(1e-9)
    (2, 1, 1, 0, None)
    """
    if value is None or not math.isfinite(value) or not 1e-4 <= abs(value) < 1e9:
        return None
    return max(0, 2 - math.floor(math.log10(float(f"{abs(value):.2e}"))))


def fixed(value: float | None, places: int | None, *, sign: bool = False) -> str:
    """Format a value with ``places`` decimals, or like ``number`` if ``places`` is ``None``; ``sign`` adds a plus.

    >>> fixed(10.041, 2), fixed(-0.066, 2, sign=True), fixed(12345.6, 0), fixed(None, 2), fixed(-0.001, 2)
    ('10.04', '−0.07', '12,346', '–', '0.00')
    """
    if value is None or not math.isfinite(value):
        return "–"
    plus = "+" if sign and value >= 0 else ""
    shown = number(value) if places is None else f"{value:z,.{places}f}"
    return plus + shown.replace("-", "−")


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


def counted(count: Any, thing: str, things: str = "") -> str:
    """Format a count with its noun; pass ``things`` if the plural does not just add an s.

    >>> counted(1, "thread"), counted(1200, "image"), counted(0, "class", "classes")
    ('1 thread', '1,200 images', '0 classes')
    """
    return f"{number(count)} {thing if count == 1 else things or thing + 's'}"
