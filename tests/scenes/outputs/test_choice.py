"""Which outputs are written, what they replace, and the interval of depth."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from equipoise.errors import RunError, UsageError
from equipoise.likelihoods import Gaussian, Laplace
from equipoise.scenes import load
from equipoise.scenes.outputs import OUTPUTS, chosen
from equipoise.scenes.outputs.collection import Collection
from equipoise.scenes.outputs.output import Contents
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from tests.scenes.inference.test_predictor import write_run
from tests.support.predicted import predicted_scene
from tests.support.tiny import scene as tiny_scene


def test_the_default_and_all(tmp_path):
    names = {path.name for path in predicted_scene().save(tmp_path / "default", name="a")}
    overlays = {f"a_{task}_overlay.png" for task in ("semantic", "instance", "depth")}
    assert names == overlays | {"a_semantic.png", "a_instance.png", "a_disparity.png", "a.json"}
    everything = {path.name for path in predicted_scene().save(tmp_path / "all", name="a", write=["all"])}
    coco = {"a_panoptic.png", "a_coco_panoptic.json", "a_coco_images.json", "a_coco_instances.json"}
    assert everything - names == coco | {"a.ply", "a_depth_interval_low.png", "a_depth_interval_high.png"}
    _, faults = chosen(["all"], Contents.of(predicted_scene()))
    assert list(faults) == ["cityscapes"]


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (["panoptc"], "write: found 'panoptc': did you mean 'panoptic'?"),
        (["x"], "write: found 'x': expected one of overlays, labels, disparity, panoptic, coco, cityscapes, ply"),
        ([], r"write: expected a list of names among .*, found \[\]"),
        ("ply", "write: expected a list of names among .*, found 'ply'"),
    ],
)
def test_mistakes(tmp_path, write, words):
    with pytest.raises(UsageError, match=words):
        predicted_scene().save(tmp_path / "out", write=write)
    assert not (tmp_path / "out").exists()


def test_overwriting_removes_what_is_no_longer_written(tmp_path):
    scene = predicted_scene()
    everything = scene.save(tmp_path, name="a", write=["all"])
    (tmp_path / "a_mine.png").write_bytes(b"mine")
    assert set(json.loads((tmp_path / "a.json").read_text())["files"]) == {path.name for path in everything[:-1]}
    with pytest.raises(RunError, match="expected no file at"):
        scene.save(tmp_path, name="a", write=["ply"])
    scene.save(tmp_path, name="a", write=["ply"], overwrite=True)
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", "a.ply", "a_mine.png"}


def test_files_about_all_images(tmp_path):
    """They replace earlier ones only where these speak of the same predictions."""
    contents, facts = Contents.of(predicted_scene()), {"height": 40, "width": 56, "sigma": {}}
    facts["panoptic"] = {"file": "a_panoptic.png", "segments_info": []}
    outputs = [OUTPUTS["panoptic"]]

    def collection(which: list[object], *, overwrite: bool = False) -> Collection:
        return Collection(tmp_path, which, contents, overwrite=overwrite)

    first = collection(outputs)
    first.prepare(["sub/a"])
    first.add("sub/a", "sub/a.jpg", facts)
    first.write()
    table = json.loads((tmp_path / "coco_panoptic.json").read_text())
    assert table["images"] == [{"id": 1, "file_name": "sub/a.jpg", "height": 40, "width": 56}]
    assert table["annotations"][0]["file_name"] == "sub/a_panoptic.png"
    with pytest.raises(RunError, match=r"expected no file at .*coco_panoptic\.json"):
        collection(outputs).prepare(["b"])
    plain = [OUTPUTS["labels"]]
    collection(plain, overwrite=True).prepare(["b"])
    assert (tmp_path / "coco_panoptic.json").exists()
    collection(plain, overwrite=True).prepare(["sub/a"])
    assert not list(tmp_path.iterdir())
    assert collection(plain).write() is None
    (tmp_path / "coco_panoptic.json").write_text("mine")
    with pytest.raises(RunError, match="expected an earlier prediction"):
        collection(outputs, overwrite=True).prepare([])


@pytest.mark.parametrize("kind", ["laplace", "gaussian", "laplace-paper"])
def test_the_interval_holds_nine_tenths(tmp_path, kind):
    """σ at the network's width, times the ratio of widths; against the quantiles of the distribution itself."""
    model = load(
        write_run(
            tmp_path,
            ("depth",),
        )
    )
    model.model.description.likelihood["depth"] = LikelihoodRecipe(kind=kind)
    scene = model.predict(tiny_scene(0, (80, 112)).image)
    if kind == "laplace-paper":
        assert scene.inverse_depth_interval is None
        with pytest.raises(UsageError, match="interval: expected depth with a likelihood that has an interval"):
            scene.save(tmp_path / "out", write=["interval"])
        return
    low, high = scene.inverse_depth_interval
    sigma = 2 * scene.sigma["depth"]
    draws = np.random.default_rng(0)
    noise = draws.laplace(0, sigma / 2**0.5, 200_000) if kind == "laplace" else draws.normal(0, sigma, 200_000)
    half = float((high - scene.inverse_depth).mean())
    assert (np.abs(noise) <= half).mean() == pytest.approx(0.9, abs=0.003)
    likelihood = Laplace(standardize=False) if kind == "laplace" else Gaussian(standardize=False)
    assert half == pytest.approx(float(likelihood.half_width(0.9)) * sigma, rel=1e-3)
    assert np.array_equal(low, np.maximum(scene.inverse_depth - np.float32(half), 0)) or np.allclose(
        low, np.maximum(scene.inverse_depth - half, 0), atol=1e-5
    )


def test_interval_pictures(tmp_path: Path):
    scene = predicted_scene()
    scene.save(tmp_path, name="a", write=["interval"])
    facts = json.loads((tmp_path / "a.json").read_text())
    for end, expected in zip(("low", "high"), scene.inverse_depth_interval, strict=True):
        entry = facts[f"inverse_depth_{end}"]
        assert (entry["unit"], entry["level"]) == ("px", 0.9)
        with Image.open(tmp_path / entry["file"]) as picture:
            stored = np.array(picture).astype(float)
        assert np.abs((stored - 1) / entry["scale"] - expected).max() <= 0.51 / entry["scale"]
