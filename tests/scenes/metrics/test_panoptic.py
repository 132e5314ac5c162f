"""Panoptic quality against the official Cityscapes script (panopticapi's counting) and torchmetrics."""

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from equipoise.scenes.labels.cityscapes_classes import CLASSES
from equipoise.scenes.metrics.overlaps import count_overlaps
from equipoise.scenes.metrics.panoptic import PanopticQuality
from tests.oracles.cityscapes_scripts import panoptic
from tests.scenes.metrics.test_precision import overlaps, pairs_of
from tests.support.damaged import COUNTABLE, Answer, Truth

CATEGORIES = {k + 1: {"name": c.name, "isthing": int(c.countable)} for k, c in enumerate(CLASSES)}


def quality(pairs: list[tuple[Truth, Answer]]) -> PanopticQuality:
    found = PanopticQuality(len(CLASSES), COUNTABLE)
    for pair in pairs:
        found.update(overlaps(*pair))
    return found


def annotation(
    semantic: np.ndarray, instance: np.ndarray, classes: dict[int, int] | None, path: Path
) -> dict[str, Any]:
    """Write a panoptic picture; ``classes``: of predicted objects. True pixels of things without an object: crowds."""
    picture, segments = np.zeros(semantic.shape, np.int64), []
    for own in np.unique(instance[instance > 0]).tolist():
        k = classes[own] if classes is not None else int(semantic[instance == own][0])
        here, number = instance == own, 1000 + len(segments)
        picture[here] = number
        segments.append({"id": number, "category_id": k + 1, "iscrowd": 0, "area": int(here.sum())})
    for k in range(len(CLASSES)):
        here = (semantic == k) & (instance == 0)
        if here.any() and (classes is None or k not in COUNTABLE):
            picture[here] = k + 1
            crowd, area = int(k in COUNTABLE), int(here.sum())
            segments.append({"id": k + 1, "category_id": k + 1, "iscrowd": crowd, "area": area})
    Image.fromarray(np.stack([picture % 256, picture // 256, picture * 0], -1).astype(np.uint8)).save(path)
    return {"file_name": path.name, "segments_info": segments, "image_id": path.stem}


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_counts_are_those_of_the_official_script(seed: int, tmp_path: Path):
    pairs, annotations = pairs_of(seed), []
    for number, (truth, answer) in enumerate(pairs):
        classes = {each.id: each.semantic or 0 for each in answer.objects}
        true = annotation(truth.semantic, truth.instance, None, tmp_path / f"{number}_true.png")
        own = annotation(answer.semantic, answer.instance, classes, tmp_path / f"{number}_own.png")
        annotations.append((true, own))
    official, mine = panoptic(annotations, tmp_path, CATEGORIES), quality(pairs)
    for k in range(len(CLASSES)):
        one = official[k + 1]
        assert (mine.matches[k], mine.wrong[k], mine.missed[k]) == (one.tp, one.fp, one.fn), CLASSES[k].name
        assert mine.iou[k] == pytest.approx(one.iou, abs=1e-12)
    for part, things in {"": None, "_things": True, "_stuff": False}.items():
        try:
            means, _ = official.pq_average(CATEGORIES, isthing=things)
        except ZeroDivisionError:
            continue
        for name in ("pq", "sq", "rq"):
            assert mine.compute()[name + part] == pytest.approx(means[name], abs=1e-12)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=6, deadline=None)
def test_against_torchmetrics(seed: int):
    """torchmetrics knows no groups, and takes predicted void out of unions: so there is neither here."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchmetrics.detection import PanopticQuality as TheirQuality

        stuff = set(range(len(CLASSES))) - set(COUNTABLE)
        theirs = TheirQuality(set(COUNTABLE), stuff, return_per_class=True)
        mine = PanopticQuality(len(CLASSES), COUNTABLE)
        for truth, answer in pairs_of(seed):
            crowd = np.isin(truth.semantic, COUNTABLE) & (truth.instance == 0)
            semantic = np.where(crowd, 255, truth.semantic)
            own = answer.semantic.astype(np.int64)
            own[np.isin(own, COUNTABLE) & (answer.instance == 0)] = 0
            maps = (semantic, own), (truth.instance, answer.instance)
            mine.update(count_overlaps(*maps, answer.objects, classes=len(CLASSES), countable=COUNTABLE))
            for each in answer.objects:
                own[answer.instance == each.id] = each.semantic
            predicted, true = np.stack([own, answer.instance], -1), np.stack([semantic, truth.instance], -1)
            theirs.update(torch.from_numpy(predicted)[None].long(), torch.from_numpy(true)[None].long())
    order = [*sorted(COUNTABLE), *sorted(stuff)]
    values = dict(zip(order, np.atleast_1d(np.squeeze(theirs.compute().numpy())), strict=True))
    for k, value in enumerate(mine.by_class()["pq"]):
        assert (0.0 if np.isnan(value) else value) == pytest.approx(values[k], abs=1e-6)


def test_nothing_has_no_quality():
    assert all(np.isnan(value) for value in quality([]).compute().values())


def test_merging_parts_is_updating_with_all():
    pairs = pairs_of(2, images=6)
    parts = [pickle.loads(pickle.dumps(quality(pairs[:1]))), quality([]), quality(pairs[1:])]
    for part in parts[1:]:
        parts[0].merge(part)
    assert parts[0].compute() == pytest.approx(quality(pairs).compute(), abs=1e-12, nan_ok=True)
