"""Every documented encoding gives back what was written in it, or is refused in one line where it cannot hold it."""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.labels.vocabulary import IGNORE
from tests.support.encoded_depth import write_depth
from tests.support.encodings import (
    Written,
    write_cityscapes_labels,
    write_class_factor,
    write_classes,
    write_description,
    write_ids,
    write_ids_per_class,
    write_panoptic,
)
from tests.support.small_scenes import cityscapes_kinds, objects_of, scenes

EXAMPLES = 40
INSTANCES: dict[str, Callable[..., Written]] = {
    "class_factor": write_class_factor,
    "id": partial(write_ids, color=False),
    "color": partial(write_ids, color=True),
    "id per class": write_ids_per_class,
    "panoptic": write_panoptic,
}


def read(description: Path) -> Sample | str:
    """The sample, or the line that refuses it."""
    try:
        return FolderDataset(description, "train")[0]
    except (DataError, RecipeError) as error:
        return str(error)


def expect_refusal(sample: Sample | str) -> None:
    assert isinstance(sample, str), "expected a refusal, found a sample"
    assert "expected" in sample
    assert "\n" not in sample


@pytest.mark.parametrize("color", [False, True], ids=["value", "color"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(scene=scenes(), data=st.data())
def test_classes_are_read_as_they_were_written(color, scene, data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        written = write_classes(data.draw, scene, root / "semantic/x.png", color=color)
        sample = read(write_description(root, written))
    assert not isinstance(sample, str), sample
    found = sample.labels["semantic"].astype(int)
    assert np.where(found == IGNORE, -1, found).tolist() == scene.classes.tolist()


@pytest.mark.parametrize("form", INSTANCES)
@settings(max_examples=EXAMPLES, deadline=None)
@given(scene=scenes(), data=st.data())
def test_objects_are_read_as_they_were_written(form, scene, data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        color = data.draw(st.booleans())
        classes = write_classes(data.draw, scene, root / "semantic/x.png", color=color)
        written = INSTANCES[form](data.draw, scene, root / "instance/x.png", classes)
        sample = read(write_description(root, classes, instance=written.table))
    if written.refused:
        expect_refusal(sample)
        return
    assert not isinstance(sample, str), sample
    assert objects_of(sample.labels["instance"], scene.classes) == scene.masks()


@pytest.mark.parametrize("kind", ["disparity_px", "depth_m", "relative"])
@settings(max_examples=EXAMPLES, deadline=None)
@given(data=st.data())
def test_depths_are_read_as_they_were_written(kind, data):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        depth = write_depth(data.draw, root / "depth/x.png", kind)
        sample = read(write_description(root, depth=depth.table))
    if depth.refused:
        expect_refusal(sample)
        return
    assert not isinstance(sample, str), sample
    np.testing.assert_allclose(sample.labels["inverse_depth"], depth.expected, rtol=1e-6)


@settings(max_examples=EXAMPLES, deadline=None)
@given(scene=scenes(), data=st.data())
def test_cityscapes_layout_is_read_as_it_was_written(scene, data):
    with tempfile.TemporaryDirectory() as folder:
        disparity = write_cityscapes_labels(data.draw, scene, Path(folder))
        sample = CityscapesDataset(Path(folder), "train")[0]
    kinds = np.array([0, 10, 11, 13, IGNORE])[cityscapes_kinds(scene)]
    assert sample.labels["semantic"].tolist() == kinds.tolist()
    assert objects_of(sample.labels["instance"], kinds) == objects_of(scene.objects, kinds)
    expected = np.where(kinds == 10, 0, np.where(disparity == 0, np.nan, (disparity - 1) / 256))
    np.testing.assert_array_equal(sample.labels["inverse_depth"], expected.astype(np.float32))
