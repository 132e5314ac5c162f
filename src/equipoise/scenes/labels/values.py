"""The numbers and colours of label pictures, as data descriptions write them."""

from collections.abc import Iterable, Sequence

from equipoise.errors import RecipeError
from equipoise.scenes.wording import counted

Value = int | tuple[int, int, int]
"""A stored number, or a colour (red, green, blue)."""


def code(value: int | tuple[int, ...]) -> int:
    """Convert a colour to the number that ``read_colors`` returns for it; numbers stay as they are.

    >>> code(7), code((1, 0, 2))
    (7, 65538)
    """
    return value if isinstance(value, int) else value[0] * 65536 + value[1] * 256 + value[2]


def shown(number: int) -> tuple[int, int, int]:
    """Convert a number that ``read_colors`` returns to a colour (red, green, blue).

    >>> shown(65538)
    (1, 0, 2)
    """
    return number // 65536, number // 256 % 256, number % 256


def expect_storable(value: object, where: str, *, array: bool = False) -> None:
    """Raise ``RecipeError`` for a number or a colour that a PNG, or an ``array`` of 32 bits, cannot hold."""
    lowest, highest = (-(1 << 31), (1 << 31) - 1) if array else (0, 65535)
    if isinstance(value, tuple):
        lowest, highest = 0, 255
    values = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(one, int) and lowest <= one <= highest for one in values):
        found = list(value) if isinstance(value, tuple) else value
        raise RecipeError(f"{where}: expected {lowest:,} … {highest:,}, found {found}")


def expect_values(values: Iterable[Value], encoding: str, where: str, *, array: bool = False) -> None:
    """Raise ``RecipeError`` for numbers where ``encoding`` is ``color``, for colours elsewhere, and out of range."""
    for value in values:
        if isinstance(value, tuple) != (encoding == "color"):
            expected = "colours [red, green, blue]" if encoding == "color" else "numbers"
            raise RecipeError(f"{where}: expected {expected}, found {value}")
        expect_storable(value, where, array=array)


def such(paths: Sequence[str], message: str) -> list[str]:
    """Return one line for all labels with the same finding: the first path, the message and the number of labels."""
    return [f"{paths[0]}: {message} ({counted(len(paths), 'such label')})"] if paths else []
