"""Numbers, counts and durations as people read them: the same on every page and in the terminal."""

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


def counted(count: Any, thing: str, things: str = "") -> str:
    """Format a count with its noun; pass ``things`` if the plural does not just add an s.

    >>> counted(1, "thread"), counted(1200, "image"), counted(0, "class", "classes")
    ('1 thread', '1,200 images', '0 classes')
    """
    return f"{number(count)} {thing if count == 1 else things or thing + 's'}"


def duration(seconds: float) -> str:
    """Format a duration in minutes and seconds, in hours and minutes, or as a part of a second.

    >>> duration(561.3), duration(7260), duration(0.234)
    ('9 min 21 s', '2 h 1 min', '0.23 s')
    """
    if 0.0 < seconds < 0.95:
        return f"{fixed(seconds, 2)} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
