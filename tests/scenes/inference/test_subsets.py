"""Any subset of tasks is usable to the end: trained, evaluated, reported, loaded, predicted, and written."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.commands.callbacks import SILENT
from equipoise.scenes import load
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.report import build_report
from equipoise.scenes.runs.evaluation import evaluate_run, write_pictures
from equipoise.scenes.runs.run import train_run
from equipoise.scenes.runs.run_folder import RunFolder
from tests.support.cityscapes import save, write_folder
from tests.support.commands import RECIPE

TASKS = ("semantic", "instance", "depth")
SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(TASKS, size)]
FILES = {
    "semantic": {"semantic.png", "semantic_overlay.png"},
    "instance": {"instance.png", "instance_overlay.png"},
    "depth": {"disparity.png", "depth_overlay.png"},
}


@pytest.mark.parametrize("tasks", SUBSETS, ids="+".join)
def test_a_subset_of_tasks(tmp_path: Path, tasks: tuple[str, ...]) -> None:
    description = write_folder(tmp_path / "data")
    for path in sorted((tmp_path / "data/depth").rglob("*.png")):
        save(path, np.arange(24 * 33, dtype=np.uint16).reshape(24, 33) * 10 + 2000)
    if "semantic" not in tasks:  # As if nobody had ever labelled classes.
        text = description.read_text()
        description.write_text(text[: text.index("[semantic]")] + text[text.index("[instance]") :])
    recipe = RECIPE.format(steps=5).replace('tasks = ["semantic", "instance", "depth"]', f"tasks = {list(tasks)}")
    (tmp_path / "recipe.toml").write_text(recipe)
    run = tmp_path / "run"
    folder = RunFolder(run)
    folder.prepare(resume=False, overwrite=False)
    train_run(read_recipe(tmp_path / "recipe.toml"), folder, SILENT)
    figures = evaluate_run(folder, SILENT)
    write_pictures(folder, figures)
    page = build_report(folder).read_text()
    assert set(figures.first.tasks) == set(figures.sigma) == set(tasks)
    assert all(one.primary is not None and one.primary.label in page for one in figures.first.tasks.values())
    scene = load(run).predict(tmp_path / "data/rgb/a/0.png")
    _expect_outputs(scene.outputs, tasks)
    _expect_files([path.name for path in scene.save(tmp_path / "out", name="x")], tmp_path / "out/x.json", tasks)


def _expect_outputs(outputs: dict[str, np.ndarray], tasks: tuple[str, ...]) -> None:
    shapes = {"semantic": (24, 33), "instance": (24, 33), "instance_offsets": (2, 24, 33), "depth": (24, 33)}
    expected = set(tasks) | ({"instance_offsets"} if "instance" in tasks else set())
    assert {name: array.shape for name, array in outputs.items()} == {name: shapes[name] for name in expected}


def _expect_files(names: list[str], record: Path, tasks: tuple[str, ...]) -> None:
    """Every answer has its files, every file is listed, and every one with numbers is described."""
    by_votes = {"offsets.png"} if "instance" in tasks and "semantic" not in tasks else set()
    expected = {f"x_{file}" for task in tasks for file in FILES[task]} | {f"x_{file}" for file in by_votes}
    facts = json.loads(record.read_text())
    assert set(names) == expected | {"x.json"}
    assert set(facts["files"]) == expected
    described = {entry["file"] for entry in facts.values() if isinstance(entry, dict) and "file" in entry}
    assert described == {name for name in expected if not name.endswith("_overlay.png")}
    for name in expected:
        with Image.open(record.parent / name) as picture:
            assert picture.size == (33, 24)
