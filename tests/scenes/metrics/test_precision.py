"""Instance AP against the official Cityscapes script."""

import copy
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.scenes.labels.cityscapes_classes import CLASSES
from equipoise.scenes.metrics.overlaps import Overlaps, count_overlaps
from equipoise.scenes.metrics.precision import SIZES, THRESHOLDS, InstancePrecision
from equipoise.scenes.streets import generate
from tests.oracles.cityscapes_scripts import instance_ap, instance_matches, official
from tests.support.damaged import COUNTABLE, Answer, Truth, damaged, random_truth
from tests.support.streets_truth import read_truths

SIZE = (32, 48)
SMALLEST = 100 * 32 * 48 / (1024 * 2048)
SAME = {"rtol": 1e-12, "atol": 1e-12, "equal_nan": True}


def overlaps(truth: Truth, answer: Answer) -> Overlaps:
    maps = (truth.semantic, answer.semantic), (truth.instance, answer.instance)
    return count_overlaps(*maps, answer.objects, classes=len(CLASSES), countable=COUNTABLE)


def precision(pairs: list[tuple[Truth, Answer]], smallest: float = 100.0) -> InstancePrecision:
    found = InstancePrecision(len(CLASSES), smallest=smallest)
    for pair in pairs:
        found.update(overlaps(*pair))
    return found


def pairs_of(seed: int, images: int = 2, changes: int = 6) -> list[tuple[Truth, Answer]]:
    rng = np.random.default_rng(seed)
    truths = [random_truth(rng, SIZE, int(rng.integers(0, 7))) for _ in range(images)]
    return [(truth, damaged(rng, truth, changes=int(rng.integers(0, changes)))) for truth in truths]


@given(seed=st.integers(0, 10_000), smallest=st.sampled_from([SMALLEST, 5.0, 40.0]))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ap_is_that_of_the_official_script(seed: int, smallest: float, tmp_path: Path):
    pairs = pairs_of(seed)
    mine = precision(pairs, smallest * 100 / SMALLEST).by_class()["all"][list(COUNTABLE)]
    matches = instance_matches(pairs, tmp_path)
    try:
        theirs = instance_ap(matches, smallest)
    except IndexError:  # Every prediction of some class is ignored: the script has no answer.
        return
    np.testing.assert_allclose(mine, theirs, **SAME)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ap_by_size_ignores_other_sizes(seed: int, tmp_path: Path):
    """The official script, with true objects of other sizes ignored, without unmatched predictions of other sizes."""
    script = official("evalInstanceLevelSemanticLabeling")
    pairs = pairs_of(seed)
    found = precision(pairs).by_class()
    matches = instance_matches(pairs, tmp_path)
    scale = SIZE[0] * SIZE[1] / (1024 * 2048)
    for size, (low, high) in SIZES.items():
        for index, overlap in enumerate(THRESHOLDS):
            args = copy.copy(script.args)
            args.overlaps, args.minRegionSizes, args.quiet = [overlap], np.array([SMALLEST] * 3), True
            args.distanceThs, args.distanceAvailable = np.array([1.0, 1.0, 1.0]), False
            own = _without_other_sizes(matches, low * scale, high * scale, overlap)
            try:
                theirs = script.evaluateMatches(own, args)[0, :, 0]
            except IndexError:
                continue
            np.testing.assert_allclose(found[size][list(COUNTABLE), index], theirs, **SAME)


def _without_other_sizes(matches, low, high, overlap):
    own = copy.deepcopy(matches)
    for image in own.values():
        for name, truths in image["groundTruth"].items():
            kept = []
            for each in image["prediction"][name]:
                iou = [
                    t["intersection"] / (t["pixelCount"] + each["pixelCount"] - t["intersection"])
                    for t in each["matchedGt"]
                ]
                if max(iou, default=0) > overlap or low <= each["pixelCount"] < high:
                    kept.append(each)
            image["prediction"][name] = kept
            for true in [*truths, *(t for each in kept for t in each["matchedGt"])]:
                true["medDist"] = -1 if true["instID"] < 1000 or low <= true["pixelCount"] < high else 9.0
    return own


def _iou(true, own):
    return true["intersection"] / (true["pixelCount"] + own["pixelCount"] - true["intersection"])


def test_streets_against_the_official_script(tmp_path: Path):
    generate(tmp_path / "data", train=0, val=3, size=(96, 192))
    rng = np.random.default_rng(0)
    pairs = [(truth, damaged(rng, truth, changes=5)) for truth in read_truths(tmp_path / "data")]
    assert sum(len(answer.objects) for _, answer in pairs) > 10
    (tmp_path / "masks").mkdir()
    theirs = instance_ap(instance_matches(pairs, tmp_path / "masks"), 100 * 96 * 192 / (1024 * 2048))
    figures, mine = precision(pairs).compute(), precision(pairs).by_class()["all"][list(COUNTABLE)]
    np.testing.assert_allclose(mine, theirs, **SAME)
    assert figures["ap"] == pytest.approx(np.nanmean(theirs), abs=1e-12)
    assert figures["ap50"] == pytest.approx(np.nanmean(theirs[:, 0]), abs=1e-12)
    assert 0.05 < figures["ap"] < 0.95


def test_the_truth_scores_one_and_nothing_scores_zero():
    truth = random_truth(np.random.default_rng(3), SIZE, 6)
    perfect = damaged(np.random.default_rng(0), truth, changes=0)
    assert precision([(truth, perfect)]).compute()["ap"] == 1.0
    blank = Answer(semantic=perfect.semantic, instance=np.zeros_like(perfect.instance), objects=())
    assert precision([(truth, blank)]).compute()["ap"] == 0.0


def test_without_any_true_object_there_is_no_ap():
    truth = random_truth(np.random.default_rng(3), SIZE, 0)
    found = precision([(truth, damaged(np.random.default_rng(1), truth, changes=5))])
    assert np.isnan(found.compute()["ap"])
    assert np.isnan(InstancePrecision(19).compute()["ap50"])


def test_only_ignored_predictions_of_a_class_score_zero():
    """The official script fails here."""
    labels = np.zeros((8, 8), np.uint8)
    labels[:2, :2] = 26
    truth = Truth(labels=labels, instances=np.where(labels == 26, 26000, 0).astype(np.uint16))
    semantic, instance = np.zeros((8, 8), np.uint8), np.zeros((8, 8), np.int32)
    semantic[5:, 5:], instance[5:, 5:] = 13, 1  # on void
    lost = damaged(np.random.default_rng(0), truth, changes=0).objects[0]
    assert precision([(truth, Answer(semantic=semantic, instance=instance, objects=(lost,)))]).compute()["ap"] == 0.0


def test_merging_parts_is_updating_with_all():
    pairs = pairs_of(1, images=6)
    parts = [pickle.loads(pickle.dumps(precision(pairs[:2]))), precision([]), precision(pairs[2:])]
    for part in parts[1:]:
        parts[0].merge(part)
    assert parts[0].compute() == pytest.approx(precision(pairs).compute(), rel=0, abs=0, nan_ok=True)
