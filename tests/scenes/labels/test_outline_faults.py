"""Outlines that are wrong or damaged: one line that names the file."""

import sys
from collections.abc import Callable

import numpy as np
import pytest

from equipoise.errors import DataError, RecipeError, UsageError
from equipoise.scenes.data.folder import FolderDataset
from tests.reliability.test_fuzz import damaged
from tests.support.folders import SIZE
from tests.support.outlines import KINDS, cityscapes_table, coco_table, coco_with, labelme_table, opened, write


def without_image() -> dict:
    return coco_table() | {"images": []}


def labelme_with(**changes: object) -> Callable[[], dict]:
    return lambda: {**labelme_table(), "shapes": [labelme_table()["shapes"][0] | changes]}


FAULTS: dict[str, tuple[str, Callable[[], dict], str]] = {
    "category": ("coco", coco_with(category_id=9), "annotation 0: expected one of the file's categories, found"),
    "size": (
        "coco",
        coco_with(segmentation={"size": [9, 9], "counts": "52"}),
        "run lengths of size [48, 64], found",
    ),
    "short": ("coco", coco_with(segmentation={"size": [48, 64], "counts": "52"}), "that add up to 3,072 pixels"),
    "negative": ("coco", coco_with(segmentation={"size": [48, 64], "counts": [-1, 3073]}), "that add up to 3,072"),
    "letters": ("coco", coco_with(segmentation={"size": [48, 64], "counts": "~~~"}), "no run lengths"),
    "outside": ("coco", coco_with(segmentation=[[100, 5, 120, 5, 110, 9]]), "outlines in an image of 64x48"),
    "far": ("coco", coco_with(segmentation=[[1, 5, 1e12, 5, 110, 9]]), "outlines in an image of 64x48"),
    "odd": ("coco", coco_with(segmentation=[[1, 5, 3]]), "expected coco annotations, found a mistake"),
    "NaN": ("coco", coco_with(segmentation=[[1, 5, 3, 2, float("nan"), 3]]), "at least 3 points"),
    "nothing": ("coco", coco_with(segmentation=[]), "expected a polygon, found none"),
    "no image": ("coco", without_image, "expected an entry for"),
    "no key": ("coco", lambda: {"images": []}, "found a mistake: no key 'annotations'"),
    "a list": ("coco", lambda: [1], "found a mistake"),
    "label": ("labelme", labelme_with(label="dog"), "expected labels of the described classes, found 'dog'"),
    "type": ("labelme", labelme_with(shape_type="line"), "expected shapes of type polygon, rectangle, circle, found"),
    "points": ("labelme", labelme_with(points=[[1, 2], [3]]), "expected labelme annotations, found a mistake"),
    "corners": ("labelme", labelme_with(shape_type="rectangle"), "expected 2 points for a rectangle, found 3"),
    "other size": ("labelme", lambda: {**labelme_table(), "imageWidth": 65}, "expected the size of its image, 64x48"),
    "official": ("cityscapes_polygons", lambda: {**cityscapes_table(), "imgWidth": 7}, "found 7x48"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path, name):
    kind, table, message = FAULTS[name]
    dataset = opened(tmp_path, kind, table())
    with pytest.raises(DataError) as error:
        _ = dataset[0]
    assert message in str(error.value)
    assert str(dataset.files(0)["semantic"]) in str(error.value)
    assert "\n" not in str(error.value)


YOLO = {
    "0 0.5 0.5 0.2 0.2": "line 1: expected a polygon, found a box",
    "0 1 1 2 2 3 3": "line 1: expected points of 0 … 1",
    "0 0 0 1 1 1": "line 1: expected a class and 3 or more points, found 6 numbers",
    "car 0 0 1 1 1 0": "expected yolo annotations, found a mistake",
    "5 0 0 1 1 1 0": "expected labels of the described classes, found '5'",
}


@pytest.mark.parametrize("line", YOLO)
def test_faults_in_yolo(tmp_path, line):
    dataset = opened(tmp_path, "yolo")
    dataset.files(0)["semantic"].write_text(line)
    with pytest.raises(DataError, match=YOLO[line]) as error:
        _ = dataset[0]
    assert "yolo/0.txt" in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_annotations_are_errors_or_labels(tmp_path, kind):
    more = 'others = "ignore"' if kind == "cityscapes_polygons" else ""
    dataset = opened(tmp_path, kind, more=more)
    path, rng, refused = dataset.files(0)["semantic"], np.random.default_rng(3), 0
    whole = path.read_bytes()
    for _ in range(40):
        path.write_bytes(damaged(whole, rng))
        said = path.name
        try:
            assert dataset[0].labels["semantic"].shape == SIZE
        except DataError as error:
            refused, said = refused + 1, str(error)
        assert path.name in said
        assert "\n" not in said
    assert refused > 10


MISTAKES = {
    ('outside = "ground"', ""): "semantic.outside: expected the class of pixels outside all outlines",
    ('outside = "ground"', 'outside = "sky"'): "semantic.outside: expected a class, found 'sky'",
    ('outside = "ground"', 'outside = "ground"\nignore = [0]'): "semantic.ignore: expected none with outlines",
    ('"labels.json"', '"{name}.json"'): "expected the path of one file for all images, found '{name}.json'",
    ("]\n[instance]", "]\n[instance]\nbackground = [255]"): "instance.background: expected none with outlines",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_mistakes_in_the_description(tmp_path, change):
    path = write(tmp_path, "coco")
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(RecipeError) as error:
        FolderDataset(path, "train")
    assert MISTAKES[change] in str(error.value)


def test_pycocotools_missing(tmp_path, monkeypatch):
    dataset = opened(tmp_path, "coco")
    monkeypatch.setitem(sys.modules, "pycocotools.mask", None)
    with pytest.raises(UsageError, match=r'pycocotools is not installed: pip install "equipoise\[coco\]"'):
        _ = dataset[0]
