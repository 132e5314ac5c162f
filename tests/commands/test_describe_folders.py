"""``equipoise describe`` on folders as people have them: what it drafts is read, and what it cannot decide is said."""

import json
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.errors import DataError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.draft import draft_description
from equipoise.scenes.data.folder import FolderDataset
from tests.scenes.labels.test_label_arrays import exr
from tests.support import panoptic_labels
from tests.support.cityscapes import save
from tests.support.folders import SIZE
from tests.support.outlines import coco_table, yolo_lines

LABELS = np.zeros(SIZE, np.uint8)
LABELS[10:20] = 1


def photo(path: Path) -> None:
    save(path, np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8))


def drafted(root: Path) -> tuple[dict[str, Any], tuple[str, ...]]:
    draft = draft_description(root)
    (root / "draft.toml").write_text(draft.text)
    return tomllib.loads(draft.text), draft.found


def faults(root: Path, *splits: str) -> list[str]:
    return [line for split in splits for line in check_split(FolderDataset(root / "draft.toml", split)).faults]


def coco_of(*names: str) -> str:
    table = coco_table()
    for entry, name in zip(table["images"], names, strict=True):
        entry["file_name"] = name
    return json.dumps(table)


@pytest.mark.parametrize("prefix", ["", "images/"])
@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("train.json", "val.json"), ("train", "val")),
        (("annotations/instances_train2017.json", "annotations/instances_val2017.json"), ("train", "val")),
        (("a_train.json", "a_valid.json"), ("train", "valid")),
    ],
)
def test_coco_files_side_by_side_list_the_splits(tmp_path: Path, files: Any, words: Any, prefix: str):
    for name in ("a b", "b.2", "ü", "d"):
        photo(tmp_path / f"images/{name}.jpg")
    for file, names in zip(files, (("a b", "b.2"), ("ü", "d")), strict=True):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text(coco_of(*(f"{prefix}{name}.jpg" for name in names)))
    table, found = drafted(tmp_path)
    assert table["split"] == {word: {"list": file} for word, file in zip(words, files, strict=True)}
    assert FolderDataset(tmp_path / "draft.toml", words[0]).names == ("a b", "b.2")
    assert FolderDataset(tmp_path / "draft.toml", words[1]).names == ("ü", "d")
    assert faults(tmp_path, *words) == []
    assert f"splits by list: {', '.join(files)}" in found
    assert not [line for line in found if line.startswith(("could", "not"))]
    assert ("CHECK: runs read train and val" in (tmp_path / "draft.toml").read_text()) == ("valid" in words)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [{"file_name": "9.jpg"}]}', r"train\.json, image 1: expected the image images/9\.jpg, found no"),
        ('{"images": [{"file_name": "0.jpg"}, {"file_name": "0.jpg"}]}', r"image 2: .* once, found 0\.jpg in image 1"),
        ('{"images": [{"file_name": "../0.jpg"}]}', r"train\.json, image 1: expected a path below"),
        ('{"images": [{"id": 1}]}', r"expected COCO's images, each with its file_name, found a mistake: 'file_name'"),
        ("[1]", r"train\.json: expected COCO's images"),
        ('{"images": ', r"train\.json: expected COCO's images, each with its file_name, found a mistake: Expecting"),
    ],
)
def test_a_list_by_coco_that_does_not_fit(tmp_path: Path, content: str, message: str):
    photo(tmp_path / "images/0.jpg")
    (tmp_path / "train.json").write_text(content)
    (tmp_path / "data.toml").write_text('images = "images/{name}.jpg"\n[split.train]\nlist = "train.json"\n')
    with pytest.raises(DataError, match=message):
        FolderDataset(tmp_path / "data.toml", "train")


def test_files_of_which_not_each_is_a_split_are_left_to_the_user(tmp_path: Path):
    for name in range(2):
        photo(tmp_path / f"images/{name}.jpg")
    for name in ("labels_one.json", "labels_two.json"):
        (tmp_path / name).write_text(coco_of("0.jpg", "9.jpg"))
    table, found = drafted(tmp_path)
    assert table["semantic"]["files"] == "labels_one.json"
    assert any("what 1 image without an entry in labels_one.json show: add an entry each" in line for line in found)
    assert any("whether labels_two.json is to be described instead of labels_one.json" in line for line in found)


