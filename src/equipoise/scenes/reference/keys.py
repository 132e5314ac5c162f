"""Document the TOML keys of a dataclass: their types, ranges, defaults, and descriptions from the docstring."""

import dataclasses
import inspect
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

ATTRIBUTE = re.compile(r"^    (\w+): +(.*(?:\n {5,}.*)*)", re.MULTILINE)
"""An entry in a docstring's ``Attributes:`` section, with its continuation lines."""
SECTION = re.compile(r"^(?=\S)", re.MULTILINE)
"""The start of the next section of a docstring."""
WORDS = {int: "whole number", float: "number", str: "text", bool: "`true` or `false`"}
PLURALS = {int: "whole numbers", float: "numbers", str: "texts", bool: "truth values"}


@dataclass(frozen=True, kw_only=True)
class Key:
    """One key: its name in its table, the values it holds, its default, and its meaning (Markdown)."""

    name: str
    holds: str
    default: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Table:
    """One TOML table: its dotted name (empty for the top of the file), its description, and its keys."""

    name: str
    about: str
    keys: tuple[Key, ...]


def tables(kind: type, ranges: Mapping[str, str], prefix: str = "") -> Iterator[Table]:
    """Yield the table that a dataclass describes, then its subtables, in the order of the fields.

    Args:
        kind: a dataclass that ``from_table`` reads.
        ranges: the values that a key accepts, in words, by dotted key.
        prefix: the dotted name of the table.

    Raises:
        ValueError: the docstring of the class does not document a field under ``Attributes:``.
    """
    texts, hints = attribute_texts(kind), typing.get_type_hints(kind)
    fields = dataclasses.fields(kind)
    if missing := [field.name for field in fields if not texts.get(field.name)]:
        raise ValueError(
            f"{kind.__name__}: expected every key under 'Attributes:' in the docstring, found no entry for "
            f"{', '.join(missing)}"
        )
    below = {field.name: found for field in fields if (found := _table_of(hints[field.name]))}
    keys = (
        Key(
            name=field.name,
            holds=_holds(hints[field.name], ranges.get(f"{prefix}{field.name}", "")),
            default=_default(field),
            text=_sentence(markdown(texts[field.name])),
        )
        for field in fields
    )
    about = inspect.getdoc(kind) or ""
    yield Table(name=prefix.rstrip("."), about=markdown(about.split("Attributes:")[0]), keys=tuple(keys))
    for name, (each, inner) in below.items():
        yield from tables(inner, ranges, f"{prefix}{name}{each}.")


def attribute_texts(kind: type) -> dict[str, str]:
    """Return the description of each attribute from the docstrings of a class and its bases."""
    texts: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        section = SECTION.split(inspect.cleandoc(one.__doc__ or "").partition("Attributes:\n")[2])[0]
        texts |= {name: " ".join(text.split()) for name, text in ATTRIBUTE.findall(section)}
    return texts


def markdown(text: str) -> str:
    r"""Convert a docstring's text to Markdown on one line.

    >>> markdown("``a``, or\n    b | c.")
    '`a`, or b \\| c.'
    """
    return " ".join(text.split()).replace("``", "`").replace("|", "\\|")


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def _members(hint: Any) -> list[Any]:
    """Return the members of a union except ``None``; for any other type, the type itself."""
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return [one for one in typing.get_args(hint) if one is not type(None)] if union else [hint]


def _table_of(hint: Any) -> tuple[str, type] | None:
    """Return the dataclass that a type contains and the suffix of its table's name (``.NAME`` for dicts)."""
    for one in _members(hint):
        origin, arguments = typing.get_origin(one), typing.get_args(one)
        end, held = (".NAME", arguments[1]) if origin is dict else ("", arguments[0] if origin is tuple else one)
        if dataclasses.is_dataclass(held):
            return end, typing.cast(type, held)
    return None


def _holds(hint: Any, allowed: str) -> str:
    """Describe a type and the range of its values in words."""
    words = " or ".join(_words(one) for one in _members(hint))
    return f"{words}: {markdown(allowed)}" if allowed else words


def _words(hint: Any, *, several: bool = False) -> str:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(value)}`" for value in arguments)
    if dataclasses.is_dataclass(hint):
        return "tables" if several else "table"
    if origin is dict:
        return f"table of {_words(arguments[1], several=True)} by name"
    if origin is tuple and arguments[-1] is Ellipsis:
        return f"list of {_each(arguments[0])}"
    if origin is tuple and len(set(arguments)) == 1:
        return f"list{'s' if several else ''} of {len(arguments)} {PLURALS[arguments[0]]}"
    if origin is tuple:
        return f"list{'s' if several else ''} of {', '.join(_words(one) for one in arguments)}"
    return (PLURALS if several else WORDS)[hint]


def _each(hint: Any) -> str:
    return " or ".join(_words(one, several=True) for one in _members(hint))


def _default(field: dataclasses.Field[Any]) -> str:
    """Format the default as TOML; a dash if TOML cannot express it."""
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif field.default is dataclasses.MISSING:
        return "required"
    else:
        value = field.default
    if value is None or value == {} or dataclasses.is_dataclass(value):
        return "–"
    return f"`{json.dumps(value, ensure_ascii=False)}`"
