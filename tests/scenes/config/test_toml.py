"""TOML tables to dataclasses: what is taken, and what each mistake is told as."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.config.toml import from_table, read_toml


@dataclass(frozen=True, kw_only=True)
class Inner:
    rate: float = 0.5
    kind: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True)
class Outer:
    size: tuple[int, int]
    names: tuple[str, ...] = ()
    inner: Inner = field(default_factory=Inner)
    many: dict[str, Inner] = field(default_factory=dict)
    start: float | Literal["first"] = 0.0
    clip: float | None = None
    on: bool = True


def test_values_arrive_as_annotated():
    table = {
        "size": [3, 4],
        "names": ["x", "y"],
        "inner": {"rate": 2},
        "many": {"k": {"kind": "b"}},
        "start": "first",
        "clip": 1,
        "on": False,
    }
    assert from_table(Outer, table, "here") == Outer(
        size=(3, 4),
        names=("x", "y"),
        inner=Inner(rate=2.0),
        many={"k": Inner(kind="b")},
        start="first",
        clip=1.0,
        on=False,
    )
    assert isinstance(from_table(Outer, table, "here").inner.rate, float)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"size": [1, 2], "inner": {"rat": 1}}, "here: inner: unknown key 'rat': did you mean 'rate'?"),
        ({"size": [1, 2], "zzz": 1}, "unknown key 'zzz': expected one of size, names"),
        ({}, "expected the key 'size', found none"),
        ({"size": [1]}, "here: size: expected 2 values, found 1"),
        ({"size": 5}, "here: size: expected a list, found 5"),
        ({"size": [1, 2.5]}, r"size\[1\]: expected a whole number, found 2.5"),
        ({"size": [1, True]}, r"size\[1\]: expected a whole number, found True"),
        ({"size": [1, 2], "inner": 3}, "inner: expected a table, found 3"),
        ({"size": [1, 2], "inner": {"kind": "c"}}, "inner: kind: found 'c'"),
        ({"size": [1, 2], "start": "frst"}, "start: expected a number or 'first', found 'frst'"),
        ({"size": [1, 2], "clip": "big"}, "clip: expected a number, found 'big'"),
        ({"size": [1, 2], "on": 1}, "on: expected true or false, found 1"),
        ({"size": [1, 2], "many": {"k": {"kin": "a"}}}, "many.k: unknown key 'kin': did you mean 'kind'?"),
    ],
)
def test_mistakes_are_told(table, message):
    with pytest.raises(RecipeError, match=message) as caught:
        from_table(Outer, table, "here")
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_read(tmp_path: Path):
    (tmp_path / "bad.toml").write_text("size = [1,")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "deep.toml").write_text("a." * 100_000 + "b = 1")  # tomllib alone would take all memory
    (tmp_path / "table.toml").write_text("[" + '"a" . ' * 100_000 + "b]")
    for name, message in [
        ("none.toml", "found none"),
        ("bad.toml", "expected TOML"),
        ("binary.toml", "expected TOML"),
        ("deep.toml", "at most 32 parts, found a longer one"),
        ("table.toml", "at most 32 parts, found a longer one"),
        ("", "found a folder"),
    ]:
        with pytest.raises(RecipeError, match=message):
            read_toml(tmp_path / name)
