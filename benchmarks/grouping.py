"""Methods of grouping: how good with true, noisy and predicted vectors, and how fast at 1024×2048.

Noise is in proportion to the object and heavy-tailed: Student's t with two degrees of freedom times 0.5 px + 8 % of
√(the object's pixels). F1 counts a found object as right if it has the class of a true one and IoU > 0.5 with it; true
objects below the minimum size are ignored. AP and PQ are those of ``equipoise evaluate``. It needs a run of generated
streets: ``runs/demo``, which ``make demo`` writes, or another one in EQUIPOISE_RUN.
"""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.grouping_methods import COMPARED
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


def run() -> Iterator[str]:
    """Qualities, then times."""
    if (RUN / "model.safetensors").exists():
        samples, vocabulary = _samples()
        for title, inputs in _inputs(samples).items():
            for name, method in COMPARED.items():
                yield f"{title}, {name}: {_figures(method, inputs, samples, vocabulary)}"
    else:
        yield f"qualities are skipped: expected a trained run at {RUN}, found none: run make demo first"
    for name, method in COMPARED.items():
        yield f"1024x2048, {name}: {_milliseconds(method):.0f} ms"


def oracles() -> list[str]:
    """What limits a run: AP and PQ with its own classes and vectors, and with either replaced by the truth."""
    if not (RUN / "model.safetensors").exists():
        return [f"skipped: expected a trained run at {RUN}, found none: run make demo first"]
    samples, vocabulary = _samples()
    inputs = _inputs(samples)
    true, own = inputs["true"], inputs["predicted"]
    table = {
        "predicted classes and vectors": own,
        "true classes": [(o, c, None) for (o, _, _), (_, c, _) in zip(own, true, strict=True)],
        "true vectors": [(o, c, p) for (_, c, p), (o, _, _) in zip(own, true, strict=True)],
        "true classes and vectors": true,
    }
    return [f"{title}: {_figures(METHODS['votes'], each, samples, vocabulary)}" for title, each in table.items()]


def _samples() -> tuple[list[Sample], SceneVocabulary]:
    dataset = CityscapesDataset(STREETS, "val")
    return [dataset[index] for index in range(min(IMAGES, len(dataset)))], dataset.vocabulary


def _inputs(samples: list[Sample]) -> dict[str, list[Input]]:
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


def _grouped(method: Method, one: Input, groups: tuple[tuple[int, ...], ...]) -> Grouping:
    METHODS["compared"] = method
    try:
        return group(one[0], one[1], groups, confidence_HW=one[2], method="compared")
    finally:
        del METHODS["compared"]


def _figures(method: Method, inputs: list[Input], samples: list[Sample], vocabulary: SceneVocabulary) -> str:
    classes, countable = len(vocabulary.classes), vocabulary.countable
    precision, quality, counts = InstancePrecision(classes), PanopticQuality(classes, countable), np.zeros(3, int)
    for one, sample in zip(inputs, samples, strict=True):
        found = _grouped(method, one, countable_groups(vocabulary))
        maps = (sample.labels["semantic"], one[1]), (sample.labels["instance"], found.instance)
        overlaps = count_overlaps(*maps, found.instances, classes=classes, countable=countable)
        precision.update(overlaps)
        quality.update(overlaps)
        counts += _counts(overlaps, fewest_pixels((sample.size[0], sample.size[1]), None))
    right, found_count, true_count = counts.tolist()
    ap, pq = precision.compute(), quality.compute()["pq_things"]
    return (
        f"F1 {2 * right / max(1, found_count + true_count):.3f}, AP {ap['ap']:.1%}, AP50 {ap['ap50']:.1%}, PQ things "
        f"{pq:.1%}; {right} right of {true_count} true, {found_count} found"
    )


def _counts(overlaps: Overlaps, smallest: int) -> tuple[int, int, int]:
    """Right, found and true objects; a true one that is too small is ignored, with what matches it."""
    rows, columns = overlaps.truth.kinds == Kind.OBJECT, overlaps.found.kinds == Kind.OBJECT
    true, found = overlaps.pixels.sum(1)[rows], overlaps.pixels.sum(0)[columns]
    shared = overlaps.pixels[rows][:, columns]
    same = overlaps.truth.classes[rows][:, None] == overlaps.found.classes[columns]
    match = same & (2 * shared > true[:, None] + found - shared)
    large = true >= smallest
    return int(match[large].any(1).sum()), int((~match[~large].any(0)).sum()), int(large.sum())


def _milliseconds(method: Method) -> float:
    """The processor time of grouping 35 objects in an image of 1024×2048, the median of up to 9 runs."""
    rng = np.random.default_rng(0)
    ids, classes = np.zeros((1024, 2048), np.int32), np.zeros((1024, 2048), np.uint8)
    for k in range(35):
        height = int(np.exp(rng.uniform(np.log(25), np.log(230))))
        width = int(height * rng.uniform(0.4, 1.4))
        y, x = rng.integers(0, 1024 - height), rng.integers(0, 2048 - width)
        ids[y : y + height, x : x + width], classes[y : y + height, x : x + width] = k + 1, rng.integers(1, 3)
    scale = 0.05 * np.sqrt(np.bincount(ids.reshape(-1)))[ids]
    offsets = np.nan_to_num(centroid_offsets(ids, {})) + (rng.normal(0, 1, (2, 1024, 2048)) * scale)
    times: list[float] = []
    while len(times) < 9 and sum(times) < 3:
        start = time.process_time()
        _grouped(method, (offsets.astype(np.float32), classes, None), ((1,), (2,)))
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))
