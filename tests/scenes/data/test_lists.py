"""Lists of images: as other systems write them, above the data root, beside the description."""

import pytest

from equipoise.errors import DataError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from tests.support.folders import describe, write_classes, write_images


@pytest.fixture
def root(tmp_path):
    root = tmp_path / "data"
    write_images(root, ["0", "1", "a/2"])
    write_classes(root, ["0", "1", "a/2"])
    return root


@pytest.mark.parametrize("line", ["images\\a\\2.png", "a\\2.png", "a\\2", ".\\images\\a\\2.png", "images/a\\2.png"])
def test_backslashes_stand_for_slashes(root, line):
    (root / "t.txt").write_text(f"0\n# a\\remark\n{line}\n")
    dataset = FolderDataset(describe(root, train='list = "t.txt"'), "train")
    assert dataset.names == ("0", "a/2")
    report = check_split(dataset)
    assert (report.readable, report.faults) == (2, [])
    assert report.notes == [f"{root}/t.txt, line 3: expected / between folders, found \\, read as / (1 such line)"]


def test_a_backslash_may_be_part_of_a_name(root):
    write_images(root, ["a\\2"])
    write_classes(root, ["a\\2"])
    (root / "t.txt").write_text("a\\2\na/2\n")
    dataset = FolderDataset(describe(root, train='list = "t.txt"'), "train")
    assert dataset.names == ("a\\2", "a/2")
    assert not dataset.remarks()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("C:\\data\\images\\0.png", r"t\.txt, line 1: expected a path below .*, found one of Windows"),
        ("D:/images/0.png", r"t\.txt, line 1: expected a path below .*, found one of Windows"),
        ("\\\\server\\images\\0.png", r"t\.txt, line 1: .*lies elsewhere"),
        ("images\\..\\..\\0.png", r"t\.txt, line 1: .*leads out of it"),
        ("../data/images/0.png", r"t\.txt, line 1: .*leads out of it"),
        ("images/0.PNG", r"line 1: expected the image .*found no such file"),
        ("classes/0.png", r"line 1: expected an image of the pattern, found classes/0\.png, which the pattern images/"),
    ],
)
def test_lines_that_name_no_image_of_the_data(root, line, message):
    (root / "t.txt").write_text(f"{line}\n")
    with pytest.raises(DataError, match=message):
        FolderDataset(describe(root, train='list = "t.txt"'), "train")


def test_a_line_that_fits_no_pattern_is_named_by_check(root):
    (root / "t.txt").write_text("0\nclasses/1.png\n")
    report = check_split(FolderDataset(describe(root, train='list = "t.txt"'), "train", strict=False))
    assert len(report.faults) == 1
    assert any("t.txt, line 2: expected an image of the pattern" in note for note in report.notes)


def test_a_broken_list_of_another_split_does_not_stop_check(root):
    (root / "t.txt").write_text("../0\n")
    (root / "v.txt").write_text("0\n")
    description = describe(root, train='list = "t.txt"', val='list = "v.txt"')
    report = check_split(FolderDataset(description, "val", strict=False))
    assert (report.readable, report.faults, report.notes) == (1, [], [])


@pytest.mark.parametrize("given", ["../lists/t.txt", "{outside}/lists/t.txt"])
def test_lists_above_the_data_root(root, given):
    """The description's author names them; what they hold stays below the root."""
    lists = root.parent / "lists"
    lists.mkdir()
    (lists / "t.txt").write_text("1\nimages/0.png\n")
    description = describe(root, train=f'list = "{given.format(outside=root.parent)}"')
    assert FolderDataset(description, "train").names == ("1", "0")
    (lists / "t.txt").write_text("../lists/0\n")
    with pytest.raises(DataError, match=r"lists/t\.txt, line 1: .*leads out of it"):
        FolderDataset(description, "train")
    (lists / "t.txt").unlink()
    with pytest.raises(DataError, match=r"lists/t\.txt: expected a list of images, found: No such file"):
        FolderDataset(description, "train")


def test_a_list_below_the_root_that_a_link_leads_out(root):
    (root.parent / "t.txt").write_text("0\n")
    (root / "t.txt").symlink_to(root.parent / "t.txt")
    with pytest.raises(DataError, match="leads out of it, through a link"):
        FolderDataset(describe(root, train='list = "t.txt"'), "train")
    assert FolderDataset(describe(root, train='list = "../t.txt"'), "train").names == ("0",)


def test_a_list_beside_the_description(root):
    """Where the data lie elsewhere; one in the data comes first, and another one of that name is reported."""
    project = root.parent / "project"
    project.mkdir()
    describe(project, train='list = "lists/t.txt"')
    (project / "lists").mkdir()
    (project / "lists/t.txt").write_text("1\n")
    dataset = FolderDataset(project / "data.toml", "train", root=root)
    assert dataset.names == ("1",)
    assert not dataset.remarks()
    (root / "lists").mkdir()
    (root / "lists/t.txt").write_text("0\n")
    dataset = FolderDataset(project / "data.toml", "train", root=root)
    assert dataset.names == ("0",)
    (note,) = dataset.remarks()
    assert "found another at" in note
    (project / "lists/t.txt").write_text("0\n")
    assert not FolderDataset(project / "data.toml", "train", root=root).remarks()


def test_a_pattern_with_backslashes(root):
    with pytest.raises(DataError, match="use / between folders in patterns"):
        FolderDataset(describe(root, images=r"images\\{name}.png"), "train")
