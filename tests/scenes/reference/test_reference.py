"""The reference page: complete, up to date, and true of what recipes and descriptions accept."""

import dataclasses
import subprocess
import sys
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from equipoise.scenes.config.recipe import RANGES, DataRecipe, Recipe, SetRecipe, TrainingRecipe
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.data.description import FolderDescription
from equipoise.scenes.networks.encoders import ENCODERS
from equipoise.scenes.reference.keys import Table, attribute_texts, tables
from equipoise.scenes.reference.page import reference_page
from equipoise.scenes.tasks import TASKS

COMMITTED = Path(__file__).parents[3] / "docs/reference.md"


def held(hint: Any) -> typing.Iterator[type]:
    """The dataclasses that a type mentions, however deep."""
    if dataclasses.is_dataclass(hint):
        yield typing.cast(type, hint)
    for argument in typing.get_args(hint):
        yield from held(argument)


def reachable(kind: type) -> set[type]:
    """A dataclass and all those below it, found without the generator."""
    below = {one for hint in typing.get_type_hints(kind).values() for one in held(hint)}
    return {kind}.union(*(reachable(one) for one in below))


def test_the_committed_page_is_the_generated_one():
    assert COMMITTED.read_text(encoding="utf-8") == reference_page(), "run make reference"


def test_the_command_writes_the_page(tmp_path):
    run = [sys.executable, "-m", "equipoise.scenes.reference"]
    assert subprocess.run(run, capture_output=True, check=True).stdout.decode() == reference_page()
    subprocess.run([*run, tmp_path / "page.md"], check=True)
    assert (tmp_path / "page.md").read_text(encoding="utf-8") == reference_page()
    assert subprocess.run([*run, "a", "b"], capture_output=True).returncode == 1


@pytest.mark.parametrize("root", [Recipe, FolderDescription])
def test_every_key_is_there(root):
    found = list(tables(root, {}))
    expected = sorted(tuple(f.name for f in dataclasses.fields(kind)) for kind in reachable(root))
    assert sorted({tuple(key.name for key in table.keys) for table in found}) == expected
    page = reference_page()
    assert all(f"| `{key.name}` | {key.holds}" in page and len(key.text) > 8 for table in found for key in table.keys)


def test_every_range_is_there():
    page = reference_page()
    assert all(words in page for _, words in RANGES.values())
    assert "| `steps` | whole number: 1 … 1,000,000,000 | required |" in page


def test_tasks_and_encoders_are_there():
    page = reference_page()
    for name in (*TASKS, *ENCODERS, *(kind for task in TASKS.values() for kind in task.kinds)):
        assert f"`{name}`" in page


@pytest.mark.parametrize("words", ["`[left, top, right, bottom]`", "What depth 0 means", "categories", "**Units.**"])
def test_conventions_are_there(words):
    assert words in reference_page()


def table(name: str, root: type = Recipe) -> Table:
    return next(one for one in tables(root, {}) if one.name == name)


@pytest.mark.parametrize("kind", [SetRecipe, DataRecipe, TrainingRecipe])
def test_defaults_are_what_is_read(kind):
    """Written into a file, the defaults of the page change nothing."""
    name = {SetRecipe: "also.NAME", DataRecipe: "data", TrainingRecipe: "training"}[kind]
    required = {SetRecipe: {"kind": "streets", "path": "x"}, TrainingRecipe: {"steps": 1}}
    given = required.get(kind) or required[SetRecipe] | {"size": [32, 32]}
    lines = [f"{key.name} = {key.default.strip('`')}" for key in table(name).keys if key.default.startswith("`")]
    assert from_table(kind, tomllib.loads("\n".join(lines)) | given, "") == from_table(kind, given, "")
    assert {key.name for key in table(name).keys if key.default == "required"} == set(given)


def test_a_key_without_text_is_an_error():
    @dataclass(frozen=True)
    class Silent:
        """A table.

        Attributes:
            told: with a text.

        Example:
            silent: no text of an attribute.
        """

        told: int
        silent: int = 0

    with pytest.raises(ValueError, match=r"Silent: expected each key .* found none of silent"):
        list(tables(Silent, {}))


@dataclass(frozen=True)
class Inner:
    """Inside.

    Attributes:
        x: a | b.
    """

    x: bool = True


@dataclass(frozen=True)
class Base:
    """Below all.

    Attributes:
        first: the first,
            on two lines.
        second: of the base.
    """

    first: tuple[int, ...] = (1, 2)
    second: float | Literal["auto"] = "auto"


@dataclass(frozen=True)
class Outer(Base):
    """Outside, with ``code``.

    Attributes:
        second: of the heir.
        named: by name.
        listed: in a list.
        pair: two of a kind.
        colors: many.
        mixed: a name and a number.
        maybe: or not.
    """

    named: dict[str, Inner] = field(default_factory=dict)
    listed: tuple[Inner, ...] = ()
    pair: tuple[float, float] | None = None
    colors: tuple[int | tuple[int, int, int], ...] = ()
    mixed: tuple[str, float] = ("a", 0.5)
    maybe: Inner | None = None


def test_types_defaults_and_tables():
    outer, *below = tables(Outer, {"first": "at least one", "maybe.x": "true"})
    rows = {key.name: (key.holds, key.default, key.text) for key in outer.keys}
    assert rows == {
        "first": ("list of whole numbers: at least one", "`[1, 2]`", "The first, on two lines."),
        "second": ('number or `"auto"`', '`"auto"`', "Of the heir."),
        "named": ("table of tables by name", "–", "By name."),
        "listed": ("list of tables", "`[]`", "In a list."),
        "pair": ("list of 2 numbers", "–", "Two of a kind."),
        "colors": ("list of whole numbers or lists of 3 whole numbers", "`[]`", "Many."),
        "mixed": ("list of text, number", '`["a", 0.5]`', "A name and a number."),
        "maybe": ("table", "–", "Or not."),
    }
    assert outer.about == "Outside, with `code`."
    assert [one.name for one in below] == ["named.NAME", "listed", "maybe"]
    assert [one.keys[0].holds for one in below] == ["`true` or `false`"] * 2 + ["`true` or `false`: true"]
    assert below[0].keys[0].text == "A \\| b."
    assert attribute_texts(Inner) == {"x": "a | b."}
