"""What grouping does not depend on, and what it never returns; the same for every method."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from equipoise.errors import UsageError
from equipoise.scenes.grouping import group
from equipoise.scenes.grouping.octaves import by_octaves, halved, smoothed
from equipoise.scenes.grouping.optics import by_optics
from equipoise.scenes.grouping.roughness import roughness
from equipoise.scenes.grouping.votes import Votes
from tests.scenes.grouping.test_group import true_offsets

SIZE = (48, 96)
GROUPS = ((1, 2), (3,))
COLUMNS = ("pixels", "row", "column", "x", "y", "length")
needs_scikit_learn = pytest.mark.skipif(find_spec("sklearn") is None, reason="scikit-learn is not installed")


def boxes(seed: int, noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return vectors, classes and true ids of boxes at random places, later ones in front."""
    rng = np.random.default_rng(seed)
    instance, semantic = np.zeros(SIZE, np.int32), np.zeros(SIZE, np.uint8)
    for k in range(rng.integers(1, 7)):
        height, width = rng.integers(3, 24, 2)
        y, x = rng.integers(0, SIZE[0] - height), rng.integers(0, SIZE[1] - width)
        instance[y : y + height, x : x + width], semantic[y : y + height, x : x + width] = k + 1, rng.integers(1, 4)
    offsets = true_offsets(instance) + rng.normal(0, noise, (2, *SIZE)) if noise else true_offsets(instance)
    return offsets.astype(np.float32), semantic, instance


@pytest.mark.parametrize("method", ["votes", pytest.param("optics", marks=needs_scikit_learn)])
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 0.7, 3.0]), smallest=st.sampled_from([4, 8, 40]))
def test_answers_are_consistent(method, seed, noise, smallest):
    offsets, semantic, _ = boxes(seed, noise)
    found = group(offsets, semantic, GROUPS, minimum_pixels=smallest, method=method)
    again = group(offsets.copy(), semantic.copy(), GROUPS, minimum_pixels=smallest, method=method)
    assert np.array_equal(found.instance, again.instance)
    assert found.instances == again.instances
    assert [each.id for each in found.instances] == list(range(1, len(found.instances) + 1))
    assert not found.instance[semantic == 0].any()
    for each in found.instances:
        own = found.instance == each.id
        assert own.sum() == each.pixels >= smallest
        assert 0 <= each.score <= 1
        classes = set(semantic[own].tolist())
        assert classes <= {1, 2} or classes == {3}
        assert each.semantic == np.bincount(semantic[own]).argmax()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 0.7]), down=st.integers(0, 1), right=st.integers(0, 3))
def test_objects_that_move_stay_the_same_objects(seed, noise, down, right):
    """Exactly, if they move by whole cells of every octave that matters and whole blocks."""
    offsets, semantic, _ = boxes(seed, noise)

    def found(y: int, x: int) -> np.ndarray:
        vectors, classes = np.zeros((2, 256, 512), np.float32), np.zeros((256, 512), np.uint8)
        vectors[:, y : y + SIZE[0], x : x + SIZE[1]], classes[y : y + SIZE[0], x : x + SIZE[1]] = offsets, semantic
        return group(vectors, classes, GROUPS, minimum_pixels=64).instance

    moved = found(64 + 64 * down, 64 + 64 * right)
    assert np.array_equal(found(64, 64), np.roll(moved, (-64 * down, -64 * right), (0, 1)))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10**6), noise=st.sampled_from([0.0, 1.0]))
def test_votes_are_a_set(seed, noise):
    """The order of pixels changes nothing."""
    offsets, semantic, _ = boxes(seed, noise)
    pixels = np.flatnonzero(semantic)
    y, x = np.divmod(pixels, SIZE[1])
    dx, dy = offsets[:, y, x]
    votes = {
        "pixels": pixels,
        "row": y,
        "column": x,
        "x": np.clip(x + dx, 0, SIZE[1] - 1),
        "y": np.clip(y + dy, 0, SIZE[0] - 1),
        "length": np.hypot(dx, dy),
    }
    shuffled = np.random.default_rng(seed).permutation(len(pixels))
    one = by_octaves(Votes(**votes, size=SIZE, smallest=8))
    other = by_octaves(Votes(**{name: values[shuffled] for name, values in votes.items()}, size=SIZE, smallest=8))
    assert np.array_equal(one.own[shuffled], other.own)
    np.testing.assert_allclose(one.closeness, other.closeness, rtol=1e-4)


