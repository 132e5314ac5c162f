"""The readers of both layouts; what is wrong is told with its path."""

import json

import numpy as np
import pytest

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.open import open_dataset
from equipoise.scenes.labels.cityscapes_classes import CLASSES, train_ids
from equipoise.scenes.labels.vocabulary import IGNORE
from tests.support.cityscapes import DESCRIPTION, save, write_cityscapes, write_folder


class TestCityscapes:
    def test_classes_are_the_official_ones(self):
        official = pytest.importorskip("cityscapesscripts.helpers.labels")
        table = train_ids()
        for label in official.labels:
            if label.id >= 0:
                expected = label.trainId if 0 <= label.trainId < 19 else IGNORE
                assert table[label.id] == expected
                if expected != IGNORE:
                    c = CLASSES[expected]
                    assert (c.name, c.color, c.countable, c.category) == (
                        label.name, label.color, label.hasInstances, label.category,
                    )  # fmt: skip

    def test_a_sample(self, tmp_path):
        write_cityscapes(tmp_path)
        dataset = CityscapesDataset(tmp_path, "train")
        assert len(dataset) == 3
        sample = dataset[1]
        assert sample.name == "town/town_000001_000000"
        assert sample.labels["semantic"][0, 0] == IGNORE
        assert sample.labels["semantic"][5, 5] == 10
        assert set(np.unique(sample.labels["instance"])) == {0, 26000, 26001}  # index from 0; a group is no instance
        assert sample.labels["inverse_depth"][18, 3] == 4.0  # (p − 1) / 256
        assert np.isnan(sample.labels["inverse_depth"][-1]).all()  # p = 0
        assert (sample.labels["inverse_depth"][1:16] == 0).all()  # sky: zero, not missing
        assert np.isnan(CityscapesDataset(tmp_path, "train", sky_is_zero=False)[1].labels["inverse_depth"][1:16]).all()
        camera = dataset.camera(0)
        assert (camera.fx, camera.baseline_m, camera.height_m) == (70.0, 0.2, 1.2)

    def test_absent_kinds(self, tmp_path):
        write_cityscapes(tmp_path)
        for kind in ("gtFine", "disparity"):
            (tmp_path / kind).rename(tmp_path / f"{kind}-away")
        dataset = CityscapesDataset(tmp_path, "train")
        assert dataset.vocabulary.inverse_depth_unit is None
        assert not dataset.vocabulary.classes
        assert "semantic" not in dataset[0].labels

    def test_what_is_wrong_is_named(self, tmp_path):
        with pytest.raises(DataError, match="does not exist"):
            CityscapesDataset(tmp_path / "nowhere", "train")
        write_cityscapes(tmp_path)
        with pytest.raises(DataError, match="existing splits are train"):
            CityscapesDataset(tmp_path, "val")
        labels = tmp_path / "gtFine/train/town/town_000000_000000_gtFine_labelIds.png"
        save(labels, np.full((32, 64), 77, np.uint8))
        with pytest.raises(DataError, match=r"labelIds.png: expected label ids 0 … 33 or 255, found 77"):
            CityscapesDataset(tmp_path, "train")[0]
        save(labels, np.full((16, 64), 7, np.uint8))
        with pytest.raises(DataError, match="64x32, found 64x16"):
            CityscapesDataset(tmp_path, "train")[0]
        labels.unlink()
        with pytest.raises(DataError, match=r"expected a label at .*labelIds.png"):
            CityscapesDataset(tmp_path, "train")

    def test_broken_camera(self, tmp_path):
        write_cityscapes(tmp_path)
        (tmp_path / "camera/train/town/town_000000_000000_camera.json").write_text(json.dumps({"intrinsic": 3}))
        with pytest.raises(DataError, match="camera file"):
            CityscapesDataset(tmp_path, "train").camera(0)


