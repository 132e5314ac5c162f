"""COCO's panoptic labels: against the official script that writes them, by hand, and with mistakes."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels.cityscapes_classes import CLASSES
from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.streets import generate
from tests.oracles.cityscapes_scripts import quiet
from tests.support.commands import equipoise
from tests.support.panoptic_labels import CATEGORIES, JSON, PATTERN, ids_of, opened, table, write, write_ids
from tests.support.small_scenes import objects_of


def test_classes_and_objects_are_those_of_the_segments(tmp_path: Path):
    labels, ids = opened(tmp_path)[0].labels, ids_of(0)
    of_segment = {0: IGNORE, 5: 0, 300: 1, 70_000: 1, 16_000_000: 2, 9: 3, 12: 2}
    assert np.array_equal(labels["semantic"], np.vectorize(of_segment.get)(ids))
    objects = np.isin(ids, [300, 70_000, 16_000_000])  # No void, no stuff, no crowd, no lamp.
    assert np.array_equal(labels["instance"], np.where(objects, ids, 0))


def test_without_classes_things_are_objects(tmp_path: Path):
    labels, ids = opened(tmp_path, semantic=False)[0].labels, ids_of(0)
    assert np.array_equal(labels["instance"], np.where(np.isin(ids, [300, 70_000, 16_000_000, 9]), ids, 0))


@pytest.mark.filterwarnings("ignore")
def test_labels_that_the_official_script_converts_are_those_of_cityscapes(tmp_path: Path):
    """cityscapesscripts makes panoptic pictures from label files; groups become crowds."""
    from cityscapesscripts.preparation.createPanopticImgs import convert2panoptic

    generate(tmp_path, train=0, val=3, size=(96, 192))
    with quiet():
        convert2panoptic(str(tmp_path / "gtFine"), str(tmp_path / "gtFine"), useTrainId=False, setNames=["val"])
    classes = ",\n".join(f'{{ name = "{c.name}", countable = {str(c.countable).lower()} }}' for c in CLASSES)
    keys = (
        'files = "gtFine/cityscapes_panoptic_val/{name}_gtFine_panoptic.png"\nencoding = "coco_panoptic"\n'
        'segments = "gtFine/cityscapes_panoptic_val.json"\n'
    )
    town = next((tmp_path / "leftImg8bit/val").iterdir()).name
    (tmp_path / "data.toml").write_text(
        f'images = "leftImg8bit/val/{town}/{{name}}_leftImg8bit.png"\n[split.val]\nfraction = 1.0\n'
        f'[semantic]\n{keys}others = "ignore"\nclasses = [{classes}]\n[instance]\n{keys}'
    )
    mine, theirs = FolderDataset(tmp_path / "data.toml", "val"), CityscapesDataset(tmp_path, "val")
    assert len(mine) == len(theirs) == 3
    found = 0
    for index in range(3):
        one, other = mine[index].labels, theirs[index].labels
        assert np.array_equal(one["semantic"], other["semantic"])
        assert objects_of(one["instance"], other["semantic"]) == objects_of(other["instance"], other["semantic"])
        found += len(np.unique(one["instance"])) - 1
    assert found > 3


def test_check_finds_nothing_wrong_and_draws_them(tmp_path: Path):
    done = equipoise("check", write(tmp_path), "--sheet", tmp_path / "sheet.png")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "sheet.png").stat().st_size > 1000
    assert "look at train" not in done.stdout + done.stderr


def test_segments_that_no_pixel_shows_are_reported_once(tmp_path: Path):
    content = table()
    content["annotations"][1]["segments_info"].append({"id": 44, "category_id": 21, "iscrowd": 0})
    report = check_split(opened(tmp_path, content))
    assert report.faults == []
    (line,) = [line for line in report.notes if "44" in line]
    assert line.endswith(
        "panoptic_train/1.png (44): expected pixels for each segment that the JSON lists, found none for some "
        "(1 such label)"
    )


def without(key: str) -> dict[str, Any]:
    content = table()
    del content["annotations"][0]["segments_info"][1][key]
    return content


def twice(key: str) -> dict[str, Any]:
    content = table()
    entries = content[key] if key != "segments_info" else content["annotations"][0][key]
    entries.append(entries[0])
    return content


RENAMED = [*CATEGORIES[1:], CATEGORIES[0] | {"name": "lane"}]
FAULTS: dict[str, tuple[Any, str]] = {
    "unlisted": (table(id=301), "0.png: expected the segments that"),
    "category": (table(category_id=99), "segment 300: expected one of the file's categories, found category_id 99"),
    "no category": (without("category_id"), "found a mistake: no key 'category_id'"),
    "text": (table(id="300"), "segment id: expected a whole number, found '300'"),
    "float": (table(id=300.0), "segment id: expected a whole number, found 300.0"),
    "true": (table(category_id=True), "category_id: expected a whole number, found True"),
    "NaN": (table(category_id=float("nan")), "category_id: expected a whole number, found nan"),
    "negative": (table(id=-300), "expected an id of 1 … 16,777,215, which a PNG can hold, found -300"),
    "huge": (table(id=2**40), "expected an id of 1 … 16,777,215, which a PNG can hold, found 1099511627776"),
    "crowd": (table(iscrowd="no"), "iscrowd: expected a whole number, found 'no'"),
    "segment twice": (twice("segments_info"), "segment 5: expected each id once, found it twice"),
    "annotation twice": (twice("annotations"), "two annotations with the file_name '0.png'"),
    "category twice": (twice("categories"), "two categories with the id 7"),
    "no annotation": (table() | {"annotations": []}, "0.png: expected an annotation with its file_name in"),
    "no annotations": ({"images": [], "categories": []}, "found a mistake: no key 'annotations'"),
    "no isthing": (table() | {"categories": [{"id": 7, "name": "road"}]}, "found a mistake: no key 'isthing'"),
    "a list": ([1], "found a mistake"),
    "null": (table() | {"annotations": None}, "found a mistake"),
    "unknown": (
        table() | {"categories": [*CATEGORIES[1:], CATEGORIES[0] | {"name": "lane"}]},
        "found 'lane': describe",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_one_line_with_the_path(tmp_path: Path, name: str):
    content, message = FAULTS[name]
    with pytest.raises(DataError) as error:
        _ = opened(tmp_path, content)[0]
    assert message in str(error.value)
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_other_categories_may_be_ignored(tmp_path: Path):
    labels = opened(tmp_path, table() | {"categories": RENAMED}, more='others = "ignore"')[0].labels
    assert (labels["semantic"][ids_of(0) == 5] == IGNORE).all()


def test_a_missing_json_a_wrong_size_and_a_grey_picture(tmp_path: Path):
    dataset = opened(tmp_path)
    write_ids(tmp_path / PATTERN.replace("{name}", "1"), ids_of(1)[:, :-1])
    with pytest.raises(DataError, match=r"1\.png: expected the size of its image"):
        _ = dataset[1]
    (tmp_path / JSON).unlink()
    with pytest.raises(DataError, match=r"panoptic_train\.json: expected coco_panoptic annotations, found"):
        _ = dataset[0]


def test_a_changed_json_changes_the_fingerprint(tmp_path: Path):
    dataset = opened(tmp_path)
    whole = dataset.fingerprint()
    (tmp_path / JSON).write_text(json.dumps(table(category_id=1)))
    assert dataset.fingerprint() != whole
    assert dataset[0].labels["semantic"][10, 10] == 2


MISTAKES = {
    ('segments = "annotations/panoptic_{split}.json"\n', ""): "semantic.segments: expected the JSON file of",
    ("_{split}.json", "_{name}.json"): "semantic.segments: expected the path of one file for all images",
    ("[instance]", "outside = 'road'\n[instance]"): "semantic.outside: expected it with coco, labelme",
    ("[instance]", "ignore = [0]\n[instance]"): "semantic.ignore: expected none with coco_panoptic, found some",
    ("[instance]", "[instance]\nbackground = [3]"): "instance.background: expected none with coco_panoptic",
    ('"coco_panoptic"\n\nclasses', '"value"\n\nclasses'): "semantic.segments: expected it with encoding =",
}


@pytest.mark.parametrize("change", MISTAKES)
def test_mistakes_in_the_description(tmp_path: Path, change: tuple[str, str]):
    path = write(tmp_path)
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(RecipeError) as error:
        FolderDataset(path, "train")
    assert MISTAKES[change] in str(error.value)


def test_segments_of_another_encoding(tmp_path: Path):
    path = write(tmp_path, semantic=False)
    path.write_text(path.read_text().replace('"coco_panoptic"', '"id"'))
    with pytest.raises(RecipeError, match=r'instance\.segments: expected it with encoding = "coco_panoptic"'):
        FolderDataset(path, "train")
