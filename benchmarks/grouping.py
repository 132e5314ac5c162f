"""How many objects come out right, by the radius within which votes count as one: true vectors, noisy ones, the demo's.

An object is right where one found has its class and overlaps it with IoU > 0.5. F1 counts right ones against all true
and all found; objects below 12 px are left out. ``runs/demo`` must be there: ``make demo``.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.transforms import resize_image
from equipoise.scenes.grouping import Grouping, group, together
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks.instance import centroid_offsets

DEMO, SMALLEST = Path("runs/demo"), 12
Pair = tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]


def run() -> list[str]:
    if not (DEMO / "model.safetensors").exists():
        return [f"skipped: there is no trained run at {DEMO}: make demo"]
    dataset = CityscapesDataset(DEMO / "streets", "val")
    samples = [dataset[index] for index in range(len(dataset))]
    model, rng = load_model(DEMO), np.random.default_rng(0)
    truth: list[Pair] = [
        (
            np.nan_to_num(centroid_offsets(s.labels["instance"], {})),
            np.where(s.labels["semantic"] == 255, 0, s.labels["semantic"]),
        )
        for s in samples
    ]
    noisy = [(o + rng.normal(0, 2.5, o.shape).astype(np.float32), c) for o, c in truth]
    predicted = [_predicted(model, s.image) for s in samples]
    inputs = {
        "true vectors and classes": truth,
        "true classes, vectors with noise of 2.5 px": noisy,
        "predicted": predicted,
    }
    lines = []
    for title, pairs in inputs.items():
        for share in (50, 100, 200, 300):
            found = [group(o, c, together(dataset.vocabulary), radius=o.shape[2] / share) for o, c in pairs]
            right = sum(
                _right(g, s.labels["instance"], s.labels["semantic"]) for g, s in zip(found, samples, strict=True)
            )
            total = sum(len(g.instances) for g in found)
            true = sum(int((np.bincount(s.labels["instance"].reshape(-1))[1:] >= SMALLEST).sum()) for s in samples)
            f1 = 2 * right / (total + true)
            lines.append(f"{title}, radius width/{share}: {right} right of {true} true, {total} found, F1 {f1:.3f}")
    return lines


def _predicted(model: SceneModel, image: npt.NDArray[np.uint8]) -> Pair:
    pixels = torch.from_numpy(resize_image(image, model.description.input_size)).permute(2, 0, 1)[None]
    locations = {name: value[0] for name, value in model.locations(pixels).items()}
    instance, semantic = (model.tasks[n].prediction(locations[n], image.shape[:2]) for n in ("instance", "semantic"))
    return instance, semantic


def _right(found: Grouping, truth: npt.NDArray[np.int32], semantic: npt.NDArray[np.uint8]) -> int:
    classes, right = {i.id: i.semantic for i in found.instances}, 0
    for identity in np.unique(truth[truth > 0]):
        own = truth == identity
        overlaps = np.bincount(found.instance[own], minlength=2)
        best = int(overlaps[1:].argmax()) + 1
        union = own.sum() + (found.instance == best).sum() - overlaps[best]
        same = classes.get(best) == int(np.bincount(semantic[own]).argmax())
        right += int(own.sum() >= SMALLEST and same and overlaps[best] > 0.5 * union)
    return right
