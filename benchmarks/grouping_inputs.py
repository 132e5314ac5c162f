"""What methods of grouping are compared on, and by which figures.

Noise is in proportion to the object and heavy-tailed: Student's t with two degrees of freedom times 0.5 px + 8 % of
√(the object's pixels). F1 counts a found object as right if it has the class of a true one and IoU > 0.5 with it; true
objects below the minimum size are ignored. AP and PQ are those of ``equipoise evaluate``. The run is ``runs/demo``,
which ``make demo`` writes, or the one in EQUIPOISE_RUN.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.sample import Sample
from equipoise.scenes.data.transforms import resize_image
from equipoise.scenes.grouping import Grouping, countable_groups, group
from equipoise.scenes.grouping.group import METHODS
from equipoise.scenes.grouping.votes import Method, fewest_pixels
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.metrics.overlaps import Kind, Overlaps, count_overlaps
from equipoise.scenes.metrics.panoptic import PanopticQuality
from equipoise.scenes.metrics.precision import InstancePrecision
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.instance import centroid_offsets
from equipoise.scenes.tasks.upsampling import upsampled

RUN = Path(os.environ.get("EQUIPOISE_RUN", "runs/demo"))
STREETS = Path(os.environ.get("EQUIPOISE_STREETS", RUN / "streets"))
IMAGES = int(os.environ.get("EQUIPOISE_IMAGES", "100"))
Input = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8], npt.NDArray[np.float32] | None]
"""Vectors, classes, and the probability of the classes."""
Grouped = Callable[[Input, Sample, tuple[tuple[int, ...], ...]], Grouping]


@dataclass(frozen=True, kw_only=True)
class Quality:
    """The figures of one method on one kind of input; all but the counts in 0 … 1."""

    f1: float
    ap: float
    ap50: float
    pq: float
    right: int
    true: int
    found: int

    def __str__(self) -> str:
        return (
            f"F1 {self.f1:.3f}, AP {self.ap:.1%}, AP50 {self.ap50:.1%}, PQ things {self.pq:.1%}; {self.right} right of "
            f"{self.true} true, {self.found} found"
        )


def run_is_missing() -> Iterator[str]:
    """A line where there is no trained run."""
    if not (RUN / "model.safetensors").exists():
        yield f"qualities are skipped: expected a trained run at {RUN}, found none: run make demo first"


def streets_are_missing(folder: Path, options: str) -> Iterator[str]:
    """A line where there is no trained run or no folder of streets."""
    yield from run_is_missing()
    if not folder.exists():
        yield f"expected streets at {folder}, found none: equipoise generate {folder} {options}"


def read(root: Path = STREETS, images: int = IMAGES) -> tuple[list[Sample], SceneVocabulary]:
    """The first validation images of generated streets."""
    dataset = CityscapesDataset(root, "val")
    return [dataset[index] for index in range(min(images, len(dataset)))], dataset.vocabulary


def make_inputs(samples: Sequence[Sample]) -> dict[str, list[Input]]:
    """True vectors, noisy ones, those of the run, and those of the run with true classes."""
    rng, model = np.random.default_rng(0), load_model(RUN)
    true: list[Input] = []
    noisy: list[Input] = []
    for sample in samples:
        ids, classes = sample.labels["instance"], sample.labels["semantic"]
        offsets = np.nan_to_num(centroid_offsets(ids, {}))
        classes = np.where(classes == 255, 0, classes).astype(np.uint8)
        scale = 0.5 + 0.08 * np.sqrt(np.bincount(ids.reshape(-1)))[ids]
        noise = (rng.standard_t(2, offsets.shape) * scale).astype(np.float32)
        true.append((offsets, classes, None))
        noisy.append((offsets + noise, classes, None))
    predicted = [_predicted(model, sample.image) for sample in samples]
    classes_known: list[Input] = [(o, c, None) for (o, _, _), (_, c, _) in zip(predicted, true, strict=True)]
    return {"true": true, "noisy": noisy, "predicted": predicted, "predicted, true classes": classes_known}


def _predicted(model: SceneModel, image: npt.NDArray[np.uint8]) -> Input:
    pixels = torch.from_numpy(resize_image(image, model.description.input_size)).permute(2, 0, 1)[None]
    locations = {name: value[0] for name, value in model.locations(pixels).items()}
    size = (image.shape[0], image.shape[1])
    offsets, classes = (model.tasks[n].prediction(locations[n], size) for n in ("instance", "semantic"))
    probability = upsampled(locations["semantic"].softmax(0).amax(0, keepdim=True), size)[0].numpy()
    return offsets, classes, probability


def group_with(method: Method, one: Input, groups: tuple[tuple[int, ...], ...]) -> Grouping:
    """Group with a method that ``METHODS`` need not have."""
    METHODS["compared"] = method
    try:
        return group(one[0], one[1], groups, confidence_HW=one[2], method="compared")
    finally:
        del METHODS["compared"]


def grouped_by(method: Method) -> Grouped:
    """The method as ``quality`` takes it."""
    return lambda one, sample, groups: group_with(method, one, groups)


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageQuality:
    """What one image adds to the figures: ``counts`` are right, found and true objects."""

    precision: InstancePrecision
    panoptic: PanopticQuality
    counts: npt.NDArray[np.int64]


def image_qualities(
    grouped: Grouped, inputs: Sequence[Input], samples: Sequence[Sample], vocabulary: SceneVocabulary
) -> list[ImageQuality]:
    """Group and score each image."""
    return [_image_quality(grouped, *pair, vocabulary) for pair in zip(inputs, samples, strict=True)]


def _image_quality(grouped: Grouped, one: Input, sample: Sample, vocabulary: SceneVocabulary) -> ImageQuality:
    classes, countable = len(vocabulary.classes), vocabulary.countable
    found = grouped(one, sample, countable_groups(vocabulary))
    maps = (sample.labels["semantic"], one[1]), (sample.labels["instance"], found.instance)
    overlaps = count_overlaps(*maps, found.instances, classes=classes, countable=countable)
    precision, panoptic = InstancePrecision(classes), PanopticQuality(classes, countable)
    precision.update(overlaps)
    panoptic.update(overlaps)
    counts = _counts(overlaps, fewest_pixels((sample.size[0], sample.size[1]), None))
    return ImageQuality(precision=precision, panoptic=panoptic, counts=counts)


def quality(
    grouped: Grouped, inputs: Sequence[Input], samples: Sequence[Sample], vocabulary: SceneVocabulary
) -> Quality:
    """The figures over all images."""
    classes, countable = len(vocabulary.classes), vocabulary.countable
    precision, panoptic, counts = InstancePrecision(classes), PanopticQuality(classes, countable), np.zeros(3, int)
    for image in image_qualities(grouped, inputs, samples, vocabulary):
        precision.merge(image.precision)
        panoptic.merge(image.panoptic)
        counts += image.counts
    right, found_count, true_count = counts.tolist()
    ap = precision.compute()
    return Quality(
        f1=2 * right / max(1, found_count + true_count),
        ap=ap["ap"],
        ap50=ap["ap50"],
        pq=panoptic.compute()["pq_things"],
        right=right,
        true=true_count,
        found=found_count,
    )


def _counts(overlaps: Overlaps, smallest: int) -> npt.NDArray[np.int64]:
    """Right, found and true objects; a true one that is too small is ignored, with what matches it."""
    rows, columns = overlaps.truth.kinds == Kind.OBJECT, overlaps.found.kinds == Kind.OBJECT
    true, found = overlaps.pixels.sum(1)[rows], overlaps.pixels.sum(0)[columns]
    shared = overlaps.pixels[rows][:, columns]
    same = overlaps.truth.classes[rows][:, None] == overlaps.found.classes[columns]
    match = same & (2 * shared > true[:, None] + found - shared)
    large = true >= smallest
    return np.array([match[large].any(1).sum(), (~match[~large].any(0)).sum(), large.sum()])
