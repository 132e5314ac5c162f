"""Geometry: each test would catch a published bug."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.parts import crop
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import (
    augment,
    augment_part,
    flip,
    random_window,
    resize,
    resize_image,
)
from equipoise.scenes.labels.centroids import instance_centroids
from equipoise.scenes.labels.vocabulary import IGNORE
from tests.support.tiny import VOCABULARY, scene


@given(st.integers(0, 50), st.integers(8, 70), st.integers(8, 90))
@settings(max_examples=30, deadline=None)
def test_ids_are_never_interpolated(index, height, width):
    """The published bug: a resized instance map with ids that no object has."""
    sample = scene(index)
    small = resize(sample, (height, width), VOCABULARY)
    assert set(np.unique(small.labels["instance"])) <= set(np.unique(sample.labels["instance"]))
    assert set(np.unique(small.labels["semantic"])) <= set(np.unique(sample.labels["semantic"]))
    assert small.size == (height, width)


@pytest.mark.parametrize(("unit", "factor"), [("px", 0.5), ("1/m", 1.0), ("relative", 1.0)])
def test_disparity_follows_the_width_and_depth_does_not(unit, factor):
    sample = scene(1)
    small = resize(sample, (40, 28), replace(VOCABULARY, inverse_depth_unit=unit))
    kept = ~np.isnan(small.labels["inverse_depth"])
    assert set(np.unique(small.labels["inverse_depth"][kept])) <= set(
        np.unique(factor * sample.labels["inverse_depth"][~np.isnan(sample.labels["inverse_depth"])])
    )
    assert np.nanmax(small.labels["inverse_depth"]) == factor * np.nanmax(sample.labels["inverse_depth"])


def test_what_is_not_labelled_stays_so():
    big = resize(scene(1), (80, 112), VOCABULARY)
    assert np.isnan(big.labels["inverse_depth"][-6:, -8:]).all()
    assert (big.labels["semantic"][-2:, :10] == IGNORE).all()
    assert (
        resize(scene(1), (80, 112), VOCABULARY).labels["inverse_depth"][:20] == 0
    ).sum() > 1000  # the sky stays a label


def test_labels_stay_on_their_pixels():
    """An image made of its own labels is still that after any geometry."""
    sample = scene(3, (60, 90))
    painted = np.repeat((sample.labels["semantic"] % 3 * 100).astype(np.uint8)[..., None], 3, axis=2)
    marked = Sample(name="m", image=painted, labels=sample.labels)
    rng = np.random.default_rng(0)
    for _ in range(10):
        out = augment(marked, Augmentation(scale=(0.7, 2.0)), (60, 90), VOCABULARY, rng)
        labelled = out.labels["semantic"] != IGNORE
        agree = np.abs(out.image[..., 0].astype(int) - out.labels["semantic"] % 3 * 100) < 25
        assert agree[labelled].mean() > 0.93  # edges are blurred in the image, never in the labels


def test_flip_twice_is_the_same():
    sample = crop(scene(4), 3, 5, 30, 40)
    twice = flip(flip(sample))
    assert np.array_equal(twice.labels["instance"], sample.labels["instance"])
    before, after = sample.points["instance"], twice.points["instance"]
    assert after.keys() == before.keys()
    assert all(after[k] == pytest.approx(before[k]) for k in before)


def test_centroids_against_a_loop_and_for_large_ids():
    small = scene(6).labels["instance"]
    large = np.where(small > 0, small + 2**24, 0).astype(np.int32)
    for instance in (small, large):
        ids, centroids = instance_centroids(instance, {})
        for identity, (x, y) in zip(ids, centroids, strict=True):
            ys, xs = np.nonzero(instance == identity)
            assert (x, y) == pytest.approx((xs.mean(), ys.mean()))


def test_augmentation_depends_on_the_generator_alone():
    augmentation = Augmentation(flip=True, scale=(0.7, 2.0), color=0.3)
    one, other = (augment(scene(2), augmentation, (40, 56), VOCABULARY, np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.labels["inverse_depth"], other.labels["inverse_depth"], equal_nan=True)
    assert one.size == (40, 56)


def test_shrinking_averages_every_pixel():
    image = np.zeros((64, 64, 3), np.uint8)
    image[::2] = 200
    assert np.abs(resize_image(image, (8, 8)).astype(int) - 100).max() <= 13


@given(st.integers(0, 50), st.floats(0.5, 2.0), st.integers(8, 60), st.integers(8, 80), st.integers(0, 9))
@settings(max_examples=40, deadline=None)
def test_a_part_is_what_resizing_the_whole_and_cropping_shows(index, factor, height, width, seed):
    """The labels of a part that was cropped first are those of the resized whole, up to the rounding of its corners."""
    sample, augmentation = scene(index), Augmentation(flip=False, scale=(factor, factor), crop=(height, width))
    out = augment(sample, augmentation, (40, 56), VOCABULARY, np.random.default_rng(seed))
    assert out.size == (height, width)
    scaled = (round(40 * factor), round(56 * factor))
    shown = (min(scaled[0], height), min(scaled[1], width))
    rng = np.random.default_rng(seed)
    rng.uniform()
    window = random_window((40, 56), scaled, shown, rng)
    ratio_x = shown[1] / window.width
    for y, x in rng.integers(0, shown, (20, 2)).tolist():
        source_y = window.top + (2 * y + 1) * window.height // (2 * shown[0])
        source_x = window.left + (2 * x + 1) * window.width // (2 * shown[1])
        assert out.labels["semantic"][y, x] == sample.labels["semantic"][source_y, source_x]
        expected = sample.labels["inverse_depth"][source_y, source_x] * ratio_x
        assert out.labels["inverse_depth"][y, x] == pytest.approx(expected, nan_ok=True)
    assert abs(window.height - shown[0] * 40 / scaled[0]) <= 0.5
    assert abs(window.width - shown[1] * 56 / scaled[1]) <= 0.5
    assert (out.image[shown[0] :] == 128).all()


@given(st.integers(0, 50), st.integers(0, 9))
@settings(max_examples=20, deadline=None)
def test_vectors_of_a_part_point_to_the_centroids_of_the_whole(index, seed):
    sample = scene(index)
    augmentation = Augmentation(flip=True, scale=(1.5, 1.5), crop=(24, 32))
    out = augment(sample, augmentation, (40, 56), VOCABULARY, np.random.default_rng(seed))
    window = random_window((40, 56), (60, 84), (24, 32), (rng := np.random.default_rng(seed), rng.uniform())[0])
    flipped = rng.random() < 0.5
    for identity in np.unique(out.labels["instance"][out.labels["instance"] > 0]):
        ys, xs = np.nonzero(sample.labels["instance"] == identity)
        x = (xs.mean() - window.left + 0.5) * 32 / window.width - 0.5
        y = (ys.mean() - window.top + 0.5) * 24 / window.height - 0.5
        assert out.points["instance"][identity] == pytest.approx((31 - x if flipped else x, y))


def test_a_part_is_all_that_is_read():
    """The window is chosen before anything is read, and is as large as what is shown."""
    asked = []

    def read(choose):
        asked.append(choose((1024, 2048)))
        return scene(0, (asked[0].height, asked[0].width))

    augmentation = Augmentation(scale=(0.5, 0.5), crop=(128, 256))
    out = augment_part(read, augmentation, (1024, 2048), VOCABULARY, np.random.default_rng(0))
    assert out.size == (128, 256)
    assert (asked[0].height, asked[0].width) == (256, 512)
