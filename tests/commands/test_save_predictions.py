"""``equipoise evaluate --save-predictions``: the official scripts give its files the figures that it prints."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.scenes.labels.cityscapes_classes import AVERAGE_PIXELS, label_ids
from equipoise.scenes.streets import generate
from tests.oracles.cityscapes_scripts import saved_classes, saved_objects
from tests.support.commands import equipoise, one_line

RECIPE = """
tasks = ["semantic", "instance"]
[data]
kind = "streets"
path = "streets"
size = [64, 128]
train = "val"
[model]
aspp_channels = 32
[training]
steps = 200
batch_size = 2
[optimizer]
lr = 4e-3
"""
SCALE = 64 * 128 / (1024 * 2048)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with streets and a run that has learned two of them by heart, so that it finds objects."""
    home = tmp_path_factory.mktemp("saved")
    generate(home / "streets", train=0, val=2, size=(64, 128))
    (home / "recipe.toml").write_text(RECIPE)
    done = equipoise("train", "recipe.toml", "--out", "run", cwd=home)
    assert done.returncode == 0, done.stderr
    return home


@pytest.mark.slow
def test_the_official_scripts_find_the_printed_figures(trained: Path, tmp_path: Path):
    done = equipoise("evaluate", "run", "--save-predictions", "saved", "--no-baselines", "--json", cwd=trained)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)["tasks"]
    folder = trained / "streets/gtFine/val"
    truths = sorted(map(str, folder.glob("*/*_labelIds.png")))
    average = {name: value * SCALE for name, value in AVERAGE_PIXELS.items()}
    classes = saved_classes(trained / "saved/pixel-level", truths, average)
    mine = figures["semantic"]
    assert mine["mean_iou"] == pytest.approx(classes["averageScoreClasses"], rel=1e-12)
    assert mine["mean_iiou"] == pytest.approx(classes["averageScoreInstClasses"], rel=1e-12)
    assert mine["mean_category_iou"] == pytest.approx(classes["averageScoreCategories"], rel=1e-12)
    assert mine["mean_category_iiou"] == pytest.approx(classes["averageScoreInstCategories"], rel=1e-12)
    instances = sorted(map(str, folder.glob("*/*_instanceIds.png")))
    objects = saved_objects(trained / "saved/instance-level", instances, 100 * SCALE, tmp_path / "instances.json")
    mine = figures["instance"]
    assert mine["ap"] == pytest.approx(objects["allAp"], rel=1e-12)
    assert mine["ap50"] == pytest.approx(objects["allAp50%"], rel=1e-12)
    assert 0.0 < mine["ap"] < 1.0, "a comparison of zeros would say nothing"


@pytest.mark.slow
def test_files_hold_label_ids_and_masks_and_are_kept(trained: Path):
    arguments = ("evaluate", "run", "--save-predictions", "files", "--no-baselines")
    assert equipoise(*arguments, cwd=trained).returncode == 0
    pictures = sorted((trained / "files/pixel-level").rglob("*.png"))
    assert len(pictures) == 2
    for picture in pictures:
        stored = np.array(Image.open(picture))
        assert stored.shape == (64, 128)
        assert set(np.unique(stored).tolist()) <= set(label_ids().values()), "label ids, no train ids"
    listed = sorted((trained / "files/instance-level").rglob("*_pred.txt"))
    assert len(listed) == 2
    lines = [(text.parent, *line.split()) for text in listed for line in text.read_text().splitlines()]
    assert lines
    for parent, mask, label, score in lines:
        stored = np.array(Image.open(parent / mask))
        assert stored.shape == (64, 128)
        assert 24 <= int(label) <= 33
        assert 0.0 <= float(score) <= 1.0
        assert set(np.unique(stored).tolist()) <= {0, 255}
        assert stored.any()
    again = equipoise(*arguments, cwd=trained)
    assert again.returncode == 5
    assert "--overwrite" in one_line(again)
    assert equipoise(*arguments, "--overwrite", cwd=trained).returncode == 0
