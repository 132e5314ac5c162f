"""Saved predictions, scored by the official scripts, give the digits of our own evaluation."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from equipoise.errors import RunError, UsageError
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.evaluation.evaluator import evaluate
from equipoise.scenes.evaluation.submission import OBJECTS, PIXELS, Submission
from equipoise.scenes.labels.cityscapes_classes import AVERAGE_PIXELS, CLASSES
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.streets import generate
from equipoise.scenes.tasks import make_tasks
from tests.oracles.cityscapes_scripts import saved_classes, saved_objects
from tests.support.tiny import VOCABULARY

SIZE = (96, 192)
SCALE = SIZE[0] * SIZE[1] / (1024 * 2048)


def noisy_truth(dataset: CityscapesDataset, tasks: dict[str, Any]) -> Iterator[dict[str, torch.Tensor]]:
    """For each image logits of the true classes with patches of others, and vectors with errors."""
    generator = torch.Generator().manual_seed(0)
    for index in range(len(dataset)):
        sample = dataset[index]
        classes = torch.from_numpy(tasks["semantic"].target(sample)).long().clamp(max=18)
        logits = torch.nn.functional.one_hot(classes, 19).permute(2, 0, 1).float() * 4
        patches = torch.randn(1, 19, 8, 16, generator=generator) * 1.3
        logits += torch.nn.functional.interpolate(patches, size=SIZE)[0]
        vectors = torch.from_numpy(np.nan_to_num(tasks["instance"].target(sample)))
        vectors = vectors + torch.randn(2, *SIZE, generator=generator)
        yield {"semantic": logits[None], "instance": vectors[None]}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, dict[str, Any]]]:
    """A data set, saved predictions, and our figures."""
    root = tmp_path_factory.mktemp("submission")
    generate(root / "data", train=0, val=3, size=SIZE)
    dataset = CityscapesDataset(root / "data", "val")
    tasks = make_tasks(["semantic", "instance"], dataset.vocabulary)
    answers = noisy_truth(dataset, tasks)
    submission = Submission(root / "saved", dataset.vocabulary)
    found = evaluate(lambda _: next(answers), dataset, tasks, SIZE, batch_size=1, together=True, on_scene=submission)
    return root / "data", root / "saved", found.tasks


def same(mine: dict[str, float], theirs: dict[str, float]) -> None:
    assert {name: mine[name] for name in mine} == pytest.approx(
        {name: theirs[name] for name in mine}, rel=1e-12, abs=1e-12, nan_ok=True
    )


def test_the_pixel_level_script_finds_our_figures(evaluated):
    data, saved, figures = evaluated
    truths = sorted(map(str, (data / "gtFine/val").glob("*/*_labelIds.png")))
    average = {name: value * SCALE for name, value in AVERAGE_PIXELS.items()}
    theirs = saved_classes(saved / PIXELS, truths, average)
    mine = figures["semantic"]
    same(mine["iou"], theirs["classScores"])
    same(mine["iiou"], theirs["classInstScores"])
    same(mine["category_iou"], theirs["categoryScores"])
    same(mine["category_iiou"], theirs["categoryInstScores"])
    assert mine["mean_iou"] == pytest.approx(theirs["averageScoreClasses"], rel=1e-12)
    assert mine["mean_iiou"] == pytest.approx(theirs["averageScoreInstClasses"], rel=1e-12)
    assert mine["mean_category_iou"] == pytest.approx(theirs["averageScoreCategories"], rel=1e-12)
    assert mine["mean_category_iiou"] == pytest.approx(theirs["averageScoreInstCategories"], rel=1e-12)
    assert 0.2 < mine["mean_iiou"] < 0.98


def test_the_instance_level_script_finds_our_figures(evaluated, tmp_path):
    data, saved, figures = evaluated
    truths = sorted(map(str, (data / "gtFine/val").glob("*/*_instanceIds.png")))
    averages = saved_objects(saved / OBJECTS, truths, 100.0 * SCALE, tmp_path / "instances.json")
    mine = figures["instance"]
    assert mine["ap"] == pytest.approx(averages["allAp"], rel=1e-12)
    assert mine["ap50"] == pytest.approx(averages["allAp50%"], rel=1e-12)
    of_class = {name: each["ap"] for name, each in averages["classes"].items()}
    same({name: mine["ap_by_class"][name] for name in of_class}, of_class)
    assert 0.05 < mine["ap"] < 0.95


def test_files_are_not_overwritten_unasked(evaluated):
    _, saved, _ = evaluated
    vocabulary = SceneVocabulary(classes=CLASSES)
    with pytest.raises(RunError, match=r"expected no files at .*saved, found some: .* --overwrite"):
        Submission(saved, vocabulary)
    Submission(saved, vocabulary, overwrite=True)
    with pytest.raises(RunError, match="expected no files"):
        Submission(next(saved.glob("*/*/*.txt")), vocabulary)


def test_other_classes_have_no_ids(tmp_path):
    with pytest.raises(UsageError, match="expected classes of Cityscapes, found ground"):
        Submission(tmp_path, VOCABULARY)
    with pytest.raises(UsageError, match="found no classes"):
        Submission(tmp_path, SceneVocabulary())