def test_a_person_beside_a_lorry_and_a_car_in_two_pieces():
    """Objects of 20 px and of 400 px in one image, noise in proportion, and a pole between two halves of a car."""
    instance = np.zeros((256, 512), np.int32)
    instance[20:180, 60:300] = 1
    instance[120:140, 310:318], instance[120:140, 319:327] = 2, 3
    instance[200:240, 100:180] = 4
    instance[200:240, 135:145] = 0
    rng = np.random.default_rng(0)
    scale = 0.06 * np.sqrt(np.bincount(instance.reshape(-1)))[instance]
    offsets = (true_offsets(instance) + rng.normal(0, 1, (2, 256, 512)) * scale).astype(np.float32)
    found = group(offsets, (instance > 0).astype(np.uint8), ((1,),))
    assert len(found.instances) == 4
    for k in range(1, 5):
        own = found.instance == np.bincount(found.instance[instance == k]).argmax()
        assert np.sum(own & (instance == k)) > 0.95 * np.sum(own | (instance == k))


def test_roughness_is_that_of_the_votes():
    """True votes have none; votes that drift by a tenth of the distance drift by a tenth of a block's side.

    From these 0.2 px are taken off: 0.05 of the vectors' length of 1, and what white noise of the same spread in a
    block of 2×2, 0.05·√2 px, would explain.
    """
    y, x = np.divmod(np.arange(64 * 128), 128)
    common = {
        "pixels": np.arange(64 * 128),
        "row": y,
        "column": x,
        "length": np.ones(64 * 128),
        "size": (64, 128),
        "smallest": 8,
    }
    assert roughness(Votes(x=0 * x + 60.0, y=0 * y + 30.0, **common)) == 0
    assert roughness(Votes(x=60 + 0.1 * x, y=30 + 0.1 * y, **common)) == pytest.approx(
        0.2 - 0.05 - 0.05 * 2**0.5 / 4**0.5 * 2**0.5
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10**6), spread=st.floats(0.5, 4))
def test_white_noise_is_not_roughness_but_a_smooth_error_is(seed, spread):
    """Votes that each err by themselves agree on average; those that err together do not."""
    y, x = np.divmod(np.arange(128 * 256), 256)
    common = {"pixels": np.arange(len(x)), "row": y, "column": x, "size": (128, 256), "smallest": 8}
    rng = np.random.default_rng(seed)
    white = rng.normal(0, spread, (2, 128, 256))
    smooth = ndimage.gaussian_filter(rng.normal(0, 1, (2, 128, 256)), (0, 6, 6))
    smooth *= spread / smooth.std()

    def measured(noise: np.ndarray) -> float:
        votes = {"x": 120 + noise[0].reshape(-1), "y": 60 + noise[1].reshape(-1), "length": np.zeros(len(x))}
        return roughness(Votes(**votes, **common))

    assert measured(white) < 0.25 * spread
    assert measured(smooth) > 2 * measured(white)


@settings(deadline=None)
@given(arrays(np.float32, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.integers(0, 50)))
def test_maps_are_smoothed_and_halved(grid):
    """As scipy smooths with zeros outside, and without losing a vote."""
    expected = grid.astype(np.float64)
    for axis in (0, 1):
        expected = ndimage.correlate1d(expected, np.array([1, 4, 6, 4, 1]) / 16, axis, mode="constant")
    np.testing.assert_allclose(smoothed(grid), expected, atol=1e-4)
    half = halved(grid)
    assert half.shape == tuple((side + 1) // 2 for side in grid.shape)
    for row, column in np.ndindex(half.shape):
        assert half[row, column] == grid[2 * row : 2 * row + 2, 2 * column : 2 * column + 2].sum()


@needs_scikit_learn
def test_optics_finds_true_objects():
    instance = np.zeros((128, 256), np.int32)
    instance[30:50, 40:70], instance[60:80, 150:160], instance[60:80, 160:175] = 1, 2, 3
    found = group(true_offsets(instance), (instance > 0).astype(np.uint8), ((1,),), method="optics")
    assert np.array_equal(found.instance > 0, instance > 0)
    assert len(np.unique(found.instance * 8 + instance)) == 4


def test_a_method_that_does_not_exist():
    with pytest.raises(UsageError, match="expected votes or optics, found 'dbscan'"):
        group(np.zeros((2, 8, 8), np.float32), np.zeros((8, 8), np.uint8), ((1,),), method="dbscan")


def test_optics_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    with pytest.raises(UsageError, match=r'pip install "equipoise\[optics\]"'):
        by_optics(
            Votes(
                **dict.fromkeys(("pixels", "row", "column", "x", "y", "length"), np.zeros(0)), size=(8, 8), smallest=8
            )
        )
