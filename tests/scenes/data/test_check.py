"""What ``check_split`` reports about a described folder."""

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
from tests.support.tiny import VOCABULARY


def checked(description: Path) -> SplitReport:
    return check_split(FolderDataset(description, "train", strict=False))


def labels(root: Path, kind: str) -> Path:
    return root / kind / "a/0.png"


def test_what_a_good_set_holds(tmp_path):
    report = checked(write_folder(tmp_path))
    assert (report.images, report.readable, report.instances) == (2, 2, 4)
    assert report.labels == {"semantic": 2, "instance": 2, "inverse_depth": 2}
    assert report.classes == {"ground": 2, "box": 2, "sky": 2}
    assert report.sizes == {"33x24": 2}
    assert report.faults == []


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


@pytest.mark.parametrize(("sky", "where"), [(1, "in the whole image"), (2, "in the whole image except for the sky")])
def test_a_sky_is_no_depth_label(sky, where):
    semantic = np.array([[sky, sky], [0, 1]], np.uint8)
    inverse_depth = np.array([[np.nan if sky == 1 else 0] * 2, [np.nan] * 2], np.float32)
    image = LabelledImage(
        labels={"semantic": semantic, "inverse_depth": inverse_depth},
        files={"inverse_depth": Path("x.png")},
        vocabulary=VOCABULARY,
        readers={},
    )
    (found,) = LABELS["inverse_depth"].faults(image)
    assert found == f"x.png: expected depth labels, found none {where}"


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
