"""From a trained run to scenes: any kind of image, answers at its own size, files that say what they hold."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.errors import DataError, RunError, UsageError, UserError
from equipoise.scenes import load
from equipoise.scenes.config.recipe import ModelRecipe
from equipoise.scenes.data.sample import Camera
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.model.files import model_files
from equipoise.scenes.model.joint import SceneModel
from tests.support.tiny import VOCABULARY, scene


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), ("semantic", "instance", "depth"))


def write_run(folder: Path, tasks: tuple[str, ...], **more: Any) -> Path:
    torch.manual_seed(0)
    description = ModelDescription(
        tasks=tasks,
        vocabulary=VOCABULARY,
        input_size=(40, 56),
        model=ModelRecipe(aspp_channels=16),
        likelihood={},
        **more,
    )
    for name, data in model_files(SceneModel(description)).items():
        (folder / name).write_bytes(data)
    return folder


def test_answers_have_the_size_of_the_image(run):
    predicted = load(run).predict(scene(0, (61, 90)).image)
    assert predicted.semantic.shape == predicted.instance.shape == predicted.disparity_px.shape == (61, 90)
    answers = (predicted.semantic, predicted.instance, predicted.disparity_px)
    assert [answer.dtype for answer in answers] == [np.uint8, np.int32, np.float32]
    assert predicted.semantic.max() < 3
    assert predicted.disparity_px.min() >= 0
    assert set(predicted.sigma) == {"semantic", "instance", "depth"}
    ids = set(np.unique(predicted.instance)) - {0}
    assert ids == {instance.id for instance in predicted.instances}


def test_path_pil_and_array_are_the_same(run, tmp_path):
    model, image = load(run), scene(1, (50, 70)).image
    Image.fromarray(image).save(tmp_path / "x.png")
    kinds = (image, Image.fromarray(image), tmp_path / "x.png", str(tmp_path / "x.png"))
    answers = [model.predict(kind) for kind in kinds]
    for answer in answers[1:]:
        assert np.array_equal(answer.semantic, answers[0].semantic)
        assert np.array_equal(answer.disparity_px, answers[0].disparity_px)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "I;16"])
def test_any_mode(run, tmp_path, mode):
    wide = Image.fromarray(np.full((50, 70), 30_000, np.uint16))
    picture = wide if mode == "I;16" else Image.new("RGB", (70, 50), (90, 120, 30)).convert(mode)
    picture.save(tmp_path / "x.png")
    assert load(run).predict(tmp_path / "x.png").semantic.shape == (50, 70)
    assert load(run).predict(picture).semantic.shape == (50, 70)


class TestMetres:
    """Depth in metres: from the camera that is given, else the model's own; never a silent nothing."""

    def test_from_a_given_camera(self, run):
        predicted = load(run).predict(scene(0).image)
        depth = predicted.depth_m(Camera(fx=50.0, baseline_m=0.2))
        near = predicted.disparity_px > 0
        assert depth.dtype == np.float32
        assert np.allclose(depth[near], 10.0 / predicted.disparity_px[near])
        assert np.isinf(depth[~near]).all()
        for numbers in (
            {"fx": 50.0, "baseline": 0.2},
            {"fx": 50, "baseline_m": 0.2, "fy": 51.0, "cx": 20.0, "cy": 9.0},
        ):
            assert np.array_equal(predicted.depth_m(**numbers), depth)
        numpy_numbers = {"fx": np.float32(50), "baseline": np.float64(0.2)}
        assert np.allclose(predicted.depth_m(**numpy_numbers), depth)
        twice_as_large = Camera(fx=100.0, baseline_m=0.2, size=(80, 112))
        assert np.allclose(predicted.depth_m(twice_as_large), depth)

    @pytest.mark.parametrize("factor", [1, 2, 3])
    def test_the_models_camera_scales_with_the_image(self, tmp_path, factor):
        """A picture of the same view has the same metres, however many pixels it has."""
        camera = Camera(fx=60.0, fy=61.0, cx=27.5, cy=19.5, baseline_m=0.25, size=(40, 56))
        model = load(write_run(tmp_path, ("depth",), camera=camera))
        assert model.camera == camera
        image = np.repeat(np.repeat(scene(0).image, factor, 0), factor, 1)
        predicted = model.predict(image)
        assert predicted.camera.fx == 60.0 * factor
        assert predicted.camera.cx == pytest.approx(28 * factor - 0.5)
        near = predicted.disparity_px > 0
        assert np.allclose(predicted.depth_m()[near], 60.0 * factor * 0.25 / predicted.disparity_px[near])
        assert np.array_equal(predicted.depth_m(), predicted.depth_m(camera))
        median = np.median(model.predict(scene(0).image).depth_m())
        assert np.median(predicted.depth_m()) == pytest.approx(median, rel=0.15)

    def test_why_there_are_none(self, run, tmp_path):
        predicted = load(run).predict(scene(0).image)
        with pytest.raises(
            ValueError, match=r"expected a camera.*found none \(this model knows no camera\): call depth_m\(fx=…"
        ):
            predicted.depth_m()
        with pytest.raises(UsageError, match=r"expected a camera with a baseline.*add baseline_m"):
            predicted.depth_m(Camera(fx=50.0))
        relative = replace(predicted, vocabulary=replace(predicted.vocabulary, inverse_depth_unit="relative"))
        with pytest.raises(ValueError, match="found relative depth, whose scale is not known"):
            relative.depth_m(fx=50.0, baseline=0.2)
        (tmp_path / "less").mkdir()
        classes = load(write_run(tmp_path / "less", ("semantic",))).predict(scene(0).image)
        with pytest.raises(ValueError, match="expected a model that was trained on depth"):
            classes.depth_m()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"camera": {"fx": 3}}, "expected a Camera, or fx and baseline by name, found {'fx': 3}"),
            ({"fx": 50.0}, "expected fx and baseline_m, found fx: add baseline_m"),
            ({"baseline": 0.2, "cx": 3.0}, "add fx"),
            ({"fx": 50.0, "baseline": 0.2, "baseline_m": 0.2}, "found both: leave one out"),
            ({"camera": Camera(fx=50.0), "baseline": 0.2}, "expected a Camera or baseline, found both"),
            ({"fx": -1.0, "baseline": 0.2}, "fx: expected a number above 0, found -1.0"),
            ({"fx": 50.0, "baseline": math.inf}, "baseline_m: expected a number above 0, found inf"),
            ({"fx": 50.0, "baseline": "0.2"}, "baseline_m: expected a number above 0, found '0.2'"),
            ({"fx": 50.0, "baseline": 0.2, "cy": math.nan}, "cy: expected a finite number, found nan"),
        ],
    )
    def test_wrong_arguments(self, run, arguments, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            load(run).predict(scene(0).image).depth_m(**arguments)

    def test_inverse_metres_need_no_camera(self, run):
        predicted = load(run).predict(scene(0).image)
        predicted = replace(predicted, vocabulary=replace(predicted.vocabulary, inverse_depth_unit="1/m"))
        near = predicted.inverse_depth > 0
        assert np.allclose(predicted.depth_m()[near], 1 / predicted.inverse_depth[near])
        assert predicted.disparity_px is None

    @pytest.mark.parametrize(
        ("numbers", "message"),
        [
            ({"fx": 2262.0, "baseline": 0.2}, "fx: expected a focal length in px of images of 56x40"),
            ({"fx": 0.9, "baseline": 0.2}, "fx: expected a focal length in px"),
            ({"fx": 50.0, "baseline": 200.0}, "baseline_m: expected metres, found 200"),
            ({"fx": 50.0, "baseline": 0.2, "cx": 640.0}, "cx: expected a place in images of 56x40"),
        ],
    )
    def test_numbers_that_were_probably_meant_otherwise(self, run, numbers, message):
        predicted = load(run).predict(scene(0).image)
        with pytest.warns(UserWarning, match=message):
            predicted.depth_m(**numbers)

    def test_a_camera_that_may_not_be_the_images(self, tmp_path):
        camera = Camera(fx=60.0, baseline_m=0.25, size=(40, 56))
        model = load(write_run(tmp_path, ("depth",), camera=camera, camera_spread=0.08))
        with pytest.warns(UserWarning, match="differ by up to 8% in fx · baseline"):
            model.predict(scene(0).image).depth_m()
        with pytest.warns(UserWarning, match="took 56x40, found 56x80: metres hold only if"):
            model.predict(scene(0, (80, 56)).image).depth_m()
        model.predict(scene(0).image).depth_m(fx=60.0, baseline=0.25)  # its own: no doubt
        (tmp_path / "apart").mkdir()
        apart = load(write_run(tmp_path / "apart", ("depth",), camera=camera, camera_spread=0.4))
        with pytest.raises(ValueError, match=r"found none \(those of the training images differ by up to 40%"):
            apart.predict(scene(0).image).depth_m()

    def test_the_record_has_the_camera(self, tmp_path):
        camera = Camera(fx=60.0, baseline_m=0.25, size=(40, 56))
        predicted = load(write_run(tmp_path, ("depth",), camera=camera)).predict(scene(0, (80, 112)).image)
        predicted.save(tmp_path / "out")
        stored = json.loads((tmp_path / "out/scene.json").read_text())["camera"]
        assert (stored["fx"], stored["baseline_m"], stored["size"]) == (120.0, 0.25, [80, 112])
        facts = json.loads((tmp_path / "out/scene.json").read_text())["inverse_depth"]
        assert facts["depth_m"] == "camera.fx * camera.baseline_m / value"


def test_vectors_are_given(run):
    predicted = load(run).predict(scene(0, (61, 90)).image)
    assert predicted.offsets.shape == (2, 61, 90)
    assert predicted.outputs["instance_offsets"] is predicted.offsets
    assert list(predicted.outputs) == ["semantic", "instance", "depth", "instance_offsets"]


def test_saved_files_say_what_they_hold(run, tmp_path):
    predicted = load(run).predict(scene(0, (61, 90)).image)
    files = predicted.save(tmp_path / "out")
    assert all(file.exists() for file in files)
    facts = json.loads((tmp_path / "out/scene.json").read_text())
    stored = np.asarray(Image.open(tmp_path / "out" / facts["inverse_depth"]["file"])).astype(float)
    assert np.abs((stored - 1) / facts["inverse_depth"]["scale"] - predicted.disparity_px).max() <= 0.51 / 256
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/scene_semantic.png")), predicted.semantic)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out/scene_instance.png")), predicted.instance)
    assert predicted.overlay("semantic").size == (90, 61)
    with pytest.raises(RunError, match="expected no file at"):
        predicted.save(tmp_path / "out")
    predicted.save(tmp_path / "out", overwrite=True)


