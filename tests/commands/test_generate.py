"""``equipoise generate``: what it writes, and the line or JSON at its end."""

import json
from pathlib import Path

import pytest

from equipoise.commands.main import app
from equipoise.commands.sizes import parsed_size
from equipoise.errors import RunError, UsageError


def generate(*arguments: str) -> None:
    app()(["generate", *arguments], exit_on_error=False, result_action="return_value")


def count(out: Path, split: str) -> int:
    return len(list(out.glob(f"leftImg8bit/{split}/*/*.png")))


def test_one_line_says_what_was_written(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    generate("out", "--train", "2", "--val", "1", "--size", "32x64")
    line, *rest = capsys.readouterr().out.splitlines()
    assert not rest
    assert line.startswith("3 streets of 32x64 in out (")
    assert (count(tmp_path / "out", "train"), count(tmp_path / "out", "val")) == (2, 1)


def test_json(tmp_path, capsys):
    out = tmp_path / "out"
    generate(str(out), "--train", "1", "--val", "0", "--test", "1", "--size", "32x64", "--json")
    written = json.loads(capsys.readouterr().out)
    assert written.pop("seconds") > 0
    assert written == {"out": str(out), "train": 1, "val": 0, "test": 1}
    assert (count(out, "train"), count(out, "test")) == (1, 1)


def test_a_folder_that_holds_something_is_refused_unless_it_is_to_be_replaced(tmp_path):
    arguments = (str(tmp_path / "out"), "--val", "0", "--size", "32x64")
    generate(*arguments, "--train", "2")
    with pytest.raises(RunError, match="--overwrite"):
        generate(*arguments, "--train", "1")
    generate(*arguments, "--train", "1", "--overwrite")
    assert count(tmp_path / "out", "train") == 1


def test_sizes_are_height_by_width():
    assert parsed_size("128x256", "--size") == (128, 256)
    assert parsed_size("96X200", "--size") == (96, 200)
    for wrong in ("128", "128x", "x256", "128x-1", "a x b", "128.5x256"):
        with pytest.raises(UsageError, match="HEIGHTxWIDTH"):
            parsed_size(wrong, "--size")
