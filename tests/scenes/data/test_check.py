"""What is wrong with a data set is found before training, each fault with its path; nothing is written."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import DataError
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import LabelledImage
from equipoise.scenes.labels.split_report import SplitReport
from tests.support.cityscapes import DESCRIPTION, save, write_folder
from tests.support.commands import equipoise
from tests.support.tiny import VOCABULARY


def checked(description: Path) -> SplitReport:
    return check_split(FolderDataset(description, "train", strict=False))


def labels(root: Path, kind: str) -> Path:
    return root / kind / "a/0.png"


def cut(root: Path) -> None:
    rng = np.random.default_rng(0)
    save(root / "rgb/a/0.png", rng.integers(0, 255, (24, 33, 3)).astype(np.uint8))
    data = (root / "rgb/a/0.png").read_bytes()
    (root / "rgb/a/0.png").write_bytes(data[: len(data) // 2])


def bomb(root: Path) -> None:
    Image.new("1", (12_000, 12_000)).save(root / "rgb/a/0.png")


def changed(kind: str, edit: Callable[[np.ndarray], None], dtype: type = np.uint8) -> Callable[[Path], None]:
    def apply(root: Path) -> None:
        array = np.array(Image.open(labels(root, kind))).astype(dtype)
        edit(array)
        save(labels(root, kind), array)

    return apply


def put(place: tuple, value: int) -> Callable[[np.ndarray], None]:
    def edit(array: np.ndarray) -> None:
        array[place] = value

    return edit


def flip(root: Path) -> None:
    data = bytearray(labels(root, "classes").read_bytes())
    data[-14] ^= 0x10  # in the checksum of the pixels
    labels(root, "classes").write_bytes(data)


def relink(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing label": (lambda r: labels(r, "classes").unlink(), "expected a semantic label at"),
    "truncated image": (cut, "cannot be decoded"),
    "wrong size": (lambda r: save(labels(r, "classes"), np.zeros((9, 9), np.uint8)), "expected the size of its image"),
    "8 bit for 16, depth": (changed("depth", put((0, 0), 255)), "expected 16 bit, found 8 (mode L)"),
    "8 bit for 16, instances": (changed("objects", put((0, 0), 255)), "expected 16 bit, found 8 (mode L)"),
    "a byte changed": (flip, "expected a whole PNG, found a wrong checksum"),
    "cut at the end": (
        lambda r: labels(r, "depth").write_bytes(labels(r, "depth").read_bytes()[:-9]),
        "expected a whole PNG, found it cut",
    ),
    "a link to nothing": (lambda r: relink(r / "rgb/a/0.png", "none"), "expected a picture, found a link to nothing"),
    "a link to itself": (
        lambda r: relink(labels(r, "depth"), "0.png"),
        "cannot be decoded (Too many levels of symbolic links)",
    ),
    "a link out of the root": (
        lambda r: relink(labels(r, "depth"), "/etc/hostname"),
        "leads out of it, by a link: name what it points to",
    ),
    "negative depth": (
        lambda r: (r / "data.toml").write_text(DESCRIPTION.replace("divisor", "offset = -4001\ndivisor")),
        "depth/a/0.png: expected depth of 0 or more, found -0.001 for the stored number 4000",
    ),
    "wrong mode": (lambda r: save(labels(r, "objects"), np.zeros((24, 33, 3), np.uint8)), "one number a pixel"),
    "labels as JPEG": (lambda r: Image.new("L", (33, 24)).save(labels(r, "classes"), "JPEG"), "expected labels as PNG"),
    "unknown label value": (changed("classes", put((3, 3), 99)), "found 99"),
    "not decodable": (lambda r: (r / "rgb/a/0.png").write_text("hello"), "cannot be decoded"),
    "image bomb": (bomb, "at most 80000000 pixels"),
    "instance on a class not counted": (
        changed("objects", put((slice(18, 22), slice(0, 9)), 9000), np.uint16),
        "objects/a/0.png: expected instances on countable classes, found 9000 on ground",
    ),
    "instance without a class": (
        changed("classes", put((slice(10, 16), slice(4, 12)), 255)),
        "objects/a/0.png: expected instances on countable classes, found 7000 without a class label",
    ),
    "depth out of range": (
        changed("depth", put((20, 20), 1), np.uint16),
        "depth/a/0.png: expected depth of 0.01 … 10,000 m, found 0.001 … 4 m",
    ),
    "no class at all": (changed("classes", put((slice(None),), 255)), "found 7000 without a class label"),
    "misaligned folders": (
        lambda r: shutil.copy(labels(r, "classes"), r / "classes/a/99.png"),
        "expected an image for this semantic label",
    ),
}


def test_what_a_good_set_holds(tmp_path):
    report = checked(write_folder(tmp_path))
    assert (report.images, report.readable, report.instances) == (2, 2, 4)
    assert report.labels == {"semantic": 2, "instance": 2, "inverse_depth": 2}
    assert report.classes == {"ground": 2, "box": 2, "sky": 2}
    assert report.sizes == {"33x24": 2}
    assert report.faults == []


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_is_named_with_its_path(tmp_path, fault):
    description = write_folder(tmp_path)
    make, words = FAULTS[fault]
    make(tmp_path)
    report = checked(description)
    assert len(report.faults) == (2 if fault == "negative depth" else 1), report.faults
    assert words in report.faults[0]
    assert "a/0" in report.faults[0] or "a/99" in report.faults[0]


def test_all_faults_at_once(tmp_path):
    description = write_folder(tmp_path)
    labels(tmp_path, "classes").unlink()
    (tmp_path / "depth/a/2.png").write_bytes(b"")
    report = checked(description)
    assert report.readable == 0
    assert len(report.faults) == 2


def test_a_kind_of_label_in_8_bit_here_and_16_there(tmp_path):
    description = write_folder(tmp_path)
    description.write_text(description.read_text().replace("divisor = 1000", "divisor = 100"))
    save(labels(tmp_path, "depth"), np.full((24, 33), 200, np.uint8))
    assert "depth/a/0.png: expected inverse_depth labels of one number of bits" in checked(description).faults[0]


def test_instances_on_another_class_than_their_ids_tell(tmp_path):
    """A fault where most ids tell the class they lie on; where most do not, they count classes in their own way."""
    description = write_folder(tmp_path)
    described = description.read_text().replace("value = 3, color", "value = 3, countable = true, color")
    description.write_text(described)
    first, second = (tmp_path / f"objects/a/{number}.png" for number in (0, 2))
    for path, ids, told in ((first, [7000], 1), (first, [7001], 0), (second, [7000, 7001], 0)):
        stored = np.array(Image.open(path)).astype(np.uint16)
        save(path, np.where(np.isin(stored, ids), stored - 4000, stored).astype(np.uint16))
        found = [line for line in checked(description).faults if "(ground) on box" in line]
        assert len(found) == told


def test_images_without_any_class_and_ids_of_no_class_are_looked_at(tmp_path):
    """As the official test split's: void everywhere is no mistake. Ids of a wrong factor tell classes that are none."""
    description = write_folder(tmp_path)
    for kind in ("classes", "objects"):
        stored = np.array(Image.open(labels(tmp_path, kind)))
        save(labels(tmp_path, kind), np.full_like(stored, 255 if kind == "classes" else 0))
    report = checked(description)
    assert not report.faults
    assert any("expected class labels, found none in the whole image (1 such" in line for line in report.notes)
    description = write_folder(tmp_path)
    description.write_text(DESCRIPTION.replace('/{name}.png"\n[depth]', '/{name}.png"\nfactor = 100\n[depth]'))
    report = checked(description)
    assert not report.faults
    assert any("found 7000 (no class) on box" in line and "factor wrong?" in line for line in report.notes)


