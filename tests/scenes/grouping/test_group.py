"""Votes become the instances they came from."""

import numpy as np
import pytest

from equipoise.scenes.grouping import group
from equipoise.scenes.tasks.instance import centroid_offsets
from tests.support.tiny import VOCABULARY, scene


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("index", range(6))
def test_true_vectors_give_the_true_instances(index, noise):
    sample = scene(index, (96, 160))
    offsets = np.nan_to_num(centroid_offsets(sample))
    offsets += np.random.default_rng(0).normal(0, noise, offsets.shape).astype(np.float32)
    grouping = group(offsets, sample.semantic, VOCABULARY.countable)
    for identity in np.unique(sample.instance)[1:]:
        own = sample.instance == identity
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
    offsets = np.nan_to_num(centroid_offsets(sample))
    noisy = offsets + np.random.default_rng(0).normal(0, 2.0, offsets.shape).astype(np.float32)
    sharp, blurred = (group(o, sample.semantic, (1,)).instances[0].score for o in (offsets, noisy))
    assert sharp > blurred + 0.1


def test_nothing_countable():
    empty = group(np.zeros((2, 8, 8), np.float32), np.zeros((8, 8), np.uint8), (1,))
    assert empty.instances == ()
    assert (empty.instance == 0).all()


def test_votes_that_are_not_finite_or_leave_the_image():
    offsets = np.full((2, 20, 20), np.nan, np.float32)
    offsets[:, :10] = 1e6
    assert group(offsets, np.ones((20, 20), np.uint8), (1,)).instance.shape == (20, 20)
