"""``equipoise describe`` drafts outlines and panoptic labels, and says what it could not decide."""

import json
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.draft import draft_description
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import Sample
from tests.support import panoptic_labels
from tests.support.cityscapes import save
from tests.support.folders import SIZE, write_images
from tests.support.outlines import KINDS, coco_table, labelme_table, write


def photos(root: Path, folder: str = "images", names: tuple[object, ...] = (0, 1)) -> None:
    """Replace images of one colour, which look like labels, by photographs."""
    for name in names:
        colors = np.random.default_rng(0).integers(0, 256, (*SIZE, 3))
        save(root / f"{folder}/{name}.png", colors.astype(np.uint8))


def drafted(root: Path) -> tuple[dict, tuple[str, ...]]:
    draft = draft_description(root)
    (root / "draft.toml").write_text(draft.text)
    return tomllib.loads(draft.text), draft.found


def all_samples(root: Path) -> dict[str, Sample]:
    """The samples of both splits by name, in which ``check`` finds no fault."""
    splits = [FolderDataset(root / "draft.toml", split) for split in ("train", "val")]
    assert [fault for dataset in splits for fault in check_split(dataset).faults] == []
    return {sample.name: sample for dataset in splits for sample in dataset}


def undecided(found: tuple[str, ...]) -> list[str]:
    return [line.removeprefix("could not decide: ") for line in found if line.startswith("could not decide")]


@pytest.mark.parametrize("kind", KINDS)
def test_the_draft_reads_the_outlines_as_they_were_described_by_hand(tmp_path: Path, kind: str):
    """Classes are in the order of the files; the objects are those of countable ones."""
    more = 'others = "ignore"' if kind == "cityscapes_polygons" else ""
    by_hand = FolderDataset(write(tmp_path, kind, more=more, outside=""), "train")
    photos(tmp_path)
    table, found = drafted(tmp_path)
    assert table["semantic"]["files"] == table["instance"]["files"] == KINDS[kind]
    assert table["semantic"]["encoding"] == table["instance"]["encoding"] == kind
    assert table["semantic"]["outside"] == ""
    assert undecided(found) == []
    samples = all_samples(tmp_path)
    names = [c["name"] for c in table["semantic"]["classes"]]
    expected = {"yolo": ["class_0", "class_1"], "cityscapes_polygons": ["ground", "car", "person", "out of roi"]}
    assert names == expected.get(kind, ["car", "person"])
    for other in by_hand:
        assert np.array_equal(samples[other.name].labels["instance"] > 0, other.labels["instance"] > 0)
    assert (samples["0"].labels["instance"] > 0).any()


def test_yolo_has_the_names_of_its_yaml(tmp_path: Path):
    write(tmp_path, "yolo")
    photos(tmp_path)
    (tmp_path / "data.yaml").write_text("train: images\nnames:\n  0: car\n  1: person\n")
    classes = drafted(tmp_path)[0]["semantic"]["classes"]
    assert [(c["value"], c["name"], c["countable"]) for c in classes] == [(0, "car", True), (1, "person", True)]


def test_panoptic_labels(tmp_path: Path):
    by_hand = panoptic_labels.opened(tmp_path)[0].labels
    photos(tmp_path)
    (tmp_path / "data.toml").unlink()
    table, found = drafted(tmp_path)
    for name in ("semantic", "instance"):
        assert table[name]["files"] == panoptic_labels.PATTERN
        assert table[name]["segments"] == panoptic_labels.JSON
    assert [(c["name"], c.get("countable", False)) for c in table["semantic"]["classes"]] == [
        ("road", False), ("car", True), ("person", True), ("lamp", True)
    ]  # fmt: skip
    assert undecided(found) == []
    assert not any(line.startswith("not described") for line in found)
    assert np.array_equal(all_samples(tmp_path)["0"].labels["semantic"], by_hand["semantic"])


def test_files_for_each_split(tmp_path: Path):
    """COCO's own names of folders and files."""
    for split in ("train2017", "val2017"):
        photos(tmp_path, f"images/{split}", (0, 1))
        path = tmp_path / f"annotations/instances_{split}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(coco_table()))
    table, found = drafted(tmp_path)
    assert table["images"] == "images/{split}/{name}.png"
    assert table["split"] == {"train": {"folder": "train2017"}, "val": {"folder": "val2017"}}
    assert table["semantic"]["files"] == "annotations/instances_{split}.json"
    assert "splits by folder: train2017 (2), val2017 (2)" in found
    for split in ("train", "val"):
        assert check_split(FolderDataset(tmp_path / "draft.toml", split)).faults == []


