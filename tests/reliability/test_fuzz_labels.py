"""Labels of every format, damaged: one clear line or labels that are valid, never a traceback or a silent change."""

import copy
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from equipoise.errors import UserError
from equipoise.scenes.data.draft import draft_description
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels.vocabulary import IGNORE
from tests.reliability.test_fuzz import damaged
from tests.scenes.labels.test_label_arrays import classes, opened, picture
from tests.support import outlines, panoptic_labels
from tests.support.cityscapes import save
from tests.support.folders import SIZE, describe, write_images

ODD: tuple[Any, ...] = (
    *(None, True, False, -1, 0, 1, 2**31, 2**40, -(2**63), 10**30, 1e308, 0.5, float("nan"), float("inf")),
    *("", "x", "1", "\ud800", "a\nb", [], {}, [[]], [None], {"a": 1}, [1, 2, 3], [[1, 2], [3, 4]]),
)


def outlined(kind: str) -> Callable[[Path], tuple[FolderDataset, Path]]:
    def make(root: Path) -> tuple[FolderDataset, Path]:
        dataset = outlines.opened(root, kind, more='others = "ignore"' if kind == "cityscapes_polygons" else "")
        return dataset, dataset.files(0)["semantic"]

    return make


def segments(name: str) -> Callable[[Path], tuple[FolderDataset, Path]]:
    return lambda root: (panoptic_labels.opened(root), root / name)


def array(suffix: str) -> Callable[[Path], tuple[FolderDataset, Path]]:
    def make(root: Path) -> tuple[FolderDataset, Path]:
        described = classes({3: "road", 7: "car", 9: "sky"})
        numbers = picture(3, 7, 7, 9).astype(np.int32)
        dataset = opened(root, suffix, numbers, numbers, semantic=described, instance='encoding = "id"')
        return dataset, dataset.files(0)["semantic"]

    return make


def color(root: Path) -> tuple[FolderDataset, Path]:
    write_images(root, range(1))
    colors = np.zeros((*SIZE, 3), np.uint8)
    colors[:, 20:] = 255
    save(root / "classes/0.png", colors)
    given = 'encoding = "color"\nclasses = [{ name = "a", color = [0, 0, 0] }, { name = "b", color = [255, 255, 255] }]'
    return FolderDataset(describe(root, train="fraction = 1.0", val="list = 'val.txt'", semantic=given), "train"), (
        root / "classes/0.png"
    )


MAKERS: dict[str, Callable[[Path], tuple[FolderDataset, Path]]] = {
    **{kind: outlined(kind) for kind in outlines.KINDS},
    "panoptic JSON": segments(panoptic_labels.JSON),
    "panoptic PNG": segments("panoptic_train/0.png"),
    **{suffix: array(suffix) for suffix in (".tif", ".npy", ".npz")},
    "color": color,
}
CHECKED = ("panoptic PNG", ".npz", "color")
"""Formats with checksums: what differs is refused."""


def expect_valid(dataset: FolderDataset) -> dict[str, np.ndarray] | str:
    """The labels of the first image, or the line that refuses them."""
    started, said = time.monotonic(), ""
    try:
        labels = dict(dataset[0].labels)
    except UserError as error:
        said = str(error)
    assert time.monotonic() - started < 10
    if said:
        assert "\n" not in said
        assert "expected" in said
        return said
    assert labels["semantic"].shape == SIZE
    assert labels["semantic"].dtype == np.uint8
    assert set(np.unique(labels["semantic"]).tolist()) <= {*range(len(dataset.vocabulary.classes)), IGNORE}
    if "instance" in labels:
        assert labels["instance"].dtype == np.int32
        assert labels["instance"].min() >= 0
    return labels


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about unreadable metadata.
@pytest.mark.parametrize("name", MAKERS)
def test_damaged_bytes(tmp_path: Path, name: str):
    dataset, path = MAKERS[name](tmp_path)
    whole, rng, refused = path.read_bytes(), np.random.default_rng(5), 0
    right = expect_valid(dataset)
    assert not isinstance(right, str), right
    for _ in range(60):
        path.write_bytes(damaged(whole, rng))
        found = expect_valid(dataset)
        if isinstance(found, str):
            refused += 1
            assert str(tmp_path) in found
        elif name in CHECKED:
            assert all(np.array_equal(found[kind], right[kind]) for kind in right), "changed, and not noticed"
    assert refused > 10
    path.write_bytes(whole)
    again = expect_valid(dataset)
    assert not isinstance(again, str)


def changed(table: Any, rng: np.random.Generator) -> Any:
    """A JSON value in which one random node is replaced by something odd, or removed."""
    table = copy.deepcopy(table)
    node, places = table, []
    while isinstance(node, list | dict) and node and (not places or rng.random() < 0.85):
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = keys[int(rng.integers(len(keys)))]
        places.append((node, key))
        node = node[key]
    container, key = places[-1]
    if rng.random() < 0.2:
        del container[key]
    else:
        container[key] = copy.deepcopy(ODD[int(rng.integers(len(ODD)))])
    return table


@pytest.mark.parametrize("name", ["coco", "labelme", "cityscapes_polygons", "panoptic JSON"])
def test_wrong_types_and_values_in_json(tmp_path: Path, name: str):
    """Huge, negative and fractional numbers, NaN, texts, and missing keys."""
    dataset, path = MAKERS[name](tmp_path)
    table, rng, refused = json.loads(path.read_text()), np.random.default_rng(6), 0
    for _ in range(150):
        path.write_text(json.dumps(changed(table, rng)))
        found = expect_valid(dataset)
        refused += isinstance(found, str)
    assert refused > 40


@pytest.mark.parametrize("name", ["coco", "labelme", "cityscapes_polygons", "panoptic JSON", "yolo"])
def test_describe_never_fails_on_damaged_annotations(tmp_path: Path, name: str):
    dataset, path = MAKERS[name](tmp_path)
    for image in range(2):
        photo = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
        save(tmp_path / f"images/{image}.png", photo)
    whole, rng = path.read_bytes(), np.random.default_rng(7)
    for trial in range(40):
        damage = damaged(whole, rng)
        if name != "yolo" and trial % 2:
            damage = json.dumps(changed(json.loads(whole), rng)).encode()
        path.write_bytes(damage)
        draft = draft_description(tmp_path)
        assert draft.text.startswith("# Drafted")
        assert not any("\n" in line for line in draft.found)
    assert dataset.names


ODD_LINES = (
    "nan nan nan nan nan nan nan", "0 nan 0 1 1 1 0", "-1 0 0 1 1 1 0", "1e3 0 0 1 1 1 0", "0 inf 0 1 1 1 0",
    "99999999999999999999 0 0 1 1 1 0", "0 0 0 1 1 1 0 0", "0,0,0,1,1,1,0", "\x00", "0 1e400 0 1 1 1 0",
)  # fmt: skip


@pytest.mark.parametrize("line", ODD_LINES)
def test_odd_lines_of_yolo_are_refused(tmp_path: Path, line: str):
    dataset, path = MAKERS["yolo"](tmp_path)
    path.write_text(line + "\n")
    assert isinstance(expect_valid(dataset), str)
