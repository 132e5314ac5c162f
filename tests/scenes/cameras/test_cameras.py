"""Cameras that data describe: read, checked, scaled, kept by the model, and used for metres."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from equipoise.commands.callbacks import SILENT
from equipoise.errors import DataError, RecipeError
from equipoise.scenes import ScenePredictor, load
from equipoise.scenes.cameras.camera import Camera
from equipoise.scenes.cameras.model_camera import known_cameras, middle_camera
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.description import read_description
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.io.images import image_size, read_image
from equipoise.scenes.report import build_report
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.evaluation import evaluate_run
from equipoise.scenes.runs.run import train_run
from equipoise.scenes.runs.run_folder import RunFolder
from tests.support.cityscapes import save, write_cityscapes, write_folder
from tests.support.commands import RECIPE, equipoise

CAMERA = "[camera]\nfx = 40.0\ncx = 16.0\nbaseline_m = 0.5\n"


def write_stereo(root: Path, camera: str = CAMERA) -> Path:
    """The described folder, its depth as disparity in quarters of a px, taken by this camera."""
    description = write_folder(root)
    text = description.read_text().replace('kind = "depth_m"\ndivisor = 1000', 'kind = "disparity_px"\ndivisor = 4')
    description.write_text(text + camera)
    for path in sorted((root / "depth").rglob("*.png")):
        save(path, (np.arange(24 * 33).reshape(24, 33) % 61 + 1).astype(np.uint8))
    return description


def write_recipe(folder: Path, **changes: str) -> Path:
    text = RECIPE.format(steps=5)
    for old, new in changes.items():
        text = text.replace(old, new)
    (folder / "recipe.toml").write_text(text)
    return folder / "recipe.toml"


def trained(folder: Path, recipe: Path) -> tuple[Path, list[str]]:
    """A run, and the notices at its start without the one on the device."""
    said: list[str] = []
    RunFolder(folder / "run").prepare(resume=False, overwrite=False)
    callbacks = RunCallbacks(on_log=SILENT.on_log, on_notice=said.append, counting=SILENT.counting)
    train_run(read_recipe(recipe), RunFolder(folder / "run"), callbacks)
    return folder / "run", [line for line in said if not line.startswith("training on")]


def mean_relative_error(model: ScenePredictor, dataset: SceneDataset) -> float:
    """In metres up to 80 m, sky apart, each image by its own camera."""
    errors, count = 0.0, 0
    for index in range(len(dataset)):
        sample, camera = dataset[index], dataset.camera(index)
        disparity = sample.labels["inverse_depth"]
        true_m = camera.fx * camera.baseline_m / np.where(disparity > 0, disparity, np.nan)
        found_m = np.minimum(model.predict(sample.image).depth_m(camera), 80.0)
        errors += np.nansum(np.where(true_m <= 80.0, np.abs(found_m - true_m) / true_m, np.nan))
        count += np.count_nonzero(true_m <= 80.0)
    return errors / count


class TestCamera:
    @given(st.floats(-50, 50), st.floats(-50, 50), st.floats(1, 100), st.integers(1, 5), st.integers(1, 5))
    def test_a_point_is_seen_at_the_same_place_of_a_resized_image(self, x, y, z, down, right):
        camera = Camera(fx=70.0, fy=80.0, cx=31.0, cy=14.0, baseline_m=0.2, size=(32, 64))
        larger = camera.scaled_to((32 * down, 64 * right))
        column, row = (70.0 * x / z + 31.0, 80.0 * y / z + 14.0)
        assert larger.fx * x / z + larger.cx == pytest.approx((column + 0.5) * right - 0.5, abs=1e-6)
        assert larger.fy * y / z + larger.cy == pytest.approx((row + 0.5) * down - 0.5, abs=1e-6)
        assert larger.metre_pixels == pytest.approx(right * 70.0 * 0.2)

    def test_without_a_size_it_is_the_images(self):
        assert Camera(fx=70.0).scaled_to((5, 9)) == Camera(fx=70.0, size=(5, 9))

    def test_the_middle_of_several(self):
        cameras = [Camera(fx=fx, baseline_m=0.5, size=(10, 20)) for fx in (10.0, 12.0, 11.0)]
        cameras.append(Camera(fx=22.0, baseline_m=0.5, size=(20, 40)))  # one of the same at twice the size
        chosen = middle_camera(cameras)
        assert chosen.camera.metre_pixels / chosen.camera.size[1] == 11.0 * 0.5 / 20
        assert chosen.spread == pytest.approx(1 / 11)
        without = Camera(fx=1e6, size=(10, 20))
        assert middle_camera([without, *cameras]) == chosen
        assert middle_camera([without]).camera == without
        assert middle_camera([]).camera is None


class TestDescription:
    def test_the_names_people_know(self, tmp_path):
        texts = (
            "fx = 40.0\nfy = 41.0\ncx = 16.0\ncy = 12.0\nbaseline_m = 0.5\nsize = [24, 33]",
            "fx = 40.0\nfy = 41.0\nu0 = 16.0\nv0 = 12.0\nbaseline = 0.5\nsize = [24, 33]",
        )
        expected = Camera(fx=40.0, fy=41.0, cx=16.0, cy=12.0, baseline_m=0.5, size=(24, 33))
        for text in texts:
            description = write_stereo(tmp_path, "[camera]\n" + text)
            assert FolderDataset(description, "train").camera(0) == expected

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("fx = 40.0\ncx = 1.0\nu0 = 1.0", "camera: expected cx or u0, found both"),
            ("fx = 40.0\nbaseline_m = 1.0\nbaseline = 1.0", "camera: expected baseline_m or baseline, found both"),
            ("fx = 40.0\nbaseline = -0.5", "camera.baseline_m: expected a number above 0, found -0.5"),
            ("fx = 40.0\ncy = nan", "camera.cy: expected a finite number, found nan"),
            ("fx = 40.0\nsize = [0, 4]", "camera.size: expected"),
            ("fx = 40.0\nsise = [3, 4]", "did you mean 'size'"),
            ("cx = 40.0", "expected the key 'fx'"),
        ],
    )
    def test_mistakes(self, tmp_path, text, message):
        with pytest.raises(RecipeError, match=message):
            read_description(write_stereo(tmp_path, "[camera]\n" + text))


class TestKnown:
    def test_one_camera_and_images_of_two_sizes(self, tmp_path):
        """Whose px are they? That must be said, and then it is right for both."""
        description = write_stereo(tmp_path)
        for kind in ("rgb", "classes", "objects", "depth"):
            path = tmp_path / kind / "a/2.png"
            with Image.open(path) as picture:
                picture.resize((66, 48), Image.Resampling.NEAREST).save(path)
        fault = known_cameras(FolderDataset(description, "train")).fault
        assert "camera.size: expected the [height, width]" in fault
        assert "33x24 and 66x48" in fault
        (tmp_path / "data").symlink_to(tmp_path)
        with pytest.raises(DataError, match=r"camera\.size"):
            trained(tmp_path / "none", write_recipe(tmp_path))
        text = description.read_text()
        description.write_text(text.replace('"disparity_px"', '"relative"'))  # where no metres hang on it
        known = known_cameras(FolderDataset(description, "train"))
        assert (known.cameras, known.fault, known.doubts) == ((), "", (fault,))
        description.write_text(text + "size = [24, 33]\n")
        known = known_cameras(FolderDataset(description, "train"))
        assert not known.fault
        assert {camera.size for camera in known.cameras} == {(24, 33)}

    @pytest.mark.parametrize(
        ("camera", "doubts"),
        [
            (CAMERA, 0),
            (CAMERA.replace("40.0", "0.9"), 1),
            (CAMERA.replace("0.5", "120.0"), 1),
            (CAMERA.replace("16.0", "960.0"), 1),
            (CAMERA + "size = [1024, 2048]\n", 3),
        ],
    )
    def test_what_is_probably_meant_otherwise(self, tmp_path, camera, doubts):
        known = known_cameras(FolderDataset(write_stereo(tmp_path, camera), "train"))
        assert len(known.doubts) == doubts, known.doubts
        assert all("rgb/a/0.png: camera." in line for line in known.doubts)

    def test_cityscapes_has_one_an_image(self, tmp_path):
        write_cityscapes(tmp_path, count=3)
        first, second, third = sorted((tmp_path / "camera").rglob("*.json"))
        table = json.loads(first.read_text())
        table["intrinsic"]["fx"] = 77.0
        first.write_text(json.dumps(table))
        third.unlink()
        known = known_cameras(CityscapesDataset(tmp_path, "train"))
        assert [(camera.fx, camera.cx, camera.size) for camera in known.cameras] == [
            (77.0, 32.0, (32, 64)),
            (70.0, 32.0, (32, 64)),
        ]
        assert known.without == 1
        second.write_text("{")
        assert "camera file" in known_cameras(CityscapesDataset(tmp_path, "train")).fault

    def test_the_size_of_an_image_is_that_of_the_upright_one(self, tmp_path):
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.new("RGB", (30, 20)).save(tmp_path / "side.jpg", exif=exif)
        Image.new("RGB", (30, 20)).save(tmp_path / "plain.png")
        for path in sorted(tmp_path.iterdir()):
            assert image_size(path) == read_image(path).shape[:2]


class TestRun:
    def test_a_described_camera_gives_metres_to_the_end(self, tmp_path):
        write_stereo(tmp_path / "data")
        run, said = trained(tmp_path, write_recipe(tmp_path))
        assert said == []
        model = load(run)
        assert model.camera == Camera(fx=40.0, cx=16.0, baseline_m=0.5, size=(24, 33))
        assert json.loads((run / "run.json").read_text())["camera"]["camera"]["fx"] == 40.0
        scene = model.predict(tmp_path / "data/rgb/a/0.png")
        near = scene.disparity_px > 0
        assert np.allclose(scene.depth_m()[near], 40.0 * 0.5 / scene.disparity_px[near])

        figures = evaluate_run(RunFolder(run), SILENT).first.tasks["depth"].values
        abs_rel = mean_relative_error(model, FolderDataset(tmp_path / "data/data.toml", "val"))
        assert figures["abs_rel"] == pytest.approx(abs_rel, rel=1e-6)
        assert figures["rmse_m"] > 0
        page = build_report(RunFolder(run)).read_text()
        assert "rmse m, m" not in page
        assert "abs rel, px" not in page
        assert "rmse, m" in page

    def test_each_image_of_cityscapes_has_its_own_metres(self, tmp_path):
        """One camera file changes: the figures in px stay, those in metres follow."""
        for split in ("train", "val"):
            write_cityscapes(tmp_path / "data", split, 3)
        recipe = write_recipe(tmp_path, **{'"folder"': '"cityscapes"', "data/data.toml": "data"})
        run, said = trained(tmp_path, recipe)
        assert said == []
        assert load(run).camera.size == (32, 64)
        before = evaluate_run(RunFolder(run), SILENT).first.tasks["depth"].values
        path = next((tmp_path / "data/camera/val").rglob("*.json"))
        table = json.loads(path.read_text())
        table["extrinsic"]["baseline"] *= 3
        path.write_text(json.dumps(table))
        after = evaluate_run(RunFolder(run), SILENT).first.tasks["depth"].values
        assert after["mae"] == before["mae"]
        assert after["rmse_m"] != before["rmse_m"]
        expected = mean_relative_error(load(run), CityscapesDataset(tmp_path / "data", "val"))
        assert after["abs_rel"] == pytest.approx(expected, rel=1e-6)

    def test_what_is_said_without_or_with_many_cameras(self, tmp_path):
        for split in ("train", "val"):
            write_cityscapes(tmp_path / "data", split, 3)
        files = sorted((tmp_path / "data/camera/train").rglob("*.json"))
        table = json.loads(files[0].read_text())
        table["intrinsic"]["fx"] = 84.0
        files[0].write_text(json.dumps(table))
        files[2].unlink()
        recipe = write_recipe(tmp_path, **{'"folder"': '"cityscapes"', "data/data.toml": "data"})
        run, said = trained(tmp_path, recipe)
        assert "1 of 3 training images have no camera" in said[0]
        assert "differ by up to" in said[1]
        for path in (tmp_path / "data/camera/val").rglob("*.json"):
            path.unlink()
        notices: list[str] = []
        callbacks = replace(SILENT, on_notice=notices.append)
        assert "rmse_m" not in evaluate_run(RunFolder(run), callbacks).first.tasks["depth"].values
        assert notices == [
            "val: no image has a camera with a baseline, so there are no errors in metres: see docs/own-data.md"
        ]


def test_check_looks_at_cameras(tmp_path):
    write_stereo(tmp_path, CAMERA.replace("0.5", "120.0"))
    done = equipoise("check", "data.toml", "--sheet", "sheet.png", cwd=tmp_path)
    assert done.returncode == 0
    notices = [line for line in done.stdout.splitlines() if line.startswith("look at train:")]
    assert sum("camera.baseline_m: expected metres, found 120" in line for line in notices) == 1
