"""What predicting does faster than the obvious way has the same answers."""

import numpy as np
import pytest
import torch

from equipoise.scenes.inference.predictor import is_finite
from equipoise.scenes.tasks.together import class_probability


@pytest.mark.parametrize(
    ("value", "finite"), [(3e38, True), (-3e38, True), (torch.nan, False), (torch.inf, False), (-torch.inf, False)]
)
def test_one_value_among_many_is_found(value, finite):
    values = torch.full((3, 40, 50), 2e38)  # Their sum overflows.
    for each in (values, torch.zeros(3, 40, 50)):
        each[1, 7, 9] = value
        assert is_finite(each) == finite == bool(each.isfinite().all())


@pytest.mark.parametrize("size", [(12, 20), (24, 40)])
def test_probability_is_that_of_the_largest_logit(size):
    logits = torch.randn(5, 12, 20, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.interpolate(logits.softmax(0).amax(0)[None, None], size, mode="bilinear")[0, 0]
    semantic = np.random.default_rng(0).integers(0, 5, size, dtype=np.uint8)
    found = class_probability(logits, semantic, (1, 4))
    chosen = np.isin(semantic, (1, 4))
    assert found.dtype == np.float32
    assert found[chosen] == pytest.approx(expected.numpy()[chosen], rel=1e-6)


def test_no_pixel_of_the_classes():
    assert not class_probability(torch.zeros(3, 4, 4), np.zeros((4, 4), np.uint8), (2,)).any()
