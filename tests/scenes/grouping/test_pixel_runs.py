"""Objects described by runs are those described pixel by pixel."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from equipoise.scenes.grouping.instances import instances_of
from equipoise.scenes.grouping.pixel_runs import runs_of


@settings(deadline=None)
@given(st.data(), st.integers(1, 9), st.integers(1, 9))
def test_runs_describe_every_pixel(data, height, width):
    """Owners −1 … 2 at the pixels of a mask, with classes 0 … 2."""
    owner = data.draw(arrays(np.intp, (height, width), elements=st.integers(-2, 2)))
    semantic = data.draw(arrays(np.uint8, (height, width), elements=st.integers(0, 2)))
    values = data.draw(arrays(np.float32, (height, width), elements=st.integers(0, 9)))
    pixels = np.flatnonzero(owner > -2)  # −2 is no pixel of the list.
    own = owner.reshape(-1)[pixels]
    runs = runs_of(own, pixels, semantic, (height, width))
    assert runs.length.sum() == len(pixels)
    assert (runs.left + runs.length <= width).all()
    assert runs.counts(3).tolist() == [(owner == k).sum() for k in range(3)]
    assert runs.sums(values.reshape(-1)[pixels], 3).tolist() == [values[owner == k].sum() for k in range(3)]
    drawn = np.full((height, width), -2)
    for k, row, left, length, name in zip(runs.own, runs.row, runs.left, runs.length, runs.semantic, strict=True):
        part = (row, slice(left, left + length))
        assert (drawn[part] == -2).all()
        assert (semantic[part] == name).all()
        drawn[part] = k
    assert np.array_equal(drawn, owner)


@settings(deadline=None)
@given(arrays(np.intp, (6, 7), elements=st.integers(-1, 3)), arrays(np.uint8, (6, 7), elements=st.integers(0, 3)))
def test_objects_have_the_box_count_and_class_of_their_pixels(owner, semantic):
    runs = runs_of(owner.reshape(-1), np.arange(owner.size), semantic, owner.shape)
    known = np.unique(owner[owner >= 0])
    number = np.full(4, -1)
    number[known] = np.arange(len(known))
    found = instances_of(runs.renumbered(number), np.full(len(known), 0.5), first=5)
    assert [each.id for each in found] == list(range(5, 5 + len(known)))
    for each, k in zip(found, known, strict=True):
        y, x = np.nonzero(owner == k)
        assert each.box == (x.min(), y.min(), x.max() + 1, y.max() + 1)
        assert each.pixels == len(x)
        assert each.semantic == np.bincount(semantic[owner == k]).argmax()
        assert each.score == 0.5
