"""From a trained run to scenes: any kind of image, answers at its own size, files that say what they hold."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.errors import DataError, RunError, UsageError, UserError
from equipoise.scenes import load
from equipoise.scenes.data.sample import Camera
from equipoise.scenes.model import ModelDescription, SceneModel, model_files
from equipoise.scenes.recipe import ModelRecipe
from tests.support.tiny import VOCABULARY, scene


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("run"), ("semantic", "instance", "depth"))


def write_run(folder: Path, tasks: tuple[str, ...]) -> Path:
    torch.manual_seed(0)
    description = ModelDescription(
        tasks=tasks, vocabulary=VOCABULARY, input_size=(40, 56), model=ModelRecipe(aspp_channels=16), likelihood={}
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


def test_depth_follows_from_the_camera(run):
    predicted = load(run).predict(scene(0).image)
    camera = Camera(fx=50.0, baseline_m=0.2)
    depth = predicted.depth_m(camera)
    near = predicted.disparity_px > 0
    assert np.allclose(depth[near], 10.0 / predicted.disparity_px[near])
    assert np.isinf(depth[~near]).all()
    assert predicted.depth_m() is None


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