@pytest.mark.parametrize("year", ["", "2017"])
def test_coco_panoptic_beside_instances(tmp_path: Path, year: str):
    """COCO's own layout: a folder of PNGs for each split."""
    (tmp_path / "annotations").mkdir()
    for split in (f"train{year}", f"val{year}"):
        for name in range(2):
            photo(tmp_path / f"{split}/{name}.jpg")
            panoptic_labels.write_ids(tmp_path / f"panoptic_{split}/{name}.png", panoptic_labels.ids_of(name))
        (tmp_path / f"annotations/panoptic_{split}.json").write_text(json.dumps(panoptic_labels.table()))
        (tmp_path / f"annotations/instances_{split}.json").write_text(coco_of("0.jpg", "1.jpg"))
    table, found = drafted(tmp_path)
    assert table["images"] == "{split}/{name}.jpg"
    assert {table[name]["files"] for name in ("semantic", "instance")} <= {
        "panoptic_{split}/{name}.png", "annotations/instances_{split}.json"
    }  # fmt: skip
    choice = [line for line in found if line.startswith("could not decide: whether ")]
    assert len(choice) == 1, found
    assert "panoptic_{split}/{name}.png" in choice[0]
    assert "annotations/instances_{split}.json" in choice[0]
    assert faults(tmp_path, "train", "val") == []


def test_folders_whose_names_contain_the_split(tmp_path: Path):
    for split in ("train", "val"):
        for name in range(2):
            photo(tmp_path / f"{split}_images/{name}.png")
            save(tmp_path / f"{split}_masks/{name}.png", LABELS)
    table, found = drafted(tmp_path)
    assert table["images"] == "{split}_images/{name}.png"
    assert table["semantic"]["files"] == "{split}_masks/{name}.png"
    assert "splits by folder: train (2), val (2)" in found
    assert faults(tmp_path, "train", "val") == []


@pytest.mark.parametrize("beside", [True, False])
def test_yolo_with_classes_txt(tmp_path: Path, beside: bool):
    """The list of names may lie among the labels; names may have quotation marks."""
    for name in range(3):
        photo(tmp_path / f"{'' if beside else 'images/'}{name}.png")
        path = tmp_path / f"{'' if beside else 'labels/'}{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(yolo_lines())
    (tmp_path / "classes.txt").write_text('the "car"\na\\b/ü 1\n')
    table, found = drafted(tmp_path)
    assert [c["name"] for c in table["semantic"]["classes"]] == ['the "car"', "a\\b/ü 1"]
    assert not [line for line in found if line.startswith(("could", "not"))]
    assert faults(tmp_path, "train", "val") == []


@pytest.mark.parametrize(("count", "shares"), [(1, {"train": 1.0}), (2, {"train": 0.5, "val": 0.5})])
def test_few_images_have_no_empty_split(tmp_path: Path, count: int, shares: dict[str, float]):
    for name in range(count):
        photo(tmp_path / f"images/{name}.png")
        save(tmp_path / f"labels/{name}.png", LABELS)
    table, found = drafted(tmp_path)
    assert {name: split["fraction"] for name, split in table["split"].items()} == shares
    assert any(line.startswith("no splits: ") for line in found)
    assert faults(tmp_path, *shares) == []


def test_names_with_spaces_dots_other_letters_and_capital_suffixes(tmp_path: Path):
    for name in ("a b", "c.d.e", "ünï", "100%"):
        photo(tmp_path / f"My Images/{name}.PNG")
        save(tmp_path / f"Labels (v1.0)/{name}.Png", LABELS)
    table, _ = drafted(tmp_path)
    assert (table["images"], table["semantic"]["files"]) == ("My Images/{name}.PNG", "Labels (v1.0)/{name}.Png")
    assert faults(tmp_path, "train", "val") == []


def test_files_that_cannot_be_read_are_named_and_the_rest_is_drafted(tmp_path: Path):
    for name in range(4):
        photo(tmp_path / f"images/{name}.png")
        save(tmp_path / f"labels/{name}.png", LABELS)
        (tmp_path / "depth").mkdir(exist_ok=True)
        exr(tmp_path / f"depth/{name}.exr", np.zeros((*SIZE, 3), np.float32), layer="View.")
    for path in ("images/0.png", "labels/1.png"):
        (tmp_path / path).write_bytes(b"broken")
    table, found = drafted(tmp_path)
    assert table["images"] == "images/{name}.png"
    assert [c["value"] for c in table["semantic"]["classes"]] == [0, 1]
    assert "depth" not in table
    undecided = [line for line in found if line.startswith("could not decide: ")]
    assert "what depth/{name}.exr means: " in undecided[0]
    assert "expected one channel, or its name as key" in undecided[0]
    assert "what a file holds that cannot be read: " in undecided[1]
    assert "labels/1.png: expected a PNG" in undecided[1]


def test_images_without_labels_and_labels_without_images(tmp_path: Path):
    save(tmp_path / "labels/0.png", LABELS)
    with pytest.raises(DataError, match=r"expected images .*, found 1 file, none of them a photograph"):
        draft_description(tmp_path / "labels")
    photo(tmp_path / "images/0.png")
    found = draft_description(tmp_path / "images").found
    assert "no labels were found, and without any nothing can be trained" in found
