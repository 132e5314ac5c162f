"""The layout of Cityscapes' results: label ids, and for instances a text file with one mask a line."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from equipoise.errors import UsageError
from equipoise.scenes.grouping import Instance
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.labels.cityscapes_classes import label_ids
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.outputs.output import Contents, Files, Output, OutputSettings, png
from equipoise.scenes.tasks import SemanticTask


class Cityscapes(Output):
    """``NAME_labelIds.png``, ``NAME_instances.txt`` and ``mask_NNN_NAME.png``, which ``cityscapesscripts`` reads.

    Names of masks do not start with the name of the image, since the script for classes takes any PNG that does.
    """

    name: ClassVar[str] = "cityscapes"

    def lacking(self, contents: Contents) -> str:
        """Classes that Cityscapes has."""
        if SemanticTask.name not in contents.tasks:
            return "expected a model that predicts classes, found one that does not"
        strange = strange_classes(contents.vocabulary)
        return f"expected Cityscapes' classes, found {', '.join(strange)}" if strange else ""

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """The files of both layouts."""
        assert scene.semantic is not None
        if any(letter.isspace() for letter in name):
            raise UsageError(
                f"cityscapes: expected an image name without white space, found {name!r}: rename the image"
            )
        classes = stored_ids(scene.vocabulary)[scene.semantic]
        files: dict[str, Callable[[], bytes]] = {f"{name}_labelIds.png": partial(png, classes)}
        if scene.instance is not None:
            found = object_masks(scene.instance, scene.instances or (), scene.vocabulary)
            masks = {f"mask_{number:03d}_{name}.png": each for number, each in enumerate(found)}
            text = "".join(each.line(file) for file, each in masks.items())
            files |= {f"{name}_instances.txt": text.encode} | {file: each.png for file, each in masks.items()}
        return Files(files=files, facts={self.name: {"files": list(files)}})


@dataclass(frozen=True, kw_only=True)
class ObjectMask:
    """One object of a countable class.

    Attributes:
        id: its id in the instance map.
        label_id: of its class.
        score: its confidence.
        png: makes the picture of its mask: 255 on the object, else 0.
    """

    id: int
    label_id: int
    score: float
    png: Callable[[], bytes]

    def line(self, path: str) -> str:
        """Return the line about it, given the path of its mask relative to the text file."""
        return f"{path} {self.label_id} {self.score!r}\n"


def strange_classes(vocabulary: SceneVocabulary) -> list[str]:
    """Return the classes that Cityscapes does not have."""
    known = label_ids()
    return [each.name for each in vocabulary.classes if each.name not in known]


def stored_ids(vocabulary: SceneVocabulary) -> npt.NDArray[np.uint8]:
    """Return the label id of each class index ``(256,)``, for Cityscapes' classes; 0 (unlabeled) for other numbers."""
    table = np.zeros(256, np.uint8)
    table[: len(vocabulary.classes)] = [label_ids()[each.name] for each in vocabulary.classes]
    return table


def object_masks(
    instance: npt.NDArray[np.int32], instances: Sequence[Instance], vocabulary: SceneVocabulary
) -> list[ObjectMask]:
    """Return the objects of countable classes."""
    ids = stored_ids(vocabulary)
    return [
        ObjectMask(id=one.id, label_id=int(ids[one.semantic]), score=one.score, png=partial(_mask, instance, one.id))
        for one in instances
        if one.semantic is not None and vocabulary.classes[one.semantic].countable
    ]


def _mask(instance: npt.NDArray[np.int32], number: int) -> bytes:
    return png((instance == number).astype(np.uint8) * np.uint8(255))
