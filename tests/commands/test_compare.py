"""``equipoise compare``: what it refuses, what it lists, and a whole comparison."""

import json
import shlex
from pathlib import Path

import pytest

from tests.scenes.comparison.support import write_recipe
from tests.support.commands import equipoise, one_line

LINES = ('rows = ["equal", "learned"]', "seeds = 2", "lr_factors = [1.0, 2.0]", "steps = 2")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rows", "equal,lerned"], "comparison.rows: found 'lerned': did you mean 'learned'?"),
        (["--sweep", "semantic"], "comparison.sweep: expected two tasks, or none, found ('semantic',)"),
        (["--seeds", "0"], "comparison.seeds: expected 1 … 1,000, found 0"),
        (["--jobs", "0", "--steps", "3"], "--jobs: expected 1 or more, found 0"),
        (["--run", "equal-lr9-0"], "--run: found 'equal-lr9-0': did you mean 'equal-lr"),
        (["--collect"], "expected a comparison at runs/recipe-comparison, found no plan.json"),
        (["--collect", "--list-runs"], "--list-runs, --run, --collect: expected one of them, found several"),
    ],
)
def test_mistakes_end_in_one_line(tmp_path: Path, options: list[str], message: str):
    write_recipe(tmp_path, *LINES)
    done = equipoise("compare", "recipe.toml", *options, cwd=tmp_path)
    assert done.returncode != 0
    assert message in one_line(done)


def test_the_list_has_a_command_for_each_run(tmp_path: Path):
    write_recipe(tmp_path, *LINES)
    done = equipoise("compare", "recipe.toml", "--out", "a b", "--rows", "equal", "--list-runs", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    words = [shlex.split(line) for line in done.stdout.splitlines()]
    start = ["equipoise", "compare", "recipe.toml", "--out", "a b", "--rows", "equal", "--run"]
    assert words == [[*start, "equal-lr1-0"], [*start, "equal-lr2-0"]]


@pytest.mark.slow
def test_a_whole_comparison(tmp_path: Path):
    """One run by its own command, the others two at a time; a second call keeps them all; another one adds a row."""
    write_recipe(tmp_path, *LINES)
    arguments = ["compare", "recipe.toml", "--out", "out"]
    one = equipoise(*arguments, "--run", "learned-lr2-0", cwd=tmp_path)
    assert one.returncode == 0, one.stderr
    done = equipoise(*arguments, "--jobs", 2, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "6 runs of 2 steps, 1 of them made before: 2 rows, 2 seeds, 2 learning rates" in done.stderr
    records = sorted((tmp_path / "out/records").glob("*.json"))
    assert len(records) == 6
    assert not any(json.loads(path.read_text())["error"] for path in records)
    assert "learned" in done.stdout
    assert (tmp_path / "out/report.html").exists()
    written = {path: path.stat().st_mtime_ns for path in records}
    again = equipoise(*arguments, "--json", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert {path: path.stat().st_mtime_ns for path in records} == written
    assert [row["row"]["name"] for row in json.loads(again.stdout)["rows"]] == ["equal", "learned"]
    wider = equipoise(*arguments, "--rows", "equal,learned,closed-form", "--list-runs", cwd=tmp_path)
    assert [line.split()[-1] for line in wider.stdout.splitlines()] == ["closed-form-lr1-0", "closed-form-lr2-0"]
