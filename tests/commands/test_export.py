"""``equipoise export`` as a user runs it, and the other commands on what it wrote."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.cityscapes import write_folder
from tests.support.commands import RECIPE, equipoise, one_line


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run in ``runs/recipe``, exported to ``exports/onnx``; ``printed`` holds what the export said."""
    home = tmp_path_factory.mktemp("home")
    write_folder(home / "data")
    (home / "recipe.toml").write_text(RECIPE.format(steps=2))
    assert equipoise("train", "recipe.toml", cwd=home).returncode == 0
    done = equipoise("export", "runs/recipe", "--out", "exports/onnx", cwd=home)
    assert done.returncode == 0, done.stderr
    (home / "printed.json").write_text(json.dumps([done.stdout, done.stderr]))
    return home


def test_it_prints_the_differences_and_no_warnings(home):
    out, err = json.loads((home / "printed.json").read_text())
    assert err.splitlines() == ["tracing the network, which can take a minute", "writing and checking onnx"]
    for task in ("semantic", "instance", "depth"):
        found = re.search(rf"^onnx +{task} +(\S+) +(\S+) +(\S+)$", out, re.MULTILINE)
        assert found, out
        assert float(found[2].replace("−", "-")) < 1e-4
    assert "exported to exports/onnx: model.onnx; README.md says how to use it" in out


def test_the_card_has_the_figures_of_the_run(home):
    card = (home / "exports/onnx/README.md").read_text()
    figures = json.loads((home / "runs/recipe/metrics.json").read_text())
    assert f"| semantic | mean IoU, % ↑ | {100 * figures['tasks']['semantic']['mean_iou']:.3g}" in card
    assert "constants" in card


def test_predict_takes_an_export(home):
    image = next((home / "data").rglob("*.png"))
    for model, out in (("runs/recipe", "of-run"), ("exports/onnx", "of-export")):
        done = equipoise("predict", model, image, "--out", out, "--write", "all", cwd=home)
        assert done.returncode == 0, done.stderr
    for ending in ("depth_overlay.png", "panoptic.png", "depth_interval_low.png"):
        assert len(list((home / "of-export").glob(f"*_{ending}"))) == 1
    pairs = [(path, home / "of-export" / path.name) for path in (home / "of-run").glob("*_semantic.png")]
    assert len(pairs) == 1
    for one, other in pairs:
        assert (np.array(Image.open(one)) == np.array(Image.open(other))).mean() > 0.98  # The run may use bfloat16.


def test_evaluate_takes_an_export_and_a_recipe(home):
    done = equipoise("evaluate", "exports/onnx", "--recipe", "recipe.toml", "--json", cwd=home)
    assert done.returncode == 0, done.stderr
    found, run = json.loads(done.stdout), json.loads((home / "runs/recipe/metrics.json").read_text())
    assert found["tasks"]["depth"]["mae"] == pytest.approx(run["tasks"]["depth"]["mae"], rel=0.02)
    assert found["sigma"] == pytest.approx(run["sigma"])
    assert (home / "exports/onnx/metrics-recipe.json").exists()
    refused = equipoise("evaluate", "exports/onnx", cwd=home)
    assert refused.returncode == 2
    assert one_line(refused).endswith(
        "--recipe: expected a recipe that names data for the export exports/onnx, found none"
    )


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("runs/recipe", "--out", "exports/onnx"), 5, "--overwrite an export"),
        (("runs/recipe", "--out", "runs/recipe", "--overwrite"), 5, "expected an export at runs/recipe to overwrite"),
        (("runs/recipe", "--out", "x", "--to", "pickle"), 2, "onnx"),
        (("data", "--out", "x"), 5, "expected a model at data, found no model.json"),
        (("exports/onnx", "--out", "x"), 5, "found an export to ONNX, which holds no weights"),
    ],
)
def test_mistakes_end_in_one_line(home, arguments, status, words):
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*")}
    done = equipoise("export", *arguments, cwd=home)
    assert done.returncode == status
    assert words in one_line(done)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*")} == before


def test_json_and_overwriting(home):
    given = ("export", "runs/recipe", "--out", "exports/torch", "--to", "torch-export", "--json")
    for more in ((), ("--overwrite",)):
        done = equipoise(*given, *more, cwd=home)
        assert done.returncode == 0, done.stderr
        record = json.loads(done.stdout)
        assert record == json.loads((home / "exports/torch/export.json").read_text())
        assert record["forms"] == ["torch-export"]
        assert record["agreement"]["torch-export"]["depth"]["absolute"] < 1e-4
    assert sorted(path.name for path in (home / "exports").iterdir()) == ["onnx", "torch"]