class TestFolder:
    def test_a_sample(self, tmp_path):
        dataset = FolderDataset(write_folder(tmp_path), "train")
        assert dataset.names == ("a/0", "a/2")
        assert [c.name for c in dataset.vocabulary.classes] == ["ground", "box", "sky"]
        assert dataset.vocabulary.countable == (1,)
        assert dataset.vocabulary.inverse_depth_unit == "1/m"
        sample = dataset[0]
        assert sample.labels["semantic"][12, 5] == sample.labels["semantic"][12, 22] == 1
        assert sample.labels["semantic"][-1, -1] == IGNORE
        assert set(np.unique(sample.labels["instance"])) == {0, 7000, 7001}
        assert sample.labels["inverse_depth"][20, 5] == pytest.approx(0.25)  # 4000 mm
        assert np.isnan(sample.labels["inverse_depth"][20, 0])
        assert (sample.labels["inverse_depth"][:8, 1:] == 0).all()

    def test_root_beside_the_description(self, tmp_path):
        description = write_folder(tmp_path / "data")
        moved = tmp_path / "elsewhere.toml"
        description.rename(moved)
        assert len(open_dataset("folder", moved, "train", root=tmp_path / "data")) == 2

    def test_split_folders(self, tmp_path):
        write_folder(tmp_path / "all")
        for split in ("train", "val"):
            for kind in ("rgb", "classes"):
                save(tmp_path / f"{split}_{kind}/x.png", np.zeros((8, 9, 3) if kind == "rgb" else (8, 9), np.uint8))
        description = tmp_path / "d.toml"
        description.write_text(
            'images = "{split}_rgb/{name}.png"\n[split.train]\nfolder = "train"\n[split.val]\nfolder = "val"\n'
            '[semantic]\nfiles = "{split}_classes/{name}.png"\nclasses = [{ name = "all", value = 0 }]\n'
        )
        assert FolderDataset(description, "val")[0].labels["semantic"].tolist() == np.zeros((8, 9)).tolist()

    def test_colors(self, tmp_path):
        save(tmp_path / "rgb/x.png", np.zeros((2, 3, 3), np.uint8))
        colors = np.array([[(9, 0, 0), (0, 9, 0), (1, 2, 3)], [(0, 0, 0)] * 3], np.uint8)
        save(tmp_path / "lab/x.png", colors)
        description = tmp_path / "d.toml"
        text = (
            'images = "rgb/{name}.png"\n[split.train]\nfraction = 1.0\n[semantic]\nfiles = "lab/{name}.png"\n'
            'encoding = "color"\nignore = [[0, 0, 0]]\nclasses = [{ name = "r", color = [9, 0, 0] }, '
            '{ name = "g", color = [0, 9, 0] }]\nothers = "ignore"\n[instance]\nfiles = "lab/{name}.png"\n'
            'encoding = "color"\nbackground = [[0, 0, 0]]\n'
        )
        description.write_text(text)
        sample = FolderDataset(description, "train")[0]
        assert sample.labels["semantic"].tolist() == [[0, 1, 255], [255] * 3]
        assert len(set(sample.labels["instance"][0].tolist())) == 3
        assert (sample.labels["instance"][1] == 0).all()
        description.write_text(text.replace('"ignore"', '"error"'))
        with pytest.raises(DataError, match=r"lab/x.png: expected labels of the described classes, found \(1, 2, 3\)"):
            FolderDataset(description, "train")[0]

    def test_optional_labels(self, tmp_path):
        description = write_folder(tmp_path)
        (tmp_path / "depth/a/0.png").unlink()
        with pytest.raises(DataError, match=r"depth.optional = true"):
            FolderDataset(description, "train")
        description.write_text(DESCRIPTION + "optional = true\n")
        dataset = FolderDataset(description, "train")
        assert "inverse_depth" not in dataset[0].labels
        assert "inverse_depth" in dataset[1].labels

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("ignore = [255]", "ignore = []", "found 255"),
            ('[depth]\nfiles = "depth', '[depth]\nfiles = "../depth', "leads out"),
        ],
    )
    def test_wrong_data(self, tmp_path, old, new, message):
        description = write_folder(tmp_path)
        description.write_text(DESCRIPTION.replace(old, new))
        with pytest.raises(DataError, match=message):
            FolderDataset(description, "train")[0]

    @pytest.mark.parametrize(
        ("old", "new", "message"),
        [
            ("kind =", "kinds =", "did you mean 'kind'"),
            ("rgb/{name}.png", "rgb/name.png", r"images: expected a pattern with \{name\} once"),
            ("value = [7, 8]", "value = [3, 8]", "one meaning for 3, found both 'ground' and 'box'"),
            ('sky = "sky"', 'sky = "skies"', "semantic.sky"),
            ("fraction = 0.5", "fraction = 1.5", "share of 0 … 1"),
            ("fraction = 0.5", "fraction = 0.0", "share of 0 … 1, found 0.0"),
            ("divisor = 1000", "divisor = 0", "divisor"),
            ("divisor = 1000", "divisor = nan", r"depth.divisor: expected 10\^-6 … 10\^9 in size"),
            ("divisor = 1000", f"divisor = {'9' * 400}", "depth: divisor: expected a number of at most"),
            ("invalid = [0]", "invalid = [0]\ninfinite = [0]", "expected 0 in invalid or in infinite"),
            ("value = 0 }", "value = 70000 }", "'sky': expected 0 … 65,535, found 70000"),
            ("value = 0 }", "value = [0, 0] }", "one meaning for 0, found 'sky' twice"),
            ('"sky", value', '" ", value', "names without surrounding spaces"),
            ("divisor = 1000", "offset = inf", "depth.offset: expected a finite number"),
            ("[split.train]", "seed = -1\n[split.train]", "seed: expected 0 or more"),
            ("value = 0 }", "value = 0, color = [256, 0, 0] }", "'sky': color: expected 0 … 255"),
            ("value = 0 }", "value = 0, color = [1, 0] }", "expected 3 values, found 2"),
            ("ignore = [255]", "ignore = [255, 3]", "one meaning for 3, found both 'ground' and no label"),
            ("ignore = [255]", "ignore = [[0, 0, 2]]", "semantic.ignore: expected numbers"),
            ("[instance]", "[camera]\nfx = 0.0\n[instance]", "camera.fx: expected a number above 0"),
            ('list = "train.txt"', 'list = "train.txt"\nfolder = "x"', "expected one of list, folder, fraction"),
        ],
    )
    def test_wrong_descriptions(self, tmp_path, old, new, message):
        description = write_folder(tmp_path)
        description.write_text(DESCRIPTION.replace(old, new))
        with pytest.raises(RecipeError, match=message):
            FolderDataset(description, "train")

    @pytest.mark.parametrize(
        ("line", "message"), [("a/9", "no such file"), ("a/0", "each image once"), ("../../etc/passwd", "leads out")]
    )
    def test_wrong_lists(self, tmp_path, line, message):
        description = write_folder(tmp_path)
        (tmp_path / "train.txt").write_text(f"a/0\n{line}\n")
        with pytest.raises(DataError, match=message):
            FolderDataset(description, "train")

    def test_only_countable_classes_have_instances(self, tmp_path):
        """Panoptic pictures have an id on everything."""
        description = write_folder(tmp_path)
        everywhere = np.full((24, 33), 5, np.uint16)
        everywhere[10:16, 4:12], everywhere[10:16, 20:28] = 7, 9
        for i in range(4):
            save(tmp_path / f"objects/a/{i}.png", everywhere)
        text = DESCRIPTION.replace("[instance]", '[instance]\nencoding = "id"')
        description.write_text(text)
        assert set(np.unique(FolderDataset(description, "train")[0].labels["instance"])) == {5, 7, 9}
        description.write_text(text.replace('"id"', '"id"\nonly_countable = true'))
        assert set(np.unique(FolderDataset(description, "train")[0].labels["instance"])) == {0, 7, 9}
        description.write_text(text.replace('"id"', '"id"\nonly_countable = true').replace(", countable = true", ""))
        with pytest.raises(RecipeError, match=r"only_countable: expected .* with countable classes"):
            FolderDataset(description, "train")

    def test_a_link_out_of_the_root_is_refused(self, tmp_path):
        description = write_folder(tmp_path / "data")
        outside = tmp_path / "outside.png"
        (tmp_path / "data/rgb/a/0.png").rename(outside)
        (tmp_path / "data/rgb/a/0.png").symlink_to(outside)
        with pytest.raises(DataError, match="leads out"):
            FolderDataset(description, "train")

    def test_unknown_split(self, tmp_path):
        with pytest.raises(RecipeError, match=r"expected 'trian', which .* found none: did you mean 'train'"):
            FolderDataset(write_folder(tmp_path), "trian")

    def test_nothing_is_written(self, tmp_path):
        description = write_folder(tmp_path)
        before = {p: p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("*"))}
        dataset = FolderDataset(description, "train")
        _ = dataset[0], dataset.fingerprint()
        assert {p: p.stat().st_mtime_ns for p in sorted(tmp_path.rglob("*"))} == before
