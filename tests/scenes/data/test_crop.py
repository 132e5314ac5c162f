"""Training on parts of images: their size, their geometry, and what lies beyond the image."""

import re

import numpy as np
import pytest

from equipoise.errors import RecipeError
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.parts import crop
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import augment
from equipoise.scenes.labels.vocabulary import IGNORE
from equipoise.scenes.tasks import make_tasks
from tests.support.tiny import VOCABULARY, scene

SIZE, CROP = (80, 112), (40, 48)
PLAIN = Augmentation(flip=False, crop=CROP)


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_a_crop_at_scale_one_is_a_window_of_the_sample():
    sample = scene(3, SIZE)
    row, column = np.indices(SIZE)
    marked = Sample(name="m", image=np.stack([row, column, row], 2).astype(np.uint8), labels=sample.labels)
    tasks = make_tasks(("semantic", "instance", "depth"), VOCABULARY)
    places = set()
    for seed in range(20):
        part = augment(marked, PLAIN, SIZE, VOCABULARY, rng(seed))
        top, left = (int(v) for v in part.image[0, 0, :2])
        places.add((top, left))
        assert part.size == CROP
        window = (slice(top, top + CROP[0]), slice(left, left + CROP[1]))
        assert np.array_equal(part.labels["semantic"], sample.labels["semantic"][window])
        for name in ("instance", "depth"):  # Vectors to the centroid of the whole object; disparity as it was.
            whole = tasks[name].target(sample)
            assert tasks[name].target(part) == pytest.approx(whole[(slice(None), *window)], nan_ok=True, abs=1e-3)
    assert len(places) > 15


@pytest.mark.parametrize("scale", [0.5, 0.75, 1.5, 2.0])
def test_vectors_and_disparity_grow_with_the_scale(scale):
    sample = scene(4, SIZE)
    tasks = make_tasks(("instance", "depth"), VOCABULARY)
    found = augment(sample, Augmentation(flip=False, crop=CROP, scale=(scale, scale)), SIZE, VOCABULARY, rng(1))
    assert found.size == CROP
    disparity = found.labels["inverse_depth"]
    known = scale * np.unique(sample.labels["inverse_depth"][~np.isnan(sample.labels["inverse_depth"])])
    assert all(np.isclose(known, value, rtol=0.02).any() for value in np.unique(disparity[~np.isnan(disparity)]))
    whole = augment(sample, Augmentation(flip=False, scale=(scale, scale)), SIZE, VOCABULARY, rng(1))
    longest = [np.nanmax(np.abs(tasks["instance"].target(s))) for s in (whole, sample)]
    assert longest[0] <= scale * longest[1] + 1.5


def test_where_the_image_is_smaller_there_is_no_label():
    part = augment(scene(5, SIZE), Augmentation(crop=(80, 100), scale=(0.5, 0.5)), SIZE, VOCABULARY, rng(0))
    assert part.size == (80, 100)
    assert (part.labels["semantic"][40:] == IGNORE).all()
    assert (part.labels["instance"][40:] == 0).all()
    assert np.isnan(part.labels["inverse_depth"][40:]).all()
    assert (part.image[40:] == 128).all()


def test_the_scale_is_drawn_evenly_in_its_logarithm():
    sample = scene(0, SIZE)
    wide = Sample(name="w", image=np.tile(np.arange(112, dtype=np.uint8)[None, :, None], (80, 1, 3)), labels={})
    assert sample.size == wide.size
    steps = []
    for seed in range(200):
        part = augment(wide, Augmentation(flip=False, crop=CROP, scale=(0.7, 2.0)), SIZE, VOCABULARY, rng(seed))
        steps.append((CROP[1] - 9) / (int(part.image[4, -5, 0]) - int(part.image[4, 4, 0])))
    assert 0.65 < min(steps) < 0.75 < 1.8 < max(steps) < 2.2
    assert np.median(steps) == pytest.approx(np.sqrt(0.7 * 2.0), rel=0.1)


def test_without_crop_the_whole_image_is_the_input():
    assert augment(scene(1), Augmentation(scale=(0.7, 2.0)), (40, 56), VOCABULARY, rng(0)).size == (40, 56)
    assert augment(scene(1), Augmentation(), (48, 64), VOCABULARY, rng(0)).size == (48, 64)


def test_a_crop_that_no_image_fills_is_refused(tmp_path):
    path = tmp_path / "recipe.toml"
    text = '[data]\nkind = "streets"\npath = "a"\nsize = [64, 96]\n[training]\nsteps = 1\n[augmentation]\n'
    path.write_text(text + "crop = [64, 200]\nscale = [0.5, 2.0]\n")
    with pytest.raises(RecipeError, match=re.escape("augmentation.crop: expected at most data.size at the largest")):
        read_recipe(path)
    path.write_text(text + "crop = [128, 192]\nscale = [0.5, 2.0]\n")
    assert read_recipe(path).augmentation.crop == (128, 192)


def test_a_crop_keeps_the_points_of_cut_objects():
    sample = scene(6, SIZE)
    part = crop(sample, 10, 20, *CROP)
    assert part.points["instance"]