def test_what_may_be_meant_so_is_told_without_failing(tmp_path):
    description = write_folder(tmp_path / "data")
    text = description.read_text()
    description.write_text(text.replace('files = "objects/{name}.png"', 'files = "objects/{name}.png"\nfactor = 8000'))
    done = run("check", description)
    assert done.returncode == 0
    assert "look at val: " in done.stdout
    assert "expected it in one split, found it in train too (2 such images)" in done.stdout
    assert "expected an instance in some image, found none in all 2" in done.stdout
    optional = text.replace('files = "classes/', 'optional = true\nfiles = "clases/')
    description.write_text(optional)
    assert "expected semantic labels in some image, found none in all 2" in run("check", description).stdout


@pytest.mark.parametrize(("sky", "told"), [(1, "in the whole image"), (2, "in the whole image but its sky")])
def test_a_sky_is_no_depth_label(sky, told):
    semantic = np.array([[sky, sky], [0, 1]], np.uint8)
    inverse_depth = np.array([[np.nan if sky == 1 else 0] * 2, [np.nan] * 2], np.float32)
    image = LabelledImage(
        labels={"semantic": semantic, "inverse_depth": inverse_depth},
        files={"inverse_depth": Path("x.png")},
        vocabulary=VOCABULARY,
        readers={},
    )
    (found,) = LABELS["inverse_depth"].faults(image)
    assert found == f"x.png: expected depth labels, found none {told}"


def test_all_that_is_wrong_with_an_image_is_one_line(tmp_path):
    description = write_folder(tmp_path)
    save(labels(tmp_path, "classes"), np.full((24, 33), 99, np.uint8))
    labels(tmp_path, "depth").write_bytes(b"")
    (line,) = checked(description).faults
    assert "found 99" in line
    assert "depth/a/0.png: expected a PNG" in line


