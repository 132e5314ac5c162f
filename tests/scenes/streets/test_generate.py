"""Streets on disk: the layout that the real reader reads, the same whatever the workers, and nothing lost."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.streets import generate


def digests(root: Path) -> dict[str, str]:
    return {
        p.relative_to(root).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


class TestGenerate:
    def test_nothing_of_the_callers_folder_is_run(self, tmp_path, monkeypatch):
        """A module of the standard library's name that lies there, and lines that are no street's."""
        (tmp_path / "grp.py").write_text('print("no street")\nopen("ran", "w").close()\n')
        (tmp_path / "queue.py").write_text('print("no street")\nopen("ran", "w").close()\n')
        monkeypatch.chdir(tmp_path)
        generate(tmp_path / "out", train=16, val=0, size=(32, 64), workers=2)
        assert not (tmp_path / "ran").exists()
        assert len(list((tmp_path / "out").rglob("*_leftImg8bit.png"))) == 16

    def test_layout_and_formats(self, tmp_path):
        generate(tmp_path / "out", train=2, val=1, size=(64, 128), seed=3)
        name = "train/streets/streets_000001_000019"
        expected = [
            ("leftImg8bit", "leftImg8bit", "RGB"), ("gtFine", "gtFine_labelIds", "L"),
            ("gtFine", "gtFine_instanceIds", "I;16"), ("disparity", "disparity", "I;16"),
        ]  # fmt: skip
        for folder, ending, mode in expected:
            with Image.open(tmp_path / f"out/{folder}/{name}_{ending}.png") as picture:
                assert (picture.mode, picture.size) == (mode, (128, 64))
        camera = json.loads((tmp_path / f"out/camera/{name}_camera.json").read_text())
        assert {"baseline", "pitch", "roll", "yaw", "x", "y", "z"} == set(camera["extrinsic"])
        assert {"fx", "fy", "u0", "v0"} == set(camera["intrinsic"])

    def test_the_real_reader_reads_them(self, tmp_path):
        generate(tmp_path / "out", train=1, val=0, size=(64, 128), seed=3)
        dataset = CityscapesDataset(tmp_path / "out", "train")
        sample, camera = dataset[0], dataset.camera(0)
        assert sample.size == (64, 128)
        assert np.nanmax(sample.labels["inverse_depth"]) < camera.baseline_m * camera.fx / 0.6 + 1
        assert (sample.labels["inverse_depth"][sample.labels["semantic"] == 10] == 0).all()

    def test_the_files_are_the_same_whatever_the_workers(self, tmp_path):
        for workers in (1, 2):
            generate(tmp_path / str(workers), train=9, val=3, size=(48, 96), seed=7, workers=workers)
        assert digests(tmp_path / "1") == digests(tmp_path / "2")
        train, val = (tmp_path / "1/leftImg8bit" / s for s in ("train", "val"))
        assert not set(digests(train).values()) & set(digests(val).values())

    def test_an_image_does_not_depend_on_how_many_there_are(self, tmp_path):
        generate(tmp_path / "few", train=1, val=0, size=(48, 96), seed=7)
        generate(tmp_path / "more", train=3, val=2, size=(48, 96), seed=7)
        few, more = digests(tmp_path / "few"), digests(tmp_path / "more")
        assert all(more[name] == digest for name, digest in few.items() if name != "streets.json")

    def test_nothing_of_the_user_s_is_replaced(self, tmp_path):
        (tmp_path / "mine.txt").write_text("mine")
        for overwrite in (False, True):
            with pytest.raises(RunError, match=r"found 'mine.txt' in it"):
                generate(tmp_path, train=1, val=0, size=(48, 96), overwrite=overwrite)
        assert (tmp_path / "mine.txt").read_text() == "mine"
        out = tmp_path / "out"
        generate(out, train=2, val=0, size=(48, 96))
        with pytest.raises(RunError, match="--overwrite"):
            generate(out, train=1, val=0, size=(48, 96))
        generate(out, train=1, val=0, size=(48, 96), overwrite=True)
        assert len(list(out.glob("disparity/train/*/*.png"))) == 1

    def test_other_data_of_the_same_layout_are_not_replaced(self, tmp_path):
        theirs = tmp_path / "gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png"
        theirs.parent.mkdir(parents=True)
        theirs.write_bytes(b"theirs")
        with pytest.raises(RunError, match="gtFine/train/aachen"):
            generate(tmp_path, train=1, val=0, size=(48, 96), overwrite=True)
        assert theirs.read_bytes() == b"theirs"

    def test_a_set_that_was_stopped_is_not_a_set(self, tmp_path):
        def stop():
            raise KeyboardInterrupt

        generate(tmp_path / "whole", train=2, val=0, size=(48, 96), seed=1)
        before = digests(tmp_path / "whole")
        for folder, overwrite in (("new", False), ("whole", True)):
            with pytest.raises(KeyboardInterrupt):
                generate(tmp_path / folder, train=3, val=0, size=(48, 96), overwrite=overwrite, progress=stop)
        with pytest.raises(DataError):
            CityscapesDataset(tmp_path / "new", "train")
        after = digests(tmp_path / "whole")
        assert {name: after[name] for name in before} == before
        generate(tmp_path / "new", train=2, val=0, size=(48, 96), seed=1)
        assert digests(tmp_path / "new") == before

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"train": -1}, "train"),
            ({"train": 0}, "at least one image"),
            ({"size": (8, 64)}, "size"),
            ({"seed": -1}, "seed"),
            ({"workers": 0}, "workers"),
        ],
    )
    def test_wrong_numbers(self, tmp_path, arguments, message):
        with pytest.raises(UsageError, match=message):
            generate(tmp_path / "x", **({"train": 1, "val": 0} | arguments))
        assert not (tmp_path / "x").exists()
