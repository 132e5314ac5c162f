"""The command ``check`` as a process: its output, exit status and contact sheet. It changes no file of the data set."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.cityscapes import DESCRIPTION, write_folder
from tests.support.commands import equipoise

RECIPE = 'data = { kind = "folder", path = "data/data.toml", size = [32, 48] }\ntraining = { steps = 1 }\n'
ALSO = '[also.more]\nkind = "folder"\npath = "data/data.toml"\nclasses = { box = "car" }\n'


def run(*arguments: object, **variables: object) -> subprocess.CompletedProcess[str]:
    return equipoise(*arguments, **{"COLUMNS": 200} | variables)


@pytest.fixture
def description(tmp_path: Path) -> Path:
    return write_folder(tmp_path / "data")


@pytest.fixture
def unchanged(description: Path) -> Iterator[None]:
    """Make the data set read-only, and expect the same files afterwards."""
    every = [description.parent, *description.parent.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in every}
    yield
    after = [description.parent, *description.parent.rglob("*")]
    try:
        assert {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in after} == before
    finally:
        for path in after:
            path.chmod(0o755)


@pytest.mark.usefixtures("unchanged")
def test_a_read_only_data_set(tmp_path, description):
    done = run("check", description, "--sheet", tmp_path / "sheet.png", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["train"]["readable"] == 2
    assert (tmp_path / "sheet.png").exists()


@pytest.mark.usefixtures("unchanged")
def test_the_sheet_replaces_no_file_without_being_asked(tmp_path, description):
    for among in ("data/rgb/a/0.png", "data/depth/a/new.png"):
        refused = run("check", description, "--sheet", tmp_path / among, "--overwrite")
        assert refused.returncode == 2
        assert "apart from the data's pictures" in refused.stderr
    (tmp_path / "sheet.png").write_bytes(b"mine")
    refused = run("check", description, "--sheet", tmp_path / "sheet.png")
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    assert run("check", description, "--sheet", tmp_path / "sheet.png", "--overwrite").returncode == 0


def test_probable_mistakes_are_shown_but_do_not_fail(description):
    text = description.read_text()
    description.write_text(text.replace('files = "objects/{name}.png"', 'files = "objects/{name}.png"\nfactor = 8000'))
    done = run("check", description)
    assert done.returncode == 0
    assert "look at val: " in done.stdout
    assert "expected it in one split, found it in train too (2 such images)" in done.stdout
    assert "expected an instance in some image, found none in all 2" in done.stdout
    description.write_text(text.replace('files = "classes/', 'optional = true\nfiles = "clases/'))
    assert "expected semantic labels in some image, found none in all 2" in run("check", description).stdout


def test_a_recipe(tmp_path, description):
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(RECIPE)
    assert list(json.loads(run("check", recipe, "--json").stdout)) == ["train", "val"]
    recipe.write_text("tasks = ['semantic', 'depht']\n" + RECIPE)
    assert "found 'depht'" in run("check", recipe).stderr
    recipe.write_text(RECIPE + ALSO)
    whole = run("check", recipe)
    assert whole.returncode == 0
    assert "more, train" in whole.stdout
    assert "more: 2 classes shared with the data before it; new: car" in whole.stdout
    recipe.write_text(RECIPE + ALSO.replace("box", "boxx"))
    assert run("check", recipe).returncode == 4


def test_a_recipe_with_a_task_that_has_no_labels(tmp_path, description):
    (tmp_path / "recipe.toml").write_text(RECIPE)
    for path in (tmp_path / "data/depth").rglob("*.png"):
        path.unlink()
    description.write_text(DESCRIPTION + "optional = true\n")
    lacking = run("check", tmp_path / "recipe.toml")
    assert lacking.returncode == 3
    assert "expected a label for the task 'depth' in some training image" in lacking.stdout


def test_a_missing_label(tmp_path, description):
    (tmp_path / "data/classes/a/0.png").unlink()
    (tmp_path / "recipe.toml").write_text(RECIPE.replace("size", "skip_broken = true, size"))
    for data in (description, tmp_path / "recipe.toml"):
        done = run("check", data)
        assert done.returncode == 3
        assert "wrong in train: expected a semantic label" in done.stdout


def test_a_folder_without_a_description(tmp_path, description):
    done = run("check", tmp_path / "data")
    assert done.returncode == 3
    assert "docs/own-data.md" in done.stderr
