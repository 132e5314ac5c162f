"""The layout of the source: short files, and the names of labels and tasks spelled in one place."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import equipoise
from equipoise.scenes.labels import LABELS
from equipoise.scenes.tasks import TASKS

ROOT = Path(equipoise.__file__).parent
LONGEST = 300
"""Lines a file may have."""

NAMES = {*TASKS, *LABELS}
OWNERS = ("scenes/labels", "scenes/tasks")
"""The rooms that define labels and tasks."""
ALLOWED = {
    "scenes/streets": "writes the files of Cityscapes' layout, whatever labels are read",
    "scenes/cameras/distances.py": "names the quantity depth in captions",
    "scenes/inference/predictor.py": "finds objects from the classes and vectors of two tasks",
}
"""Other files and rooms that may spell these names, with the reason."""


def test_files_are_short():
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in files()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_names_of_labels_and_tasks_are_spelled_by_their_owners_alone():
    found = [f"{name}:{line} {text!r}" for name, line, text in spelled() if not name.startswith((*OWNERS, *ALLOWED))]
    assert not found, "use LABELS and TASKS, or the names of their classes: " + ", ".join(found)


@pytest.mark.parametrize("place", ALLOWED)
def test_exceptions_are_needed(place):
    assert any(name.startswith(place) for name, _, _ in spelled()), "remove it from ALLOWED"


def files() -> Iterator[tuple[str, Path]]:
    """Every file of the package with its path from the package's folder."""
    for path in sorted(ROOT.rglob("*.py")):
        yield path.relative_to(ROOT).as_posix(), path


def spelled() -> Iterator[tuple[str, int, str]]:
    """Every string in the scene system and the commands that is the name of a label or a task, with its place."""
    for name, path in files():
        if name.startswith(("scenes/", "commands/")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Constant) and node.value in NAMES:
                    yield name, node.lineno, str(node.value)
