"""``equipoise describe`` drafts what ``equipoise check`` reads without an edit where the folder is plain."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from equipoise.errors import DataError
from equipoise.scenes.data.draft import draft_description
from equipoise.scenes.labels.drafts import read_group
from tests.support.cityscapes import save
from tests.support.commands import equipoise

SIZE = (32, 48)


def write(root: Path, *, split: bool = False, colors: bool = False, arrays: bool = False) -> None:
    for k in range(6):
        rng = np.random.default_rng(k)
        name = f"{'train' if k < 4 else 'val'}/{k}" if split else f"{k}"
        save(root / f"rgb/{name}.png", rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8))
        labels = np.full(SIZE, 3, np.uint8)
        labels[:8], labels[8] = 7, 255
        labels[12:20, 5:25] = 11
        palette = np.zeros((256, 3), np.uint8)
        palette[[3, 7, 11]] = [(9, 80, 3), (200, 0, 0), (0, 5, 90)]
        save(root / f"classes/{name}.png", palette[labels] if colors else labels)
        ids = np.zeros(SIZE, np.uint16)
        ids[12:20, 5:15], ids[12:20, 15:25] = 1, 2
        save(root / f"instances/{name}.png", ids)
        depth = rng.uniform(2, 50, SIZE).astype(np.float32)
        if arrays:
            depth[0] = np.nan
            (root / f"depth/{name}.npy").parent.mkdir(parents=True, exist_ok=True)
            np.save(root / f"depth/{name}.npy", depth)
        else:
            depth[0] = 0
            save(root / f"depth/{name}.png", (depth * 1000).astype(np.uint16))


@pytest.mark.parametrize("options", [{}, {"split": True}, {"colors": True}, {"arrays": True}], ids=str)
def test_the_draft_of_a_plain_folder_is_read_as_it_is(tmp_path, options):
    write(tmp_path, **options)
    out = tmp_path / "data.toml"
    done = equipoise("describe", tmp_path, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "6 images: rgb/" in done.stderr
    table = tomllib.loads(out.read_text())
    assert {"semantic", "instance", "depth"} <= set(table)
    assert [c.get("countable", False) for c in table["semantic"]["classes"]].count(True) == 1
    assert table["semantic"]["ignore"] == ([[0, 0, 0]] if options.get("colors") else [255])
    assert table["depth"]["kind"] == "depth_m"
    assert table["split"].keys() == {"train", "val"}
    checked = equipoise("check", out)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    again = equipoise("describe", tmp_path, "--out", out)
    assert again.returncode == 2
    assert "expected a new file" in again.stderr


def test_labels_beside_images_lists_and_missing_labels(tmp_path):
    for k in range(3):
        rng = np.random.default_rng(k)
        save(tmp_path / f"all/{k}.jpg", rng.integers(0, 256, (*SIZE, 3)).astype(np.uint8))
        if k:
            save(tmp_path / f"all/{k}_classes.png", np.eye(*SIZE, dtype=np.uint8))
    (tmp_path / "train.txt").write_text("0\n1\n")
    (tmp_path / "val.txt").write_text("all/2.jpg\n")
    (tmp_path / "notes.md").write_text("x")
    draft = draft_description(tmp_path)
    table = tomllib.loads(draft.text)
    assert table["images"] == "all/{name}.jpg"
    assert table["split"] == {"train": {"list": "train.txt"}, "val": {"list": "val.txt"}}
    assert (table["semantic"]["files"], table["semantic"]["optional"]) == ("all/{name}_classes.png", True)
    assert any(line.startswith("not described: 1 file {name}.md") for line in draft.found)


def test_without_out_the_draft_is_printed(tmp_path):
    write(tmp_path)
    done = equipoise("describe", tmp_path)
    assert tomllib.loads(done.stdout)["images"] == "rgb/{name}.png"
    assert not (tmp_path / "data.toml").exists()


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n"])
def test_a_broken_label_is_named(tmp_path, content):
    path = tmp_path / "classes_0.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"classes_0\.png: expected"):
        read_group("classes_{name}.png", {"0": path}, ["0"])


@pytest.mark.parametrize(("folder", "message"), [("none", "expected a folder at"), (".", "expected images")])
def test_no_folder_or_no_images(tmp_path, folder, message):
    with pytest.raises(DataError, match=message):
        draft_description(tmp_path / folder)
