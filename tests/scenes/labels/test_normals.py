"""Surface normals, from the file to the report: values, geometry, metrics, streets, a tiny run."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.errors import DataError
from equipoise.scenes import Scene, load
from equipoise.scenes.data.check import check_split
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.parts import crop
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import flip, pad, resize
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.normals import AngularErrors
from equipoise.scenes.streets import generate
from equipoise.scenes.streets.render import render
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.tasks.settings import LikelihoodRecipe
from tests.support.cityscapes import save
from tests.support.commands import equipoise
from tests.support.folders import SIZE, describe, write_images

VOCABULARY = SceneVocabulary(labels=("normals",))
TASK = make_tasks(["normals"], VOCABULARY)["normals"]


def unit(*vector: float) -> np.ndarray:
    return np.array(vector, np.float32) / np.linalg.norm(vector)


def sample(size: tuple[int, int] = (6, 8)) -> Sample:
    normals = np.random.default_rng(0).normal(size=(*size, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[0, 0] = np.nan
    return Sample(name="x", image=np.zeros((*size, 3), np.uint8), labels={"normals": normals})


def described(root: Path, stored: np.ndarray, more: str = "") -> FolderDataset:
    write_images(root)
    for name in range(6):
        save(root / f"normals/{name}.png", stored)
    path = describe(root, semantic=None)
    path.write_text(path.read_text() + f'[normals]\nfiles = "normals/{{name}}.png"\n{more}\n')
    return FolderDataset(path, "train")


class TestReading:
    def test_colours_are_unit_vectors(self, tmp_path):
        stored = np.zeros((*SIZE, 3), np.uint8)
        stored[:, 1:] = (128, 0, 128)
        dataset = described(tmp_path, stored)
        normals = dataset[0].labels["normals"]
        assert dataset.vocabulary.labels == ("normals",)
        assert normals.dtype == np.float32
        assert np.isnan(normals[:, 0]).all()  # black is no label
        assert np.allclose(normals[:, 1:], unit(0.5, -127.5, 0.5), atol=1e-6)
        assert check_split(dataset).faults == []

    def test_other_axes(self, tmp_path):
        dataset = described(tmp_path, np.full((*SIZE, 3), (128, 255, 128), np.uint8), 'axes = "opengl"')
        assert np.allclose(dataset[0].labels["normals"], unit(0.5, -127.5, -0.5), atol=1e-6)

    def test_what_is_no_vector_is_refused_unless_it_is_described(self, tmp_path):
        grey = np.full((*SIZE, 3), 127, np.uint8)
        with pytest.raises(DataError, match=r"found the colour \(127, 127, 127\) of length 0.01: add it to normals"):
            _ = described(tmp_path / "a", grey)[0]
        sample = described(tmp_path / "b", grey, "invalid = [[127, 127, 127]]")[0]
        assert np.isnan(sample.labels["normals"]).all()


class TestGeometry:
    def test_a_flip_negates_x(self):
        before, after = sample().labels["normals"], flip(sample()).labels["normals"]
        assert np.array_equal(after[..., 0], -before[:, ::-1, 0], equal_nan=True)
        assert np.array_equal(after[..., 1:], before[:, ::-1, 1:], equal_nan=True)

    def test_resizing_leaves_vectors_as_they_are(self):
        large = resize(sample(), (12, 16), VOCABULARY).labels["normals"]
        assert np.array_equal(large[::2, ::2], sample().labels["normals"], equal_nan=True)

    def test_crop_and_pad(self):
        whole = sample()
        part = crop(whole, 1, 2, 3, 4).labels["normals"]
        assert np.array_equal(part, whole.labels["normals"][1:4, 2:6])
        padded = pad(whole, (9, 9)).labels["normals"]
        assert padded.shape == (9, 9, 3)
        assert np.isnan(padded[6:]).all()
        assert np.isnan(padded[:, 8:]).all()


class TestMetrics:
    def test_against_arccos(self):
        rng = np.random.default_rng(1)
        found, truth = rng.normal(size=(2, 3, 20, 30))
        truth[:, 3] = np.nan
        metrics = AngularErrors()
        metrics.update(found, truth)
        cosine = (found * truth).sum(0) / np.linalg.norm(found, axis=0) / np.linalg.norm(truth, axis=0)
        angle = np.degrees(np.arccos(cosine[~np.isnan(cosine)]))
        figures = metrics.compute()
        assert figures["mean_deg"] == pytest.approx(angle.mean())
        assert figures["median_deg"] == pytest.approx(np.median(angle), abs=0.3)
        for name, limit in (("within_11", 11.25), ("within_22", 22.5), ("within_30", 30.0)):
            assert figures[name] == pytest.approx(np.mean(angle < limit))

    def test_halves_merge_to_the_whole(self):
        rng = np.random.default_rng(2)
        found, truth = rng.normal(size=(2, 3, 10, 10))
        whole, first, second = AngularErrors(), AngularErrors(), AngularErrors()
        whole.update(found, truth)
        first.update(found[:, :4], truth[:, :4])
        second.update(found[:, 4:], truth[:, 4:])
        first.merge(second)
        assert first.compute() == pytest.approx(whole.compute())
        assert np.isnan(AngularErrors().compute()["mean_deg"])


class TestTask:
    def test_prediction_and_baselines_are_unit_vectors(self):
        targets = np.stack([TASK.target(sample()), TASK.target(flip(sample()))])
        for location in (TASK.constant(targets), TASK.per_position(targets), torch.zeros(3, 6, 8)):
            found = TASK.prediction(location, (12, 10))
            assert found.shape == (3, 12, 10)
            assert found.dtype == np.float32
            assert np.allclose(np.linalg.norm(found, axis=0), 1, atol=1e-6)

    def test_likelihoods(self):
        assert type(TASK.likelihood(LikelihoodRecipe())).__name__ == "VonMisesFisher"
        assert type(TASK.likelihood(LikelihoodRecipe(kind="gaussian"))).__name__ == "Gaussian"
        with pytest.raises(ValueError, match="standardize"):
            TASK.likelihood(replace(LikelihoodRecipe(), standardize=True))

    def test_the_picture_can_be_read_again(self):
        target = TASK.target(sample())
        scene = Scene(image=sample().image, vocabulary=VOCABULARY, outputs={"normals": target}, sigma={})
        (label,) = TASK.label_pictures(scene)
        again = label.pixels.astype(np.float32) / 127.5 - 1
        known = ~np.isnan(target).any(0)
        assert np.abs(again[known] - target.transpose(1, 2, 0)[known]).max() < 0.005
        assert (label.pixels[0, 0] == 0).all()


class TestStreets:
    def test_normals_agree_with_the_depth(self):
        """The cross product of neighbouring points on one surface is its normal."""
        street = render(3, 1, 2, (128, 256))
        camera = street.camera
        rows, columns = np.mgrid[:128, :256]
        with np.errstate(invalid="ignore"):
            x = (columns - camera.u0) / camera.fx * street.depth_m
            y = (rows - camera.v0) / camera.fx * street.depth_m
            points = np.stack([x, y, street.depth_m], -1).astype(np.float64)
            found = np.cross(np.diff(points, axis=0)[:, :-1], np.diff(points, axis=1)[:-1])
            found /= np.linalg.norm(found, axis=-1, keepdims=True)
        truth = street.normal[:-1, :-1]
        same = (truth == street.normal[1:, :-1]).all(-1) & (truth == street.normal[:-1, 1:]).all(-1)
        cosine = (found * truth).sum(-1)[same & np.isfinite(found).all(-1)]
        assert cosine.size > 10_000
        assert np.quantile(cosine, 0.1) > 0.999  # the rest are edges between surfaces of one direction

    def test_vectors_have_unit_length_and_face_the_camera(self):
        street = render(3, 1, 2, (64, 128))
        assert np.isnan(street.normal[~np.isfinite(street.depth_m)]).all()
        known = np.isfinite(street.depth_m)
        assert np.allclose(np.linalg.norm(street.normal[known], axis=-1), 1, atol=1e-6)
        rows, columns = np.nonzero(known)
        camera = street.camera
        rays = np.stack([(columns - camera.u0) / camera.fx, (rows - camera.v0) / camera.fx, np.ones(len(rows))], -1)
        assert ((street.normal[known] * rays).sum(-1) < 1e-6).all()

    def test_files_are_written_when_asked_for_and_read(self, tmp_path):
        for normals in (False, True):
            generate(tmp_path / str(normals), train=9, val=0, size=(64, 128), seed=3, workers=2, normals=normals)
        plain, full = (CityscapesDataset(tmp_path / name, "train") for name in ("False", "True"))
        assert "normals" not in plain.vocabulary.labels
        assert not plain.remarks()
        assert full.vocabulary.labels == (*plain.vocabulary.labels, "normals")
        for name in plain.names:
            for kind in ("leftImg8bit", "gtFine", "disparity", "camera"):
                for path in (tmp_path / "False" / kind).rglob(f"{Path(name).name}*"):
                    other = tmp_path / "True" / path.relative_to(tmp_path / "False")
                    assert path.read_bytes() == other.read_bytes()
        assert np.isnan(full[0].labels["normals"][full[0].labels["semantic"] == 10]).mean() > 0.9
        assert check_split(full).faults == []


def test_from_streets_to_the_report(tmp_path):
    generate(tmp_path / "streets", train=4, val=2, size=(32, 64), seed=1, workers=1, normals=True)
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        'tasks = ["semantic", "normals"]\n[data]\nkind = "streets"\npath = "streets"\nsize = [32, 64]\n'
        f'cache_folder = "{tmp_path}/cache"\n[model]\naspp_channels = 8\n[training]\nsteps = 4\nbatch_size = 2\n'
    )
    done = equipoise("train", recipe, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "run/report.html").read_text()
    assert "angular error" in page
    picture = next((tmp_path / "streets/leftImg8bit/val").rglob("*.png"))
    scene = load(tmp_path / "run").predict(picture)
    normals = scene.outputs["normals"]
    assert (normals.shape, normals.dtype) == ((3, 32, 64), np.float32)
    assert np.allclose(np.linalg.norm(normals, axis=0), 1, atol=1e-5)
    assert scene.overlay("normals").size == (64, 32)
    scene.save(tmp_path / "out", name="a")
    stored = np.asarray(Image.open(tmp_path / "out/a_normals.png"))
    assert np.abs(stored.transpose(2, 0, 1) / 127.5 - 1 - normals).max() < 0.005
    assert (tmp_path / "out/a_normals_overlay.png").exists()
