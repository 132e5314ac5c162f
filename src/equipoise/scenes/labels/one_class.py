"""Check that each instance lies on one class.

An id on several classes is either several objects, one object with inexact borders, or a mistake.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from equipoise.scenes.labels.label import LabelledImage
from equipoise.scenes.labels.semantic import SemanticLabel
from equipoise.scenes.labels.vocabulary import IGNORE, SceneVocabulary

HIGHEST_STORED = 65535
"""The highest number of a 16-bit picture. Ids above it come from ``split_by_class`` and imply no class."""
CLASSES = 256
SHOWN_INSTANCES = 3


def shared_ids(instance: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Return ``id · 256 + class``, ascending, for every id on several classes and each of its classes."""
    labelled = (instance > 0) & (semantic != IGNORE)
    keys = _keys(instance[labelled], semantic[labelled])
    if not keys.size:
        return keys
    changes = np.concatenate([[True], keys[1:] != keys[:-1]])  # Neighbours mostly agree, and sorting costs more.
    pairs = np.unique(keys[changes])
    ids = pairs // CLASSES
    same = ids[1:] == ids[:-1]
    shared: npt.NDArray[np.int64] = pairs[np.concatenate([[False], same]) | np.concatenate([same, [False]])]
    return shared


def contradiction(instance: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8], vocabulary: SceneVocabulary) -> str:
    """Describe the first id that lies on a countable class and on another one, as ``1 on person and car``.

    If no class is countable, any two classes count. Returns an empty string if there is no such id.
    """
    pairs = shared_ids(instance, semantic)
    ids, classes = pairs // CLASSES, pairs % CLASSES
    countable: Sequence[int] = vocabulary.countable or range(len(vocabulary.classes))
    wrong = ids[np.isin(classes, countable)]
    if not wrong.size:
        return ""
    names = [vocabulary.classes[k].name for k in classes[ids == wrong[0]].tolist()]
    more = len(np.unique(wrong)) - 1
    return f"{wrong[0]} on {' and '.join(names)}" + (f", and {more} more" if more else "")


def split_by_class(instance: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8]) -> npt.NDArray[np.int32]:
    """Split every id on several classes into one object per class.

    The first class keeps the id, the others get new ids. Pixels of such an id without a class label get no id.
    """
    pairs = shared_ids(instance, semantic)
    if not pairs.size:
        return instance
    ids = pairs // CLASSES
    first = np.concatenate([[True], ids[1:] != ids[:-1]])
    unused = max(int(instance.max()), HIGHEST_STORED) + np.cumsum(~first)
    names = np.where(first, ids, unused).astype(np.int32)
    keys = _keys(instance, semantic)
    place = np.minimum(np.searchsorted(pairs, keys), len(pairs) - 1)
    divided = np.where(np.isin(instance, ids), 0, instance)
    return np.where(pairs[place] == keys, names[place], divided).astype(np.int32)


def _keys(instance: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    return instance.astype(np.int64) * CLASSES + semantic


def misplaced(image: LabelledImage, name: str) -> str:
    """Describe the instances that lie mostly on pixels without a class label or on a class that is not countable."""
    ids, counts = _pixels_by_class(image, name)
    wrong = []
    for identity, k in zip(ids.tolist(), counts.argmax(1).tolist(), strict=True):
        if k == IGNORE:
            wrong.append(f"{identity} without a class label")
        elif k not in image.vocabulary.countable:
            wrong.append(f"{identity} on {image.vocabulary.classes[k].name}")
    return _some(wrong)


def unlike_their_ids(image: LabelledImage, name: str) -> tuple[int, str]:
    """Compare the classes that instances lie on with those that their ids imply.

    Returns:
        The number of instances on the implied class minus those on another countable class, and a text that describes
        the latter.
    """
    agreement, crossed, vocabulary = 0, [], image.vocabulary
    ids, counts = _pixels_by_class(image, name)
    for identity, k in zip(ids.tolist(), counts.argmax(1).tolist(), strict=True):
        implied = image.readers[name].class_of(identity)
        if implied is None or k not in vocabulary.countable:
            continue
        agreement += 1 if implied == k else -1
        if implied != k:
            called = "no class" if implied == IGNORE else vocabulary.classes[implied].name
            crossed.append(f"{identity} ({called}) on {vocabulary.classes[k].name}")
    return agreement, _some(crossed)


def _pixels_by_class(image: LabelledImage, name: str) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return the ids of an image's instances ``(K,)``, and the number of their pixels of each class ``(K, 256)``."""
    instance, semantic = image.labels[name], image.labels.get(SemanticLabel.name)
    where = np.flatnonzero(instance)
    classes = np.full(len(where), IGNORE, np.uint8) if semantic is None else semantic.reshape(-1)[where]
    ids, index = np.unique(instance.reshape(-1)[where], return_inverse=True)
    counts = np.bincount(index * CLASSES + classes, minlength=CLASSES * len(ids)).reshape(len(ids), CLASSES)
    return ids.astype(np.int64), counts


def _some(found: list[str]) -> str:
    """Join the first few texts, and say how many more there are."""
    more = f" and {len(found) - SHOWN_INSTANCES} more" if len(found) > SHOWN_INSTANCES else ""
    return ", ".join(found[:SHOWN_INSTANCES]) + more
