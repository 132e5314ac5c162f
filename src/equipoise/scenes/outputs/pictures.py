"""Outputs that each task makes itself: overlays for people, and pictures of numbers for programs."""

from collections.abc import Iterable
from functools import partial
from typing import Any, ClassVar

import numpy as np

from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.outputs.output import Contents, Files, Output, OutputSettings, png
from equipoise.scenes.outputs.photo import photo_png
from equipoise.scenes.tasks import TASKS, DepthTask
from equipoise.scenes.tasks.pictures import DISPARITY, LABELS, LabelPicture


class Overlays(Output):
    """``NAME_TASK_overlay.png``: each task's prediction, drawn over the image."""

    name: ClassVar[str] = "overlays"

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """One picture for each task."""
        return Files(files={f"{name}_{task}_overlay.png": partial(_overlay, scene, task) for task in scene.predicted()})


class LabelPictures(Output):
    """The tasks' pictures for programs, such as ``NAME_semantic.png``."""

    name: ClassVar[str] = LABELS

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """The label pictures of this kind."""
        tasks = (TASKS[task](scene.vocabulary) for task in scene.predicted())
        return described(name, (one for task in tasks for one in task.label_pictures(scene) if one.output == self.name))


class Disparity(LabelPictures):
    """``NAME_disparity.png``: inverse depth in 16 bits."""

    name: ClassVar[str] = DISPARITY

    def lacking(self, contents: Contents) -> str:
        """Depth."""
        return (
            "" if DepthTask.name in contents.tasks else "expected a model trained on depth, found one without the task"
        )


class Interval(Output):
    """``NAME_depth_interval_low.png`` and ``NAME_depth_interval_high.png``: 90 % lies between them."""

    name: ClassVar[str] = "interval"

    def lacking(self, contents: Contents) -> str:
        """Depth, with a likelihood that has an interval."""
        if fault := Disparity().lacking(contents):
            return fault
        if DepthTask.name not in contents.intervals:
            return "expected depth with a likelihood that has an interval, found one without (laplace-paper)"
        return ""

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """The ends of the interval."""
        tasks = (TASKS[task](scene.vocabulary) for task in scene.predicted())
        return described(name, (one for task in tasks for one in task.interval_pictures(scene)))


def described(name: str, pictures: Iterable[LabelPicture]) -> Files:
    """The files of label pictures, and the entries of the record that describe them."""
    files, facts = {}, dict[str, Any]()
    for picture in pictures:
        file = f"{name}_{picture.ending}.png"
        files[file] = partial(png, picture.pixels)
        facts[picture.key] = {"file": file, **picture.facts}
    return Files(files=files, facts=facts)


def _overlay(scene: Scene, task: str) -> bytes:
    return photo_png(np.asarray(scene.overlay(task)))
