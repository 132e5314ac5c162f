"""iIoU against the official Cityscapes script: in one piece, image by image, and merged from parts."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.scenes.labels.cityscapes_classes import AVERAGE_PIXELS, CLASSES
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.instance_iou import InstanceIoU
from equipoise.scenes.tasks.scene_metrics import class_groups
from tests.oracles.cityscapes_scripts import class_scores
from tests.scenes.metrics.test_precision import SIZE, overlaps, pairs_of
from tests.support.damaged import COUNTABLE, Answer, Truth

GROUPS = class_groups(SceneVocabulary(classes=CLASSES))
SCALE = SIZE[0] * SIZE[1] / (1024 * 2048)
Pairs = Sequence[tuple[Truth, Answer]]


def score(pairs: Pairs, *, of_labels: bool = False) -> InstanceIoU:
    """Streamed: one image after the other. ``of_labels``: average pixels are those of the labels."""
    found = InstanceIoU(replace(GROUPS, average=None) if of_labels else GROUPS)
    for pair in pairs:
        found.update(overlaps(*pair))
    return found


def merged(parts: Sequence[Pairs], *, of_labels: bool = False) -> InstanceIoU:
    """Parts that other processes counted, and sent as bytes; the first one is empty."""
    total = score([], of_labels=of_labels)
    for part in parts:
        total.merge(pickle.loads(pickle.dumps(score(part, of_labels=of_labels))))
    return total


def same(mine: InstanceIoU, theirs: dict) -> None:
    by_class, by_category = mine.by_class(), mine.by_category()
    for k, c in enumerate(CLASSES):
        assert by_class[k] == pytest.approx(theirs["classInstScores"][c.name], rel=1e-12, nan_ok=True), c.name
    for name, value in by_category.items():
        assert value == pytest.approx(theirs["categoryInstScores"][name], rel=1e-12, nan_ok=True), name


@given(seed=st.integers(0, 10_000), cut=st.integers(0, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_halves_the_whole_and_the_official_script_agree(seed: int, cut: int, tmp_path: Path):
    pairs = pairs_of(seed, images=4)
    theirs = class_scores(pairs, tmp_path, {name: value * SCALE for name, value in AVERAGE_PIXELS.items()})
    same(score(pairs), theirs)
    same(merged([pairs[:cut], pairs[cut:]]), theirs)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_average_sizes_of_the_labels_are_those_of_all_parts(seed: int, tmp_path: Path):
    """The weights depend on all images, so parts of their own would weigh with averages of their own."""
    pairs = pairs_of(seed, images=4)
    pixels: dict[str, list[int]] = {name: [] for name in AVERAGE_PIXELS}
    for truth, _ in pairs:
        for own in np.unique(truth.instance[truth.instance > 0]).tolist():
            here = truth.instance == own
            pixels[CLASSES[int(truth.semantic[here][0])].name].append(int(here.sum()))
    theirs = class_scores(pairs, tmp_path, {name: float(np.mean(own or [0])) for name, own in pixels.items()})
    same(merged([pairs[:1], pairs[1:]], of_labels=True), theirs)
    same(score(pairs, of_labels=True), theirs)


def test_the_figures_are_not_trivial():
    """What the comparisons above compare are figures between 0 and 1 of several classes and categories."""
    mine = score([pair for seed in range(8) for pair in pairs_of(seed, images=4)])
    values = mine.by_class()[list(COUNTABLE)]
    assert (np.count_nonzero((values > 0.05) & (values < 0.95))) >= 3
    known = [value for value in mine.by_category().values() if not np.isnan(value)]
    assert len(known) == 2
    assert all(0.05 < value < 0.95 for value in known)


def test_nothing_has_no_iiou():
    assert np.isnan(score([]).by_class()).all()
    assert all(np.isnan(value) for value in merged([[], []]).by_category().values())
