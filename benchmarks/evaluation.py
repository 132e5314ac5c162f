"""Scene metrics at 1024×2048 on decoded arrays, against cityscapesscripts (its NumPy path) and torchmetrics.

The official scripts read files; here their readers get the arrays, so that decoding counts for neither side. Times are
of the processor, which other programs disturb less.
"""

import contextlib
import importlib
import io
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import Ratio, side_by_side
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.grouping import Instance
from equipoise.scenes.labels.cityscapes_classes import CLASSES, label_ids
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.confusion import ConfusionMatrix
from equipoise.scenes.metrics.instance_iou import InstanceIoU
from equipoise.scenes.metrics.overlaps import Overlaps, count_overlaps
from equipoise.scenes.metrics.panoptic import PanopticQuality
from equipoise.scenes.metrics.precision import InstancePrecision
from equipoise.scenes.networks.encoders.torchvision_operators import declare_missing_operators
from equipoise.scenes.streets import generate
from equipoise.scenes.tasks.scene_metrics import class_groups

SIZE, AIM = (1024, 2048), 10
IDS = np.array(list(label_ids().values()), np.uint8)
COUNTABLE = tuple(k for k, c in enumerate(CLASSES) if c.countable)


def run() -> list[str]:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        generate(Path(folder), train=0, val=4, size=SIZE)
        dataset = CityscapesDataset(Path(folder), "val")
        truths = sorted(Path(folder).glob("gtFine/val/*/*_labelIds.png"))
        pairs = [Pair(dataset[i], np.array(Image.open(truth))) for i, truth in enumerate(truths)]
        scene = max(pairs, key=lambda pair: len(pair.objects))
        objects = len(scene.objects)
        lines = [f"one street of 1024x2048, {objects} predicted objects, the truth moved by 3 px"]
        for what, mine, theirs in scene.comparisons():
            ratio = side_by_side(theirs, mine, rounds=3, warm_up=1, clock=time.process_time)
            lines.append(f"{what}: {_said(ratio)}")
    return lines


class Pair:
    """A true and a predicted scene: as arrays, and as the official scripts' readers give them."""

    def __init__(self, sample: Sample, labels: np.ndarray) -> None:
        self.semantic, self.instance = sample.labels["semantic"], sample.labels["instance"]
        self.labels = labels
        self.ids = np.where(self.instance > 0, self.instance, labels).astype(np.int32)
        self.found = np.roll(np.where(self.semantic == 255, 0, self.semantic), 3, 1).astype(np.uint8)
        moved = np.roll(self.instance, 3, 1)
        known, moved = np.unique(moved, return_inverse=True)
        self.found_ids = moved.reshape(self.instance.shape).astype(np.int32)
        self.objects = tuple(
            Instance(id=i, semantic=int(np.flatnonzero(own // 1000 == IDS)[0]), score=1 / i, box=(0, 0, 1, 1), pixels=1)
            for i, own in enumerate(known.tolist())
            if own
        )

    def comparisons(self) -> Iterator[tuple[str, Callable[[], Any], Callable[[], Any]]]:
        """Each metric: its name, ours and theirs."""
        yield "IoU and iIoU, cityscapesscripts", self.mine_pixels, self.their_pixels
        yield "AP, cityscapesscripts", self.mine_ap, self.their_ap
        yield "PQ, torchmetrics", self.mine_pq, self.their_pq
        yield "IoU, torchmetrics", self.mine_iou, self.their_iou
        yield "all of ours, cityscapesscripts without PQ", self.mine_all, lambda: (self.their_pixels(), self.their_ap())

    def overlaps(self) -> Overlaps:
        """The common table of ours."""
        maps = (self.semantic, self.found), (self.instance, self.found_ids)
        return count_overlaps(*maps, self.objects, classes=len(CLASSES), countable=COUNTABLE)

    def mine_iou(self) -> ConfusionMatrix:
        matrix = ConfusionMatrix(len(CLASSES))
        matrix.update(self.found, self.semantic)
        return matrix

    def mine_pixels(self, overlaps: Overlaps | None = None) -> None:
        self.mine_iou().iou()
        score = InstanceIoU(class_groups(SceneVocabulary(classes=CLASSES)))
        score.update(overlaps or self.overlaps())
        score.by_class(), score.by_category()

    def mine_ap(self, overlaps: Overlaps | None = None) -> None:
        precision = InstancePrecision(len(CLASSES))
        precision.update(overlaps or self.overlaps())
        precision.compute()

    def mine_pq(self, overlaps: Overlaps | None = None) -> None:
        quality = PanopticQuality(len(CLASSES), COUNTABLE)
        quality.update(overlaps or self.overlaps())
        quality.compute()

    def mine_all(self) -> None:
        overlaps = self.overlaps()
        self.mine_pixels(overlaps)
        self.mine_ap(overlaps)
        self.mine_pq(overlaps)

    def their_pixels(self) -> None:
        script = importlib.import_module("cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling")
        files = {"own": IDS[self.found], "labelIds": self.labels, "instanceIds": self.ids}
        script.Image, script.CSUPPORT = Reader(files), False  # type: ignore[attr-defined]
        script.args.quiet, script.args.JSONOutput = True, False
        with contextlib.redirect_stdout(io.StringIO()):
            script.evaluateImgLists(["own"], ["labelIds"], script.args)

    def their_ap(self) -> None:
        script = importlib.import_module("cityscapesscripts.evaluation.evalInstanceLevelSemanticLabeling")
        masks = {f"/m{one.id}": (self.found_ids == one.id).astype(np.uint8) for one in self.objects}
        script.Image = Reader(masks)  # type: ignore[attr-defined]
        script.setInstanceLabels(script.args)
        dictionary = importlib.import_module("cityscapesscripts.evaluation.instances2dict")
        dictionary.Image = Reader({"/gt": self.ids})  # type: ignore[attr-defined]
        truths = script.filterGtInstances(dictionary.instances2dict(["/gt"])["/gt"], script.args)
        info = {f"/m{one.id}": {"labelID": int(IDS[one.semantic or 0]), "conf": one.score} for one in self.objects}
        true, found = script.assignGt2Preds(truths, self.ids, info, script.args)
        script.evaluateMatches({"0": {"groundTruth": true, "prediction": found}}, script.args)

    def their_pq(self) -> None:
        declare_missing_operators()
        from torchmetrics.detection import PanopticQuality as Theirs

        stuff = set(range(len(CLASSES))) - set(COUNTABLE)
        quality = Theirs(set(COUNTABLE), stuff, allow_unknown_preds_category=True)
        pair = (np.stack(maps, -1) for maps in ((self.found, self.found_ids), (self.semantic, self.instance)))
        quality.update(*(torch.from_numpy(each)[None].long() for each in pair))
        quality.compute()

    def their_iou(self) -> None:
        declare_missing_operators()
        from torchmetrics import JaccardIndex

        score = JaccardIndex("multiclass", num_classes=len(CLASSES), ignore_index=255)
        score.update(torch.from_numpy(self.found)[None], torch.from_numpy(self.semantic)[None])
        score.compute()


class Reader:
    """Stands for PIL.Image: "opens" arrays."""

    def __init__(self, files: dict[str, np.ndarray]) -> None:
        self.files = files

    def open(self, name: str) -> Image.Image:
        return Image.fromarray(self.files[name])


def _said(ratio: Ratio) -> str:
    met = "met" if ratio.ratio >= AIM else "missed"
    return f"{ratio.ratio:.0f} × faster ({ratio.one * 1e3:.0f} ms against {ratio.other * 1e3:.0f} ms; aim {AIM}: {met})"
