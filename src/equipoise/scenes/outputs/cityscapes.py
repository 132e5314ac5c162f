"""The layout of Cityscapes' results: label ids, and for instances a text file with one mask a line."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from equipoise.errors import UsageError
from equipoise.scenes.grouping import Instance
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.labels.cityscapes_classes import CLASSES, train_ids
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
        known = {each.name for each in CLASSES}
        strange = [each.name for each in contents.vocabulary.classes if each.name not in known]
        return f"expected Cityscapes' classes, found {', '.join(strange)}" if strange else ""

    def files(self, scene: Scene, name: str, settings: OutputSettings) -> Files:
        """The files of both layouts."""
        assert scene.semantic is not None
        files: dict[str, Callable[[], bytes]] = {
            f"{name}_labelIds.png": partial(png, label_ids(scene.semantic, scene.vocabulary))
        }
        if scene.instance is not None:
            files |= instance_files(scene.instance, scene.instances or (), scene.vocabulary, name)
        return Files(files=files, facts={self.name: {"files": list(files)}})


def label_ids(semantic: npt.NDArray[np.uint8], vocabulary: SceneVocabulary) -> npt.NDArray[np.uint8]:
    """Convert class indices of a vocabulary of Cityscapes' classes to label ids; 0 (unlabeled) for all others."""
    table = np.zeros(256, np.uint8)
    for index, each in enumerate(vocabulary.classes):
        table[index] = stored_id(each.name)
    return table[semantic]


def stored_id(name: str) -> int:
    """Return the label id of a class.

    >>> stored_id("car")
    26
    """
    index = next(index for index, each in enumerate(CLASSES) if each.name == name)
    return int(np.flatnonzero(train_ids() == index)[0])


def instance_files(
    instance: npt.NDArray[np.int32], instances: tuple[Instance, ...], vocabulary: SceneVocabulary, name: str
) -> dict[str, Callable[[], bytes]]:
    """Return what makes the text file and the masks of the objects of countable classes, by file name.

    Each line of the text holds a mask's file name, its label id and its confidence, separated by spaces. Raises
    ``UsageError`` for a name with white space, which the format cannot hold.
    """
    if len(name.split()) != 1:
        raise UsageError(f"cityscapes: expected an image name without white space, found {name!r}: rename the image")
    files: dict[str, Callable[[], bytes]] = {}
    lines = []
    for number, one in enumerate(_countable(instances, vocabulary)):
        mask = f"mask_{number:03d}_{name}.png"
        files[mask] = partial(_mask, instance, one.id)
        lines.append(f"{mask} {stored_id(vocabulary.classes[one.semantic or 0].name)} {one.score:.6f}\n")
    return {f"{name}_instances.txt": "".join(lines).encode, **files}


def _countable(instances: tuple[Instance, ...], vocabulary: SceneVocabulary) -> Iterator[Instance]:
    yield from (one for one in instances if one.semantic in vocabulary.countable)


def _mask(instance: npt.NDArray[np.int32], number: int) -> bytes:
    return png((instance == number).astype(np.uint8) * 255)