def test_absent_tasks_are_none(tmp_path):
    predicted = load(write_run(tmp_path, ("depth",))).predict(scene(0).image)
    assert predicted.semantic is predicted.instance is predicted.instances is None
    assert predicted.disparity_px is not None
    with pytest.raises(UsageError, match="expected one of depth, found 'semantic'"):
        predicted.overlay("semantic")


@pytest.mark.parametrize("wrong", [3, np.zeros((4, 4)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_wrong_images(run, wrong):
    with pytest.raises(UsageError, match="predict: expected"):
        load(run).predict(wrong)


def test_views_and_read_only_arrays(run):
    model, image = load(run), scene(0).image
    expected = model.predict(np.ascontiguousarray(image[:, ::-1]))
    assert np.array_equal(model.predict(image[:, ::-1]).semantic, expected.semantic)
    image.setflags(write=False)
    assert model.predict(image).semantic is not None


def test_what_cannot_be_drawn_or_saved(run, tmp_path):
    predicted = load(run).predict(scene(0).image)
    with pytest.raises(UsageError, match="alpha in 0 … 1"):
        predicted.overlay("semantic", alpha=3)
    for name in ("/abs/x", "../x", "a/../../x"):
        with pytest.raises(UsageError, match="expected a name below the folder"):
            predicted.save(tmp_path / "out", name=name)
    assert not list(tmp_path.rglob("*"))
    Image.fromarray(scene(0, (200, 300)).image).save(tmp_path / "x.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "x.png").read_bytes()[:5000])
    with Image.open(tmp_path / "cut.png") as cut, pytest.raises(DataError, match="can be decoded"):
        load(run).predict(cut)


def test_what_is_no_picture_or_no_run(run, tmp_path):
    with pytest.raises(DataError, match="found no file"):
        load(run).predict(tmp_path / "none.png")
    with pytest.raises(RunError, match=r"found no model\.json"):
        load(tmp_path)


def test_loading_runs_no_code(run, tmp_path):
    """A pickle with a side effect in the place of the weights, and a description that names what is not in the list."""
    import pickle

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "pwned",))

    for name in ("model.json", "model.safetensors"):
        (tmp_path / name).write_bytes((run / name).read_bytes())
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(RunError, match="expected safetensors"):
        load(tmp_path)
    table = json.loads((run / "model.json").read_text())
    for key, value in (("encoder_name", "os.system"), ("normalization", "__import__")):
        changed = table | {"model": table["model"] | {key: value}}
        (tmp_path / "model.json").write_text(json.dumps(changed))
        with pytest.raises(UserError, match=value.replace(".", r"\.")):
            load(tmp_path)
    (tmp_path / "model.json").write_text(json.dumps(table | {"format": 99}))
    with pytest.raises(RunError, match="expected model format 1, found 99"):
        load(tmp_path)
    assert not (tmp_path / "pwned").exists()
