"""Which images belong to a split: lists, folders, shares, links."""

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
        ("rgb/{name}", "rbg/{name}", "there is no folder .*rbg"),
        ('list = "train.txt"', "fraction = 0.01", "its share of all images rounds to none"),
    ],
)
def test_why_there_are_no_images(tmp_path, old, new, message):
    description = write_folder(tmp_path)
    text = DESCRIPTION.replace('list = "train.txt"', "fraction = 0.5") if "rgb" in old else DESCRIPTION
    description.write_text(text.replace(old, new))
    with pytest.raises(DataError, match=message):
        FolderDataset(description, "train")
