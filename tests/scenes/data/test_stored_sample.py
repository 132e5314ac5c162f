"""A stored sample loses nothing, and its parts are those of the whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.scenes.data.cache import CachedDataset
from equipoise.scenes.data.parts import Window, part_of, whole
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.stored_sample import LABEL, TABLE, expected_bytes, is_whole, read_part, write_sample
from equipoise.scenes.labels import LABELS
from tests.support.tiny import VOCABULARY, TinyDataset, scene

SIZE = (64, 96)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)


def disparity(values: int) -> np.ndarray:
    """As many different disparities of a 16-bit file, with pixels without a label, at infinity and at minus zero."""
    stored = np.random.default_rng(values).integers(1, values + 1, SIZE)
    array = ((stored - 1) / 256).astype(np.float32)
    array[:9], array[9:12], array[12, 0] = np.nan, 0.0, -0.0
    return array


def instances(highest: int) -> np.ndarray:
    array = np.zeros(SIZE, np.int32)
    array[5:20, 3:40], array[30:40, 50:96] = highest, highest - 3
    return array


@pytest.mark.parametrize("values", [100, 700, 60000])
@pytest.mark.parametrize("highest", [9, 33012, 70001, 2**31 - 1])
def test_nothing_is_lost(tmp_path, values, highest):
    normals = np.random.default_rng(1).normal(size=(*SIZE, 3)).astype(np.float32)
    semantic = np.random.default_rng(2).integers(0, 256, SIZE, dtype=np.uint8)
    labels = {"semantic": semantic, "instance": instances(highest), "inverse_depth": disparity(values)}
    write_sample(tmp_path / "a", Sample(name="a", image=IMAGE, labels={**labels, "normals": normals}), "me")
    found = read_part(tmp_path / "a", "a", "me", whole)
    assert is_whole(tmp_path / "a", "me")
    assert not is_whole(tmp_path / "a", "you")
    assert np.array_equal(found.image, IMAGE)
    assert list(found.labels) == [name for name in LABELS if name in {**labels, "normals": normals}]
    for name, array in {**labels, "normals": normals}.items():
        assert found.labels[name].dtype == array.dtype
        assert np.array_equal(found.labels[name].view(np.uint8), np.ascontiguousarray(array).view(np.uint8)), name


def test_labels_are_stored_narrowly(tmp_path):
    """Where there are few different values; where there are many, a table would be no smaller."""
    sizes = {}
    for values in (100, 700, 60000):
        sample = Sample(name="a", image=IMAGE, labels={"inverse_depth": disparity(values)})
        write_sample(tmp_path / "a", sample, "me")
        sizes[values] = (tmp_path / "a").stat().st_size - IMAGE.size
    pixels = SIZE[0] * SIZE[1]
    assert pixels < sizes[100] < 1.3 * pixels
    assert 2 * pixels < sizes[700] < 2.7 * pixels
    assert 4 * pixels < sizes[60000] < 4.2 * pixels


@given(st.integers(0, 20), st.integers(0, 39), st.integers(0, 55), st.integers(1, 40), st.integers(1, 56))
@settings(max_examples=15, deadline=None)
def test_a_part_is_that_of_the_whole(tmp_path_factory, index, top, left, height, width):
    path = tmp_path_factory.getbasetemp() / "sample"
    sample = scene(index)
    window = Window(top, left, min(height, 40 - top), min(width, 56 - left))
    write_sample(path, sample, "me")
    found, expected = read_part(path, sample.name, "me", lambda size: window), part_of(sample, lambda _: window)
    assert np.array_equal(found.image, expected.image)
    for name, array in expected.labels.items():
        assert np.array_equal(found.labels[name], array, equal_nan=array.dtype.kind == "f"), name
    for name, points in expected.points.items():
        assert found.points[name] == points


def test_the_size_is_known_before(tmp_path):
    for size in ((128, 256), (512, 1024)):
        CachedDataset(TinyDataset(1, size), size, tmp_path / str(size[0]))
        written = (tmp_path / str(size[0]) / "000000.safetensors").stat().st_size
        assert 0.6 * expected_bytes(VOCABULARY, size) < written < 1.02 * expected_bytes(VOCABULARY, size)


def test_names_of_arrays_do_not_meet():
    assert not any(name.startswith((LABEL, TABLE)) for name in LABELS)
