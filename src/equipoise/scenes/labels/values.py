"""Numbers and colours that label pictures store, as descriptions write them."""

from collections.abc import Sequence

from equipoise.errors import RecipeError
from equipoise.scenes.wording import counted

Value = int | tuple[int, int, int]
"""A stored number, or a colour (red, green, blue)."""


def code(value: int | tuple[int, ...]) -> int:
    """A number as it is; a colour as ``read_colors`` gives it.

    >>> code(7), code((1, 0, 2))
    (7, 65538)
    """
    return value if isinstance(value, int) else value[0] * 65536 + value[1] * 256 + value[2]


def shown(number: int) -> tuple[int, int, int]:
    """The colour of a code.

    >>> shown(65538)
    (1, 0, 2)
    """
    return number // 65536, number // 256 % 256, number % 256


def expect_storable(value: object, where: str) -> None:
    """Raise ``RecipeError`` for a number or a colour that a PNG cannot hold."""
    values, highest = (value, 255) if isinstance(value, tuple) else ((value,), 65535)
    if not all(isinstance(one, int) and 0 <= one <= highest for one in values):
        found = list(value) if isinstance(value, tuple) else value
        raise RecipeError(f"{where}: expected 0 … {highest:,}, found {found}")


def such(paths: Sequence[str], message: str) -> list[str]:
    """One line for labels that share a suspicion: the first path, what it is, and how many there are."""
    return [f"{paths[0]}: {message} ({counted(len(paths), 'such label')})"] if paths else []
