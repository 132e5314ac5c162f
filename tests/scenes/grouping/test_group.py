"""Grouping recovers instances from their votes."""

import numpy as np
import pytest

from equipoise.scenes.grouping import countable_groups, group
from equipoise.scenes.tasks.instance import centroid_offsets
from tests.support.tiny import VOCABULARY, scene


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("index", range(6))
def test_true_vectors_give_the_true_instances(index, noise):
    sample = scene(index, (96, 160))
    offsets = np.nan_to_num(centroid_offsets(sample.labels["instance"], {}))
    offsets += np.random.default_rng(0).normal(0, noise, offsets.shape).astype(np.float32)
    grouping = group(offsets, sample.labels["semantic"], countable_groups(VOCABULARY))
    for identity in np.unique(sample.labels["instance"])[1:]:
        own = sample.labels["instance"] == identity
        if own.sum() < 40:
            continue
        found = np.bincount(grouping.instance[own]).argmax()
        match = grouping.instance == found
        assert (own & match).sum() / (own | match).sum() > 0.8
    for instance in grouping.instances:
        left, top, right, bottom = instance.box
        ys, xs = np.nonzero(grouping.instance == instance.id)
        assert (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1) == (left, top, right, bottom)
        assert instance.pixels == len(xs)
        assert instance.semantic == 1
        assert 0 < instance.score <= 1


def test_concentrated_votes_score_higher():
    sample = scene(0, (96, 160))
    offsets = np.nan_to_num(centroid_offsets(sample.labels["instance"], {}))
    noisy = offsets + np.random.default_rng(0).normal(0, 2.0, offsets.shape).astype(np.float32)
    sharp, blurred = (group(o, sample.labels["semantic"], ((1,),)).instances[0].score for o in (offsets, noisy))
    assert sharp > blurred + 0.1


def test_pixels_that_surround_their_centre_score_higher():
    """Half of a square votes for the middle of the whole: its mean vector is (5, 0), and its √pixels √200."""
    semantic, y, x = np.zeros((64, 64), np.uint8), *np.mgrid[:64, :64]
    semantic[20:40, 20:40] = 1
    offsets = np.stack([29.5 - x, 29.5 - y]).astype(np.float32)
    half = np.where(x < 30, semantic, 0).astype(np.uint8)
    whole, piece = (group(offsets, classes, ((1,),)).instances[0] for classes in (semantic, half))
    assert (whole.pixels, piece.pixels) == (400, 200)
    assert piece.score / whole.score == pytest.approx(np.exp(-0.25 * 5 / 200**0.5), rel=1e-3)


def test_no_countable_pixels():
    empty = group(np.zeros((2, 8, 8), np.float32), np.zeros((8, 8), np.uint8), ((1,),))
    assert empty.instances == ()
    assert (empty.instance == 0).all()


def test_votes_that_are_not_finite_or_leave_the_image():
    offsets = np.full((2, 20, 20), np.nan, np.float32)
    offsets[:, :10] = 1e6
    assert group(offsets, np.ones((20, 20), np.uint8), ((1,),)).instance.shape == (20, 20)


def true_offsets(instance: np.ndarray) -> np.ndarray:
    return np.nan_to_num(centroid_offsets(instance, {}))


def test_a_person_before_a_car_is_another_object():
    """Unless both classes are in one group: a truck of which half is classified as car is one object."""
    instance = np.zeros((128, 256), np.int32)
    instance[40:70, 50:130], instance[35:75, 85:95] = 1, 2
    semantic = instance.astype(np.uint8)
    apart = group(true_offsets(instance), semantic, ((1,), (2,)))
    assert np.array_equal(apart.instance, instance)
    assert [i.semantic for i in apart.instances] == [1, 2]
    truck = np.where(semantic == 1, 1 + (np.arange(256) > 90), 0).astype(np.uint8)
    one = group(true_offsets(np.where(instance == 1, 1, 0)), truck, ((1, 2),))
    assert len(one.instances) == 1


@pytest.mark.parametrize("place", np.linspace(0, 2, 9))
def test_votes_between_two_cells_are_one_object_and_score_high(place):
    semantic = np.zeros((128, 256), np.uint8)
    semantic[50:70, 100:120] = 1
    y, x = np.mgrid[:128, :256]
    half = np.where(x < 110, -0.5, 0.5)
    offsets = np.stack([109.5 + place + half - x, 59.5 - y]).astype(np.float32)
    (found,) = group(offsets, semantic, ((1,),)).instances
    assert found.pixels == 400
    assert found.score > 0.65
    (sharp,) = group(offsets - np.stack([half, 0 * half]).astype(np.float32), semantic, ((1,),)).instances
    assert sharp.score == pytest.approx(np.exp(-0.25 * place / 20), abs=1e-3)  # The centre is ``place`` px aside.


def test_touching_neighbours_are_separated():
    instance = np.zeros((128, 256), np.int32)
    for k in range(6):
        instance[40:55, 20 + 8 * k : 28 + 8 * k] = k + 1
    grouped = group(true_offsets(instance), (instance > 0).astype(np.uint8), ((1,),))
    assert len(grouped.instances) == 6