def test_listed_images_that_do_not_exist_are_faults_each(tmp_path):
    description = write_folder(tmp_path)
    (tmp_path / "train.txt").write_text("a/0\na/7\na/8\n")
    report = checked(description)
    assert (report.images, report.readable, len(report.faults)) == (3, 1, 2)
    with pytest.raises(DataError, match=r"line 2: expected the image rgb/a/7.png, found no such file"):
        FolderDataset(description, "train")
    (tmp_path / "train.txt").write_text("a/0\na/2\nrgb/a/0.png\n")
    with pytest.raises(DataError, match=r"line 3: expected each image once, found rgb/a/0.png in line 1 too"):
        FolderDataset(description, "train")


def test_labels_beside_images_are_no_images(tmp_path):
    for name in ("x", "y"):
        save(tmp_path / f"{name}.png", np.zeros((8, 9, 3), np.uint8))
        save(tmp_path / f"{name}_classes.png", np.zeros((8, 9), np.uint8))
    description = tmp_path / "d.toml"
    description.write_text(
        'images = "{name}.png"\nsplit = { train = { fraction = 1.0 } }\n[semantic]\nfiles = "{name}_classes.png"\n'
        'classes = [{ name = "all", value = 0 }]\n'
    )
    assert FolderDataset(description, "train").names == ("x", "y")


def test_the_command_and_a_read_only_set(tmp_path):
    description = write_folder(tmp_path / "data")
    for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in (tmp_path / "data").rglob("*")}
    try:
        done = run("check", description, "--sheet", tmp_path / "sheet.png", "--json")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["train"]["readable"] == 2
        assert (tmp_path / "sheet.png").exists()
        assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in (tmp_path / "data").rglob("*")} == before
    finally:
        for path in [tmp_path / "data", *(tmp_path / "data").rglob("*")]:
            path.chmod(0o755)
    for among in ("data/rgb/a/0.png", "data/depth/a/new.png"):
        refused = run("check", description, "--sheet", tmp_path / among, "--overwrite")
        assert refused.returncode == 2
        assert "apart from the data's pictures" in refused.stderr
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in (tmp_path / "data").rglob("*")} == before
    (tmp_path / "sheet.png").write_bytes(b"mine")
    refused = run("check", description, "--sheet", tmp_path / "sheet.png")
    assert refused.returncode == 2
    assert "--overwrite" in refused.stderr
    assert (tmp_path / "sheet.png").read_bytes() == b"mine"
    assert run("check", description, "--sheet", tmp_path / "sheet.png", "--overwrite").returncode == 0
    recipe = tmp_path / "recipe.toml"
    also = '[also.more]\nkind = "folder"\npath = "data/data.toml"\nclasses = { box = "car" }\n'
    text = 'data = { kind = "folder", path = "data/data.toml", size = [32, 48] }\ntraining = { steps = 1 }\n'
    recipe.write_text(text)
    assert list(json.loads(run("check", recipe, "--json").stdout)) == ["train", "val"]
    for path in (tmp_path / "data/depth").rglob("*.png"):
        path.rename(path.with_suffix(".away"))
    description.write_text(DESCRIPTION + "optional = true\n")
    lacking = run("check", recipe)
    assert lacking.returncode == 3
    assert "expected a label for the task 'depth' in some training image" in lacking.stdout
    description.write_text(DESCRIPTION)
    for path in (tmp_path / "data/depth").rglob("*.away"):
        path.rename(path.with_suffix(".png"))
    recipe.write_text("tasks = ['semantic', 'depht']\n" + text)
    assert "found 'depht'" in run("check", recipe).stderr
    recipe.write_text(text + also)
    whole = run("check", recipe)
    assert whole.returncode == 0
    assert "more, train" in whole.stdout
    assert "more: 2 classes shared with the data before it; new: car" in whole.stdout
    recipe.write_text(text + also.replace("box", "boxx"))
    assert run("check", recipe).returncode == 4
    labels(tmp_path / "data", "classes").unlink()
    done = run("check", description)
    assert done.returncode == 3
    recipe.write_text(text.replace("size", "skip_broken = true, size"))
    assert "wrong in train: expected a semantic label" in run("check", recipe).stdout
    assert "wrong in train: expected a semantic label" in done.stdout
    assert run("check", tmp_path / "data").returncode == 3
    assert "docs/own-data.md" in run("check", tmp_path / "data").stderr


def run(*arguments: object, **variables: object) -> subprocess.CompletedProcess[str]:
    return equipoise(*arguments, **{"COLUMNS": 200} | variables)
