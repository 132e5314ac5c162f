"""Read TOML strictly into frozen dataclasses. Errors name the key, and suggest one for unknown keys."""

import dataclasses
import difflib
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from equipoise.errors import RecipeError

T = TypeVar("T")

LARGEST = 1e300
DEEP = re.compile(r"""(?<![\w'"-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){32}""")
"""A key with 32 or more parts. tomllib's memory grows with the square of their number."""


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file. Raises ``RecipeError`` that names the file and the line at fault."""
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            raise RecipeError(f"expected a TOML file at {path}, found no regular file: name another")
        text = path.read_text(encoding="utf-8-sig")
        if DEEP.search(text):
            raise RecipeError(f"{path}: expected keys with at most 32 parts, found a longer one")
        return tomllib.loads(text)
    except FileNotFoundError:
        raise RecipeError(f"expected a TOML file at {path}, found none: check the path") from None
    except IsADirectoryError:
        raise RecipeError(f"expected a TOML file at {path}, found a folder: name the file inside") from None
    except (ValueError, RecursionError) as error:  # Invalid TOML or UTF-8, huge numbers, deeply nested brackets.
        raise RecipeError(f"{path}: expected TOML, found a mistake: {error}") from None
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read: {error.strerror}") from None


def from_table(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Build the dataclass ``kind`` from a TOML table.

    Args:
        kind: a dataclass whose fields are plain values, tuples, ``Literal``s, optional ones, other dataclasses, or
            dicts from names to any of these.
        table: the parsed table.
        where: the file and the table in it, for messages.

    Raises:
        RecipeError: an unknown key (with a suggestion), a missing key, or a value of a wrong type.

    Example:
        >>> @dataclasses.dataclass(frozen=True, kw_only=True)
        ... class Size:
        ...     height: int
        ...     scale: float = 1.0
        >>> from_table(Size, {"height": 3, "scale": 2}, "size.toml")
        Size(height=3, scale=2.0)
    """
    fields = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(kind)
    for key in table:
        if key not in fields:
            raise RecipeError(f"{where}: unknown key {key!r}{suggestion(key, fields)}")
    missing = [
        name
        for name, field in fields.items()
        if name not in table and field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise RecipeError(f"{where}: expected the key {missing[0]!r}, found none: add it")
    return kind(**{key: _value(hints[key], value, f"{where}: {key}") for key, value in table.items()})


def suggestion(word: str, known: typing.Iterable[str]) -> str:
    """Return the end of a message about an unknown word: the nearest known word, or else all of them.

    >>> suggestion("depht", ["semantic", "depth"])
    ": did you mean 'depth'?"
    >>> suggestion("famoo", ["DWA", "FAMO"])
    ": did you mean 'FAMO'?"
    """
    known = list(known)
    by_lower = {name.lower(): name for name in known}
    near = difflib.get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return f": did you mean {by_lower[near[0]]!r}?" if near else f": expected one of {', '.join(known)}"


def _value(hint: Any, value: Any, where: str) -> Any:
    """Convert a value to the type of an annotation."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _union(arguments, value, where)
    if origin is typing.Literal:
        if value not in arguments:
            found = suggestion(value, arguments) if isinstance(value, str) else f": expected one of {arguments}"
            raise RecipeError(f"{where}: found {value!r}{found}")
        return value
    if origin is tuple:
        return _tuple(arguments, value, where)
    if origin is dict:
        if not isinstance(value, dict):
            raise RecipeError(f"{where}: expected a table, found {_found(value)}")
        return {key: _value(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise RecipeError(f"{where}: expected a table, found {_found(value)}")
        return from_table(typing.cast(type[Any], hint), value, where)
    return _plain(hint, value, where)


def _union(arguments: tuple[Any, ...], value: Any, where: str) -> Any:
    """Convert a value to the first member of a union that accepts it; the error names all members."""
    if value is None and type(None) in arguments:
        return None
    if len(named := [a for a in arguments if a is not type(None)]) == 1:
        return _value(named[0], value, where)
    if isinstance(value, list | tuple) and all(typing.get_origin(a) is tuple for a in named):
        # Decide by the value's shape whether a list or a list of lists is meant, so that the error refers to that one.
        return _value(named[any(isinstance(item, list | tuple) for item in value)], value, where)
    for argument in named:
        try:
            return _value(argument, value, where)
        except RecipeError as error:
            if dataclasses.is_dataclass(argument) and isinstance(value, dict):
                raise error from None
    expected = " or ".join(_name(a) for a in arguments if a is not type(None))
    raise RecipeError(f"{where}: expected {expected}, found {_found(value)}")


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    """Convert a list to a tuple of fixed length, or of any length if the annotation ends in an ellipsis."""
    if not isinstance(value, list | tuple):
        raise RecipeError(f"{where}: expected a list, found {_found(value)}")
    if len(arguments) == 2 and arguments[1] is Ellipsis:
        return tuple(_value(arguments[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if len(value) != len(arguments):
        raise RecipeError(f"{where}: expected {len(arguments)} values, found {len(value)}: {value}")
    return tuple(_value(a, item, f"{where}[{i}]") for i, (a, item) in enumerate(zip(arguments, value, strict=True)))


def _plain(hint: Any, value: Any, where: str) -> Any:
    """Check a number, string or Boolean. Whole numbers are accepted as floats; Booleans are not numbers."""
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        if abs(value) > LARGEST:
            raise RecipeError(f"{where}: expected a number of at most {LARGEST:g} in size, found a larger one")
        return float(value)
    if isinstance(value, str) and "\0" in value:
        raise RecipeError(f"{where}: expected a string without NUL characters, found {value!r}")
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise RecipeError(f"{where}: expected {_name(hint)}, found {_found(value)}")
    return value


def _name(hint: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "a string", bool: "true or false"}
    if typing.get_origin(hint) is typing.Literal:
        return " or ".join(repr(a) for a in typing.get_args(hint))
    return "a list" if typing.get_origin(hint) is tuple else words.get(hint, "a table")


def _found(value: Any) -> str:
    return f"{value!r}" if not isinstance(value, dict) else "a table"
