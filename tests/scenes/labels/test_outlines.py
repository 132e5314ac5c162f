"""Classes and instances from outlines: COCO, labelme, YOLO and Cityscapes' polygons, each against another reader."""

import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask

from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels.coco import run_lengths
from tests.support.commands import equipoise
from tests.support.folders import SIZE
from tests.support.outlines import (
    FAR,
    HEIGHT,
    KINDS,
    SQUARE,
    TRIANGLE,
    WIDTH,
    cityscapes_table,
    coco_table,
    coco_with,
    opened,
    pairs,
    runs,
    write,
)


def pillow(points: list[float], outline: int | None = None) -> np.ndarray:
    picture = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(picture).polygon([tuple(p) for p in pairs(points)], fill=1, outline=outline)
    return np.array(picture)


@pytest.mark.parametrize("kind", KINDS)
def test_an_image_without_objects_is_outside_of_all(tmp_path, kind):
    labels = opened(tmp_path, kind)[1].labels
    assert (labels["semantic"] == 0).all()
    assert (labels["instance"] == 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_check_finds_nothing_wrong_and_draws_them(tmp_path, kind):
    more = 'others = "ignore"' if kind == "cityscapes_polygons" else ""
    description = write(tmp_path, kind, more=more)
    report = check_split(FolderDataset(description, "train"))
    assert report.faults == []
    assert report.labels == {"semantic": 2, "instance": 2}
    done = equipoise("check", description, "--sheet", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "sheet.png").stat().st_size > 1000


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # in pycocotools' decode
def test_coco_equals_pycocotools(tmp_path):
    labels = opened(tmp_path, "coco")[0].labels
    masks, classes = [], []
    for one in coco_table()["annotations"]:
        found = coco_mask.frPyObjects(one["segmentation"], *SIZE) if one["id"] != 2 else one["segmentation"]
        found = coco_mask.merge(found) if isinstance(found, list) else found
        masks.append(coco_mask.decode(found).astype(bool))
        classes.append(255 if one["iscrowd"] else one["category_id"])
    semantic, instance = np.zeros(SIZE, np.uint8), np.zeros(SIZE, np.int32)
    for k in sorted(range(5), key=lambda k: -masks[k].sum()):
        semantic[masks[k]] = classes[k]
        instance[masks[k]] = 0 if classes[k] == 255 else k + 1
    assert np.array_equal(labels["semantic"], semantic)
    assert np.array_equal(labels["instance"], instance)
    assert set(np.unique(instance)) == {0, 1, 2, 3, 4}
    assert semantic[15, 18] == 1
    assert instance[15, 18] == 1  # the square lies on the larger triangle


def test_run_lengths_equal_those_of_pycocotools():
    rng = np.random.default_rng(0)
    for size in [(1, 1), (3, 200), (300, 500)]:
        mask = (rng.random(size) < rng.random()).astype(np.uint8)
        assert run_lengths(coco_mask.encode(np.asfortranarray(mask))["counts"].decode()) == runs(mask)


def test_labelme_draws_in_order_and_joins_groups(tmp_path):
    labels = opened(tmp_path, "labelme")[0].labels
    car = pillow(TRIANGLE, 1)
    car[10:21, 20:31] = False
    picture = Image.new("1", (WIDTH, HEIGHT))
    ImageDraw.Draw(picture).ellipse((40, 7, 50, 17), fill=1)
    circle = np.array(picture)
    car = (car & ~circle) | pillow(FAR, 1)
    box = np.zeros(SIZE, bool)
    box[10:21, 20:31] = True
    assert np.array_equal(labels["semantic"] == 1, car)
    assert np.array_equal(labels["semantic"] == 2, box | circle)
    assert [np.unique(labels["instance"][part]).size for part in (car, box, circle)] == [1, 1, 1]
    assert len(np.unique(labels["instance"])) == 4


def test_yolo_puts_the_smaller_on_top(tmp_path):
    labels = opened(tmp_path, "yolo")[0].labels
    square, triangle = pillow(SQUARE), pillow(TRIANGLE)
    assert np.array_equal(labels["semantic"] == 1, square)
    assert np.array_equal(labels["semantic"] == 2, triangle & ~square)
    assert np.array_equal(labels["instance"], square * 1 + (triangle & ~square) * 2)


@pytest.mark.filterwarnings("ignore")
def test_cityscapes_equals_the_official_scripts(tmp_path):
    from cityscapesscripts.helpers.annotation import Annotation
    from cityscapesscripts.helpers.labels import name2label
    from cityscapesscripts.preparation.json2instanceImg import createInstanceImage
    from cityscapesscripts.preparation.json2labelImg import createLabelImage

    table = cityscapes_table()
    dataset = opened(tmp_path, "cityscapes_polygons", table, more='others = "ignore"', outside="")
    labels = dataset[0].labels
    annotation = Annotation()
    annotation.fromJsonText(json.dumps(table))
    official = np.array(createLabelImage(annotation, "ids"))
    instances = np.array(createInstanceImage(annotation, "ids"))
    expected = np.full(SIZE, 255)
    for index, name in enumerate(["ground", "car", "person"]):
        expected[official == name2label[name].id] = index
    assert np.array_equal(labels["semantic"], expected)
    assert np.array_equal(labels["instance"] > 0, instances >= 1000)
    joint = np.unique(np.stack([labels["instance"], np.where(instances >= 1000, instances, 0)]).reshape(2, -1), axis=1)
    assert joint.shape[1] == len(np.unique(instances[instances >= 1000])) + 1 == 3


def test_a_changed_file_of_annotations_changes_the_fingerprint(tmp_path):
    dataset = opened(tmp_path, "coco")
    before = dataset.fingerprint()
    (tmp_path / "labels.json").write_text(json.dumps(coco_with(category_id=2)()))
    assert dataset.fingerprint() != before
    assert dataset[0].labels["semantic"][15, 18] == 2
