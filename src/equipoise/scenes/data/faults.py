"""What is wrong with labels that can be read: instances without a class, depth that no scene has."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.scenes.data.sample import IGNORE, FileDataset, Sample, SceneVocabulary

NEAREST_M, FARTHEST_M = 0.01, 10_000.0
SHOWN_INSTANCES = 3
MARK = "mark the class countable, or set instance.only_countable = true"


def faults(sample: Sample, vocabulary: SceneVocabulary, files: Mapping[str, Path]) -> Iterator[str]:
    """What is wrong with labels that can be read; ``files``: where each kind lies."""
    if sample.semantic is not None and sample.instance is not None and (wrong := _without_class(sample, vocabulary)):
        yield f"{files['instance']}: expected instances on countable classes, found {wrong}: {MARK}"
    if sample.inverse_depth is not None:
        yield from _depth_faults(sample, vocabulary, files["inverse_depth"])


def _depth_faults(sample: Sample, vocabulary: SceneVocabulary, path: Path) -> Iterator[str]:
    """No depth but the sky's, disparity larger than the image is wide, metres that no street has."""
    assert sample.inverse_depth is not None
    known = sample.inverse_depth[~np.isnan(sample.inverse_depth)]
    sky = vocabulary.sky is not None and sample.semantic is not None and sample.semantic == vocabulary.sky
    if not np.any(~np.isnan(sample.inverse_depth) & ~np.asarray(sky)) and not np.all(sky):
        apart = " but its sky" if np.any(sky) else ""
        yield f"{path}: expected depth labels, found none in the whole image{apart}"
    near = known[known > 0]
    if not near.size or vocabulary.inverse_depth_unit == "relative":
        return
    low, high = float(near.min()), float(near.max())
    if vocabulary.inverse_depth_unit == "px" and high > sample.size[1]:
        told = f"disparity of 0 … {sample.size[1]} px, as the image is wide, found {low:.4g} … {high:.4g} px"
    elif vocabulary.inverse_depth_unit == "1/m" and not 1 / FARTHEST_M <= low <= high <= 1 / NEAREST_M:
        told = f"depth of {NEAREST_M:g} … {FARTHEST_M:,.0f} m, found {1 / high:.4g} … {1 / low:.4g} m"
    else:
        return
    yield f"{path}: expected {told}: check the depth's offset, divisor and invalid numbers"


def _without_class(sample: Sample, vocabulary: SceneVocabulary) -> str:
    """Instances most of whose pixels have no class label, or that of a class whose objects are not counted."""
    ids, counts = instance_classes(sample)
    wrong = []
    for identity, k in zip(ids.tolist(), counts.argmax(1).tolist(), strict=True):
        if k == IGNORE:
            wrong.append(f"{identity} without a class label")
        elif k not in vocabulary.countable:
            wrong.append(f"{identity} on {vocabulary.classes[k].name}")
    return _some(wrong)


def by_their_ids(dataset: FileDataset, sample: Sample) -> tuple[int, str]:
    """How many more instances lie on the class that their id tells than on another countable one, and the latter."""
    agreement, crossed, vocabulary = 0, [], dataset.vocabulary
    ids, counts = instance_classes(sample)
    for identity, k in zip(ids.tolist(), counts.argmax(1).tolist(), strict=True):
        told = dataset.class_of(identity)
        if told is None or k not in vocabulary.countable:
            continue
        agreement += 1 if told == k else -1
        if told != k:
            name = "no class" if told == IGNORE else vocabulary.classes[told].name
            crossed.append(f"{identity} ({name}) on {vocabulary.classes[k].name}")
    return agreement, _some(crossed)


def _some(found: list[str]) -> str:
    """A few of them, and how many more there are."""
    more = f" and {len(found) - SHOWN_INSTANCES} more" if len(found) > SHOWN_INSTANCES else ""
    return ", ".join(found[:SHOWN_INSTANCES]) + more


def instance_classes(sample: Sample) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """The ids of a sample's instances, and how many pixels each has of each class index: ``(K, 256)``."""
    assert sample.instance is not None
    where = np.flatnonzero(sample.instance)
    labels = sample.instance.reshape(-1)[where]
    classes = np.full(len(where), IGNORE, np.uint8) if sample.semantic is None else sample.semantic.reshape(-1)[where]
    ids, index = np.unique(labels, return_inverse=True)
    counts = np.bincount(index * 256 + classes, minlength=256 * len(ids)).reshape(len(ids), 256)
    return ids.astype(np.int64), counts
