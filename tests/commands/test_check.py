"""``equipoise check`` as a user reads it: what to look at over all splits, the sheet, and no false alarms."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.commands.main import app
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.data.survey import survey
from tests.support.cityscapes import save
from tests.support.folders import SIZE, describe, write_classes, write_depth, write_images

ROOT = Path(__file__).parents[2]
SHARED = ROOT / "../shared/data"
TASKS = {"semantic": 'tasks = ["semantic"]', "depth": 'tasks = ["depth"]'}


def run(*arguments: object) -> None:
    app()([*map(str, arguments)], exit_on_error=False, result_action="return_value")


@pytest.fixture
def looks(capsys, monkeypatch):
    """The lines that check prints to look at; anything wrong fails."""
    monkeypatch.setenv("COLUMNS", "200")

    def checked(*arguments: object) -> list[str]:
        run("check", *arguments)
        lines = capsys.readouterr().out.splitlines()
        found = [line for line in lines if line.startswith("look at ")]
        counted = {0: "", 1: ", 1 line to look at"}.get(len(found), f", {len(found)} lines to look at")
        assert lines[-1] == f"nothing wrong found{counted}"
        return found

    return checked


def write_recipe(root: Path, tasks: str, more: str = "") -> Path:
    path = root / "recipe.toml"
    data = '[data]\nkind = "folder"\npath = "data.toml"\nsize = [32, 48]\ncache = false\n'
    path.write_text(f"{tasks}\n{data}{more}\n[training]\nsteps = 1\n")
    return path


def test_metres_are_printed_and_on_the_sheet(tmp_path, looks, capsys):
    write_images(tmp_path)
    write_depth(tmp_path, np.linspace(1000, 4000, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint16))
    description = describe(tmp_path, semantic=None, depth='kind = "depth_m"')
    (line,) = looks(description, "--sheet", tmp_path / "sheet.png")
    assert line.startswith("look at train: expected a median depth of 0.1 … 100 m, found 1000 … 4000 m, median 2500 m")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 2 * 320 + 6
    describe(tmp_path, semantic=None, depth='kind = "depth_m"\ndivisor = 1000')
    run("check", description, "--sheet", tmp_path / "sheet.png", "--overwrite")
    printed = capsys.readouterr().out
    assert "train: depth 1 … 4 m, median 2.5 m" in printed
    assert "look at train" not in printed
    run("check", description, "--json")
    table = json.loads(capsys.readouterr().out)["val"]
    assert table["depth"] == {"least": 1.0, "median": 2.5, "largest": 4.0}
    assert table["notes"] == []


def rare_class(root: Path, *, train: int = 0, val: int = 0) -> Path:
    """Six images, three a split; so many of each show a third class."""
    write_images(root)
    write_classes(root)
    write_classes(root, [*range(train), *range(3, 3 + val)], value=2)
    (root / "t.txt").write_text("0\n1\n2\n")
    (root / "v.txt").write_text("3\n4\n5\n")
    names = ("road", "car", "bus")
    classes = ", ".join(f'{{ name = "{name}", value = {value} }}' for value, name in enumerate(names))
    return describe(root, train='list = "t.txt"', val='list = "v.txt"', semantic=f"classes = [{classes}]")


@pytest.mark.parametrize(
    ("train", "val", "split", "words"),
    [
        (1, 1, "", ""),
        (1, 0, "", ""),
        (
            0,
            2,
            "val",
            "expected only classes that training images show, found others, bus (2): the network",
        ),
        (0, 0, "train", "expected each class in some image, found no image of train and val that shows bus: check the"),
    ],
)
def test_classes_that_training_never_shows(tmp_path, looks, train, val, split, words):
    found = looks(rare_class(tmp_path, train=train, val=val))
    assert len(found) == bool(split)
    assert all(line.startswith(f"look at {split}: {words}") for line in found)


def test_a_recipe_calls_classes_otherwise(tmp_path, looks):
    """Renamed in the run, the class that validation alone shows is one that training shows, too; depth needs none."""
    rare_class(tmp_path, val=2)
    assert len(looks(write_recipe(tmp_path, TASKS["semantic"]))) == 1
    merged = '[data.classes]\nbus = "car"\n'
    assert not looks(write_recipe(tmp_path, TASKS["semantic"], merged))
    alone = '[data.classes]\nbus = "road"\ncar = "road"\n'
    (line,) = looks(write_recipe(tmp_path, TASKS["semantic"], alone))
    assert "found 'road' alone: the network will predict it everywhere" in line


def test_one_class_beside_what_is_ignored(tmp_path, looks):
    write_images(tmp_path)
    write_classes(tmp_path)
    description = describe(tmp_path, semantic='ignore = [0]\nclasses = [{ name = "car", value = 1 }]')
    (line,) = looks(description)
    assert line.startswith("look at train: expected at least two classes, found 'car' alone")
    describe(tmp_path, depth='kind = "relative"', semantic=None)
    write_depth(tmp_path, np.arange(SIZE[0] * SIZE[1], dtype=np.uint16).reshape(SIZE))
    assert not looks(description)


def test_a_run_reports_what_it_leaves_out(tmp_path, looks):
    """Once, though two splits share the folder; check says the same of a recipe, and says it once, too."""
    write_images(tmp_path)
    write_classes(tmp_path)
    (tmp_path / "images/7.tif").touch()
    (tmp_path / "images/8.PNG").touch()
    (tmp_path / "images/._0.png").touch()
    describe(tmp_path)
    recipe = write_recipe(tmp_path, TASKS["semantic"])
    notices = survey(RecipeData(read_recipe(recipe))).notices
    assert len(notices) == 3
    assert f"{tmp_path}/images/7.tif: left out 1 .tif, not supported (PNG, JPEG, WebP are)" in notices[1]
    found = looks(recipe)
    assert found == [f"look at train: {line}" for line in notices]


def test_cityscapes_layout_leaves_out_the_same(tmp_path, looks, monkeypatch):
    run("generate", tmp_path / "out", "--train", "2", "--val", "1", "--size", "32x64")
    place = next((tmp_path / "out/leftImg8bit/train").glob("*/*.png"))
    place.with_name(f"._{place.name}").touch()
    place.with_suffix(".tiff").touch()
    place.with_name("x_leftImg8bit.PNG").touch()
    save(place.with_name("photo.png"), np.zeros((32, 64, 3), np.uint8))
    found = [line for line in looks(tmp_path / "out") if line.startswith("look at train: /")]
    assert len(found) == 4
    for line, words in zip(
        found, ("hidden files, found 1", "left out 1 .tiff", "found .PNG", "found another"), strict=True
    ):
        assert words in line


def test_no_false_alarms_on_generated_streets(tmp_path, looks):
    run("generate", tmp_path / "out", "--train", "40", "--val", "4", "--size", "64x128")
    assert not looks(tmp_path / "out")


@pytest.mark.parametrize(("name", "folder"), [("sygrid", "sygrid"), ("camvid", "camvid/half")])
def test_no_false_alarms_on_data_of_others(tmp_path, looks, name, folder):
    if not (SHARED / folder).is_dir():
        pytest.skip(f"needs {folder} in ../shared/data")
    assert not looks(ROOT / f"examples/data/{name}.toml", "--root", SHARED / folder)
