"""Which images belong to a split: lists, folders, shares, links."""

import json

import pytest

from equipoise.errors import DataError
from equipoise.scenes.data.folder import FolderDataset
from tests.support.cityscapes import DESCRIPTION, write_folder


def test_fractions_share_out_all_images(tmp_path):
    description = write_folder(tmp_path, count=10)
    text = DESCRIPTION.replace('list = "train.txt"', "fraction = 0.7").replace("0.5", "0.3")
    description.write_text(text)
    parts = [set(FolderDataset(description, split).names) for split in ("train", "val")]
    assert [len(part) for part in parts] == [7, 3]
    assert not parts[0] & parts[1]


@pytest.mark.parametrize("line", ["{root}/rgb/a/2.png", "./rgb/a/2.png", "a/2.png", "rgb/a/2.png", "a/2"])
def test_a_list_names_images_in_any_way(tmp_path, line):
    description = write_folder(tmp_path)
    text = f"a/0\r\n\r\n# a remark\r\n{line.format(root=tmp_path.resolve())}\r\n"
    (tmp_path / "train.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    description.write_bytes(b"\xef\xbb\xbf" + description.read_bytes().replace(b'"rgb/', b'"./rgb/'))
    assert FolderDataset(description, "train").names == ("a/0", "a/2")


def test_absolute_paths_through_a_link_and_elsewhere(tmp_path):
    description = write_folder(tmp_path / "data")
    (tmp_path / "link").symlink_to(tmp_path / "data")
    (tmp_path / "data/train.txt").write_text(f"{tmp_path}/link/rgb/a/2.png\n")
    assert FolderDataset(description, "train").names == ("a/2",)
    (tmp_path / "data/train.txt").write_text("/elsewhere/rgb/a/2.png\n")
    with pytest.raises(DataError, match="lies elsewhere"):
        FolderDataset(description, "train")


@pytest.mark.parametrize("pattern", ["rgb//{name}.png", "./rgb/./{name}.png"])
def test_patterns_are_paths(tmp_path, pattern):
    description = write_folder(tmp_path)
    described = DESCRIPTION.replace("rgb/{name}.png", pattern).replace('list = "train.txt"', "fraction = 0.5")
    description.write_text(described)
    dataset = FolderDataset(description, "train")
    assert len(dataset) == 2
    assert not dataset.without_image()


def test_what_equipoise_wrote_is_no_data(tmp_path):
    """Runs and predictions below the data's own root, where their pictures fit the patterns."""
    description = write_folder(tmp_path)
    patterns = DESCRIPTION.replace('"rgb/{name}.png"', '"{name}.png"').replace('list = "train.txt"', "fraction = 0.5")
    description.write_text(patterns.replace('"classes/{name}.png"', '"{name}_semantic.png"'))
    for kind in ("classes", "objects", "depth"):
        (tmp_path / kind).rename(tmp_path.parent / f"{tmp_path.name}-{kind}")
    names = ["run.json", "recipe.json", "log.jsonl", "pictures/00_best_semantic.png", "pictures/00_best_image.png"]
    for name in [f"runs/one/{name}" for name in names] + ["x_semantic_overlay.png", "x_semantic.png", "x.json"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("{}")
    record = {"format": 1, "sigma": {}, "files": ["x_semantic_overlay.png", "x_semantic.png"]}
    (tmp_path / "x.json").write_text(json.dumps(record))
    found = [FolderDataset(description, split, strict=False) for split in ("train", "val")]
    assert sorted(sum((dataset.names for dataset in found), ())) == [f"rgb/a/{i}" for i in range(4)]
    assert not found[0].without_image()


def test_linked_folders_are_followed(tmp_path):
    description = write_folder(tmp_path)
    (tmp_path / "rgb/a").rename(tmp_path / "stored")
    (tmp_path / "rgb/a").symlink_to(tmp_path / "stored")
    (tmp_path / "rgb/round").symlink_to(tmp_path / "rgb")
    description.write_text(DESCRIPTION.replace('list = "train.txt"', "fraction = 0.5"))
    names = [FolderDataset(description, split).names for split in ("train", "val")]
    assert sorted(sum(names, ())) == ["a/0", "a/1", "a/2", "a/3"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("rgb/{name}", "rbg/{name}", "the folder .*rbg does not exist"),
        ('list = "train.txt"', "fraction = 0.01", "its share of all images rounds to none"),
    ],
)
def test_why_there_are_no_images(tmp_path, old, new, message):
    description = write_folder(tmp_path)
    text = DESCRIPTION.replace('list = "train.txt"', "fraction = 0.5") if "rgb" in old else DESCRIPTION
    description.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        FolderDataset(description, "train")
