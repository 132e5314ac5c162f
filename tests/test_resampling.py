"""AP of images drawn with replacement is that of the official rules on the images drawn."""

import numpy as np
import pytest

from benchmarks.resampling import draws, resampled_ap
from equipoise.scenes.grouping import Instance
from equipoise.scenes.metrics.overlaps import count_overlaps
from equipoise.scenes.metrics.precision import InstancePrecision

CLASSES = 4


def image(rng: np.random.Generator) -> InstancePrecision:
    """Boxes, and the same ones with some pixels gone and with rounded scores, many of which are equal."""
    ids, classes = np.zeros((40, 60), np.int32), np.zeros((40, 60), np.uint8)
    for k in range(1, rng.integers(2, 6)):
        y, x = rng.integers(0, 30), rng.integers(0, 48)
        ids[y : y + 10, x : x + 12], classes[y : y + 10, x : x + 12] = k, rng.integers(1, CLASSES)
    found = np.where(rng.random(ids.shape) < rng.uniform(0, 0.5), 0, ids)
    objects = [
        Instance(id=k, semantic=int(rng.integers(1, CLASSES)), score=round(rng.random(), 1), box=(0, 0, 1, 1), pixels=1)
        for k in np.unique(found[found > 0]).tolist()
    ]
    precision = InstancePrecision(CLASSES)
    precision.update(
        count_overlaps((classes, classes), (ids, found), objects, classes=CLASSES, countable=range(1, CLASSES))
    )
    return precision


@pytest.mark.parametrize("seed", range(5))
def test_each_draw_is_scored_as_its_images_are(seed):
    rng = np.random.default_rng(seed)
    images = [image(rng) for _ in range(12)]
    drawn = draws(len(images), 6, seed)
    assert (drawn[0] == 1).all()
    assert (drawn.sum(1) == len(images)).all()
    expected = []
    for times in drawn.astype(int):
        together = InstancePrecision(CLASSES)
        for one, count in zip(images, times, strict=True):
            for _ in range(count):
                together.merge(one)
        expected.append(together.compute()["ap"])
    assert len(set(expected)) > 3
    assert resampled_ap(images, drawn) == pytest.approx(expected, rel=1e-12)
