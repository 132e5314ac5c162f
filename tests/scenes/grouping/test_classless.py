"""Grouping without classes finds the true objects whatever surrounds them, and nothing if no votes agree."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.scenes.grouping import group_by_votes
from tests.scenes.grouping.test_group import true_offsets

SIZE = (128, 256)


def objects() -> np.ndarray:
    """Return an instance map with a large box, a small one, and another that touches it."""
    instance = np.zeros(SIZE, np.int32)
    instance[30:80, 40:100], instance[60:90, 150:170], instance[60:90, 170:200] = 1, 2, 3
    return instance


BESIDE = {
    "zero": np.zeros((2, *SIZE), np.float32),
    "equal": np.full((2, *SIZE), 7.3, np.float32),
    "random": np.random.default_rng(0).normal(0, 9, (2, *SIZE)).astype(np.float32),
    "nowhere": np.full((2, *SIZE), np.nan, np.float32),
    "out of the image": np.full((2, *SIZE), 1e9, np.float32),
}


@pytest.mark.parametrize("noise", [0.0, 1.0])
@pytest.mark.parametrize("beside", BESIDE)
def test_true_vectors_give_the_true_objects(beside, noise):
    instance = objects()
    offsets = np.where(instance > 0, true_offsets(instance), BESIDE[beside])
    offsets += np.random.default_rng(1).normal(0, noise, offsets.shape)
    grouping = group_by_votes(offsets.astype(np.float32))
    assert len(grouping.instances) == 3
    for found in grouping.instances:
        own, truth = grouping.instance == found.id, np.bincount(instance[grouping.instance == found.id]).argmax()
        assert np.sum(own & (instance == truth)) > 0.9 * np.sum(own | (instance == truth))
        ys, xs = np.nonzero(own)
        assert found.box == (xs.min(), ys.min(), xs.max() + 1, ys.max() + 1)
        assert found.pixels == own.sum()
        assert found.semantic is None
        assert 0 < found.score <= 1


@pytest.mark.parametrize("beside", BESIDE)
def test_votes_that_do_not_agree_give_no_objects(beside):
    grouping = group_by_votes(BESIDE[beside])
    assert grouping.instances == ()
    assert not grouping.instance.any()


def test_pixels_that_point_elsewhere_give_no_object():
    """Pixels near an object that point to its place join it or are dropped; distant ones form no object."""
    instance = np.zeros(SIZE, np.int32)
    instance[40:70, 20:60] = 1
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    offsets = np.where(instance > 0, true_offsets(instance), 0).astype(np.float32)
    far = (slice(20, 60), slice(200, 240))
    offsets[0][far], offsets[1][far] = (150 - x)[far], (100 - y)[far]
    (found,) = group_by_votes(offsets).instances
    assert found.box == (20, 40, 60, 70)


def test_instances_get_the_class_of_most_pixels():
    semantic = np.full(SIZE, 4, np.uint8)
    semantic[:, 120:] = 2
    assert [i.semantic for i in group_by_votes(true_offsets(objects()), semantic).instances] == [4, 2, 2]


@given(st.floats(0, 3), st.integers(33, 90), st.integers(33, 90), st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_any_vectors_give_a_consistent_answer(spread, height, width, seed):
    offsets = np.random.default_rng(seed).normal(0, 10**spread, (2, height, width)).astype(np.float32)
    grouping = group_by_votes(offsets)
    counts = np.bincount(grouping.instance.reshape(-1), minlength=len(grouping.instances) + 1)
    assert counts[1:].tolist() == [instance.pixels for instance in grouping.instances]
