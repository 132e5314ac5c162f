"""The official Cityscapes scripts, run on arrays."""

import contextlib
import copy
import importlib
import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from tests.support.damaged import LABEL_OF, Answer, Truth


def official(name: str) -> Any:
    """One of the official evaluation scripts."""
    return importlib.import_module(f"cityscapesscripts.evaluation.{name}")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what the scripts print, and the warnings of NumPy about functions that they use."""
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def instance_matches(pairs: Sequence[tuple[Truth, Answer]], folder: Path) -> dict[str, Any]:
    """What the instance script matches in pairs of truth and prediction; writes and reads their pictures."""
    script = official("evalInstanceLevelSemanticLabeling")

    script.setInstanceLabels(script.args)
    script.args.predictionPath = str(folder.absolute())
    matches = {}
    for number, (truth, answer) in enumerate(pairs):
        gt = folder / f"{number}_gt.png"
        Image.fromarray(truth.instances).save(gt)
        lines = []
        for each in answer.objects:
            mask = folder / f"{number}_{each.id}.png"
            Image.fromarray(((answer.instance == each.id) * 255).astype(np.uint8)).save(mask)
            lines.append(f"{mask.name} {LABEL_OF[each.semantic or 0]} {each.score}\n")
        listed = folder / f"{number}.txt"
        listed.write_text("".join(lines))
        found = script.filterGtInstances(script.instances2dict([str(gt)])[str(gt.absolute())], script.args)
        info = script.readPredInfo(str(listed), script.args)
        with quiet():
            truths, predictions = script.assignGt2Preds(found, Image.open(gt), info, script.args)
        matches[str(number)] = {"groundTruth": truths, "prediction": predictions}
    return matches


def instance_ap(matches: dict[str, Any], smallest: float) -> np.ndarray:
    """AP ``(8 classes, 10 overlaps)`` by the instance script; fails where no prediction of a class counts."""
    script = official("evalInstanceLevelSemanticLabeling")

    args = copy.copy(script.args)
    args.minRegionSizes = np.array([smallest] * 3)
    args.quiet = True
    return np.asarray(script.evaluateMatches(matches, args)[0])


def class_scores(pairs: Sequence[tuple[Truth, Answer]], folder: Path, average: Mapping[str, float]) -> dict[str, Any]:
    """All that the pixel-level script finds in pairs of truth and prediction; ``average``: pixels of an object."""
    files = []
    for number, (truth, answer) in enumerate(pairs):
        names = [folder / f"{number}_{name}.png" for name in ("found", "labelIds", "instanceIds")]
        found = np.vectorize(LABEL_OF.get, otypes=[np.uint8])(answer.semantic)
        for name, array in zip(names, (found, truth.labels, truth.instances), strict=True):
            Image.fromarray(array).save(name)
        files.append((str(names[0]), str(names[1])))
    return score_classes([found for found, _ in files], [truth for _, truth in files], average)


def score_classes(found: list[str], truths: list[str], average: Mapping[str, float]) -> dict[str, Any]:
    """What the pixel-level script finds in files of label ids, beside whose truth lie instance ids."""
    script = official("evalPixelLevelSemanticLabeling")
    script.args.quiet, script.args.JSONOutput = True, False
    script.args.avgClassSize = dict(average)
    with quiet():
        return dict(script.evaluateImgLists(found, truths, script.args))


def saved_classes(folder: Path, truths: list[str], average: Mapping[str, float]) -> dict[str, Any]:
    """What the pixel-level script finds in the folder of a submission, whose files it looks for itself."""
    script = official("evalPixelLevelSemanticLabeling")
    script.args.predictionPath, script.args.predictionWalk = str(folder.absolute()), None
    with quiet():
        found = [script.getPrediction(script.args, truth) for truth in truths]
    return score_classes(found, truths, average)


def saved_objects(folder: Path, truths: list[str], smallest: float, cache: Path) -> dict[str, Any]:
    """The averages that the instance-level script finds in the folder of a submission.

    Its writer of ``matches.json`` cannot write numbers of NumPy, and is replaced.
    """
    script = official("evalInstanceLevelSemanticLabeling")
    script.args.predictionPath, script.args.predictionWalk = str(folder.absolute()), None
    script.args.quiet, script.args.JSONOutput, script.args.gtInstancesFile = True, False, str(cache)
    smallest_of = mock.patch.object(script.args, "minRegionSizes", np.array([smallest, 10 * smallest, 10 * smallest]))
    with quiet(), smallest_of, mock.patch.object(script, "writeDict2JSON"):
        found = [script.getPrediction(truth, script.args) for truth in truths]
        return dict(script.evaluateImgLists(found, truths, script.args)["averages"])


def panoptic(pairs: Sequence[tuple[dict[str, Any], dict[str, Any]]], folder: Path, categories: dict[int, Any]) -> Any:
    """The counts of the panoptic script for annotations whose pictures lie in ``folder``."""
    script = official("evalPanopticSemanticLabeling")

    with quiet():
        return script.pq_compute_single_core(0, list(pairs), str(folder), str(folder), categories)
