"""Names of files as other systems spell them: letters composed or decomposed, backslashes, hidden files, suffixes."""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equipoise.errors import DataError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.left_out import left_out
from equipoise.scenes.io.names import composed, hidden, located
from tests.support.folders import describe, write_classes, write_images

FORMS = ("NFC", "NFD")
ACCENTED = st.text(st.sampled_from("aZé ü ñ한각Å"), min_size=1, max_size=6).filter(lambda name: name == name.strip())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("names")


@given(folder_name=ACCENTED, name=ACCENTED, forms=st.tuples(*[st.sampled_from(FORMS)] * 4))
def test_a_path_is_found_in_whichever_form_it_is_stored(tmp_path_factory, folder_name, name, forms):
    root = tmp_path_factory.mktemp("root")
    stored = [unicodedata.normalize(form, part) for form, part in zip(forms, (folder_name, name), strict=False)]
    asked = [unicodedata.normalize(form, part) for form, part in zip(forms[2:], (folder_name, name), strict=True)]
    (root / stored[0]).mkdir()
    (root / stored[0] / stored[1]).touch()
    assert located(root, "/".join(asked)) == "/".join(stored)


@pytest.mark.parametrize("listed", FORMS)
@pytest.mark.parametrize("image", FORMS)
@pytest.mark.parametrize("label", FORMS)
def test_images_labels_and_lists_in_any_form_belong_together(tmp_path, listed, image, label):
    name = "Zürich/Straße é"
    write_images(tmp_path, [unicodedata.normalize(image, name), "x"])
    write_classes(tmp_path, [unicodedata.normalize(label, name), "x"])
    (tmp_path / "t.txt").write_text(unicodedata.normalize(listed, name) + "\n")
    description = describe(tmp_path, train='list = "t.txt"')
    dataset = FolderDataset(description, "train")
    assert dataset.names == (composed(name),)
    assert "semantic" in dataset[0].labels
    report = check_split(dataset)
    assert (report.readable, report.faults) == (1, [])
    assert not any(composed(name) in composed(note) for note in report.notes)


def test_two_names_that_look_the_same_are_refused(tmp_path):
    names = [unicodedata.normalize(form, "ü") for form in FORMS]
    write_images(tmp_path, names)
    write_classes(tmp_path, names)
    description = describe(tmp_path)
    with pytest.raises(DataError, match=r"expected names that look different, found .*u\\u0308.*\\xfc.*rename one"):
        FolderDataset(description, "train")
    (tmp_path / "t.txt").write_text("ü\n")
    description = describe(tmp_path, train='list = "t.txt"')
    with pytest.raises(DataError, match="expected names that look different"):
        FolderDataset(description, "train")


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("images/._0.png", "images/{name}.png", True),
        ("images/.trash/0.png", "images/{name}.png", True),
        ("images/a.b.png", "images/{name}.png", False),
        (".data/0.png", ".data/{name}.png", False),
        (".data/.0.png", ".data/{name}.png", True),
        ("images/x/.rgb.png", "images/{name}/.rgb.png", False),
    ],
)
def test_hidden_files(path, pattern, expected):
    assert hidden(path, pattern) == expected


def test_hidden_files_are_left_out_and_counted(tmp_path):
    """As macOS writes them beside others, for images and for labels; a list may still name one."""
    write_images(tmp_path)
    write_classes(tmp_path)
    for name in ("images/._0.png", "classes/._0.png", "images/.old/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7")
    (tmp_path / "images/.DS_Store").write_bytes(b"x")
    description = describe(tmp_path, train="fraction = 1.0", val='list = "v.txt"')
    report = check_split(FolderDataset(description, "train", strict=False))
    assert (report.images, report.readable, report.faults) == (6, 6, [])
    (note,) = report.notes
    assert "found 3 that a pattern fits otherwise" in note
    (tmp_path / "v.txt").write_text("._0\n")
    with pytest.raises(DataError, match=r"\._0\.png: found AppleDouble"):
        FolderDataset(description, "val")[0]


def test_a_folder_is_not_hidden_by_a_hidden_link_to_it(tmp_path):
    write_images(tmp_path)
    (tmp_path / "images/.again").symlink_to(tmp_path / "images")
    (tmp_path / "images/z").mkdir()
    (tmp_path / "images/0.png").rename(tmp_path / "images/z/0.png")
    (tmp_path / "images/.a").symlink_to(tmp_path / "images/z")
    (tmp_path / "images/b").symlink_to(tmp_path / "images/z")
    description = describe(tmp_path, train="fraction = 1.0", val='list = "v.txt"', semantic=None)
    assert FolderDataset(description, "train", strict=False).names == ("1", "2", "3", "4", "5", "z/0")


@pytest.mark.parametrize(
    ("pattern", "stored", "found"),
    [
        ("images/{name}.png", "images/3.PNG", True),
        ("images/{name}.jpg", "images/3.jpeg", True),
        ("images/{name}.JPG", "images/a/3.jpg", True),
        ("images/{name}.png", "images/3.jpg", True),
        ("images/{name}.png", "images/3.png", False),
        ("images/{name}_rgb.png", "images/3_rgb.PNG", True),
        ("images/{name}_rgb.png", "images/3.PNG", False),
        ("images/{name}.png", "images/0.PNG", True),  # beside 0.png: one of them is not read
        ("images/{name}.png", "images/0.jpg", False),  # beside 0.png, on purpose
        ("images/{name}.png", "images/0_edges.webp", False),
        ("images/{name}.png", "images/notes.txt", False),
    ],
)
def test_suffixes_in_another_spelling(tmp_path, pattern, stored, found):
    for name in (pattern.replace("{name}", "0"), stored):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    result = left_out(tmp_path, {"image": pattern})
    assert [path for path, _ in result.respelled] == [tmp_path / stored] * found


def test_labels_beside_images_are_no_images_of_another_suffix(tmp_path):
    for name in ("0.jpg", "0.png", "1.jpg", "1.png", "2.PNG"):
        (tmp_path / name).touch()
    result = left_out(tmp_path, {"image": "{name}.jpg", "semantic": "{name}.png"})
    assert [path.name for path, _ in result.respelled] == ["2.PNG"]
    assert list(result.lines()) == [
        f"{tmp_path}/2.PNG: expected .png, as the pattern says, found .PNG (1 such file): left out, rename it to have "
        "it read"
    ]


def test_a_missing_label_of_another_spelling_is_named(tmp_path):
    write_images(tmp_path)
    write_classes(tmp_path)
    (tmp_path / "classes/3.png").rename(tmp_path / "classes/3.PNG")
    description = describe(tmp_path, train="fraction = 1.0", val='list = "v.txt"')
    with pytest.raises(DataError, match=r"found none \(3\.PNG is there: rename it\)"):
        FolderDataset(description, "train")
