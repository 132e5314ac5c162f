"""Whole numbers on the command line."""

from collections.abc import Sequence
from typing import Annotated, Any

from cyclopts import Parameter, Token


def whole(hint: Any, tokens: Sequence[Token]) -> int:
    """Parse the number; cyclopts alone would silently round 2.7 to 3."""
    try:
        return int(tokens[0].value)
    except ValueError:
        raise ValueError(f"expected a whole number, found {tokens[0].value!r}") from None


Whole = Annotated[int, Parameter(converter=whole)]
