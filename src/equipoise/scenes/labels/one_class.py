"""Each instance lies on one class: an id that lies on several is two objects, one with ragged borders, or a mistake."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from equipoise.scenes.data.sample import IGNORE, SceneVocabulary

AcrossClasses = Literal["error", "split", "merge"]
HIGHEST_STORED = 65535
"""Ids above the highest number of a 16-bit picture tell no class of their own."""
CLASSES = 256


def shared_ids(instance: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """``id · 256 + class``, ascending, for each id that lies on several classes and each of its classes."""
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
    """The first id that lies on a countable class and on another one, as ``1 on person and car``; empty if none does.

    Where no class is countable, any two classes count.
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
    """An object for each class that an id lies on. The first class keeps the id, the others get unused ones.

    Pixels of such an id without a class label belong to none of its objects.
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