def test_what_cannot_be_decided_is_said(tmp_path: Path):
    write_images(tmp_path, range(2))
    photos(tmp_path)
    (tmp_path / "boxes").mkdir()
    (tmp_path / "boxes/0.txt").write_text("0 0.5 0.5 0.1 0.1\n")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd/0.json").write_text(json.dumps({"version": 3, "result": []}))
    (tmp_path / "lines").mkdir()
    line = {"label": "lane", "points": [[1, 1], [2, 2]], "shape_type": "line"}
    (tmp_path / "lines/0.json").write_text(json.dumps({**labelme_table(), "shapes": [line]}))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken/0.json").write_text('{"shapes": [')
    (tmp_path / "other_boxes.json").write_text(json.dumps(coco_table() | {"annotations": [{"bbox": [1, 2, 3, 4]}]}))
    save(tmp_path / "masks/unrelated.png", np.zeros(SIZE, np.uint8))
    save(tmp_path / "classes/0.png", np.arange(48 * 64).reshape(SIZE).astype(np.uint8))
    said = undecided(drafted(tmp_path)[1])
    for part in (
        "1 file boxes/{name}.txt: YOLO boxes, which have no outline",
        "1 file odd/{name}.json: a JSON of another form (version, result)",
        "1 file lines/{name}.json: labelme shapes of type line, which are not read",
        "1 file broken/{name}.json: a file that cannot be read: Expecting value",
        "other_boxes.json: COCO annotations without segmentations: boxes have no outline",
        "what classes/{name}.png means: 256 different numbers in 1 file",
        "which images masks/{name}.png belongs to: no name is that of an image",
    ):
        assert [line for line in said if line.startswith(part)], (part, said)


def test_outlines_beside_pictures_are_a_choice(tmp_path: Path):
    write(tmp_path, "labelme")
    photos(tmp_path)
    (tmp_path / "data.toml").unlink()
    for name in range(2):
        save(tmp_path / f"classes/{name}.png", np.eye(*SIZE, dtype=np.uint8))
    table, found = drafted(tmp_path)
    assert table["semantic"]["files"] == "classes/{name}.png"
    assert undecided(found) == ["whether images/{name}.json is to be described instead of classes/{name}.png"]


def test_equal_names_in_several_splits_are_counted_and_suffixes_may_be_upper_case(tmp_path: Path):
    for split in ("train", "val"):
        photos(tmp_path, f"rgb/{split}")
        for name in range(2):
            save(tmp_path / f"classes/{split}/{name}.png", np.eye(*SIZE, dtype=np.uint8))
        for path in (tmp_path / f"rgb/{split}").iterdir():
            shutil.move(path, path.with_suffix(".PNG"))
    found = drafted(tmp_path)[1]
    assert "4 images: rgb/{split}/{name}.PNG" in found
    assert "splits by folder: train (2), val (2)" in found
    assert "4 labels for [semantic]: classes/{split}/{name}.png" in found
    for split in ("train", "val"):
        assert check_split(FolderDataset(tmp_path / "draft.toml", split)).faults == []


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_arrays_of_classes_and_ids(tmp_path: Path, kind: type):
    photos(tmp_path)
    for name in range(2):
        labels = np.zeros(SIZE, np.int64)
        labels[:9], labels[9:20] = -1, 4
        ids = np.where(labels == 4, 3 + np.arange(SIZE[1]) // 40, -1)
        for table, array in (("classes", labels), ("instances", ids)):
            (tmp_path / table).mkdir(exist_ok=True)
            np.save(tmp_path / f"{table}/{name}.npy", array.astype(kind))
    table, found = drafted(tmp_path)
    assert table["semantic"]["ignore"] == [-1]
    assert [(c["value"], c.get("countable", False)) for c in table["semantic"]["classes"]] == [(0, False), (4, True)]
    assert table["instance"]["background"] == [-1, 0]
    assert undecided(found) == []
    assert [np.unique(sample.labels["instance"]).tolist() for sample in all_samples(tmp_path).values()] == [
        [0, 3, 4]
    ] * 2
