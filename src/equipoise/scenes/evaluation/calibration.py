"""How well the predicted uncertainties fit, before and after refitting the noise, on a part of a data set's pixels."""

import copy
import warnings
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from equipoise.calibration import TaskCalibration, calibration_report
from equipoise.multitask import MultiTaskLikelihood
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.transforms import resize
from equipoise.scenes.evaluation.figures import Calibrated, Calibration
from equipoise.scenes.inference.predictor import network_input
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks import Task, has_label
from equipoise.scenes.training.precision import Precision, autocast, float32_products

IMAGES, PIXELS = 40, 2000
"""The most images, evenly spaced, and the pixels of each, drawn at random, that calibration is measured on."""


@torch.no_grad()
def calibration(
    model: SceneModel,
    precision: Precision,
    dataset: SceneDataset,
    tasks: Mapping[str, Task],
    input_size: tuple[int, int],
) -> dict[str, Calibration]:
    """Measure calibration at the network's input size, where σ is defined.

    The noise is refitted on every other image of the chosen ones, in a copy of the likelihood, and all figures are of
    the remaining images. Tasks without a density (the paper's form of Laplace) or without labels in both halves have no
    figures, and neither have classes of which the data set has only some.
    """
    classes = model.description.vocabulary.classes
    kept = {name: task for name, task in tasks.items() if task.vocabulary.classes == classes}
    indices = np.unique(np.linspace(0, len(dataset) - 1, min(IMAGES, len(dataset))).astype(int)).tolist()
    outputs: list[dict[str, list[Tensor]]] = [{name: [] for name in kept} for _ in range(2)]
    targets: list[dict[str, list[Tensor]]] = [{name: [] for name in kept} for _ in range(2)]
    for place, index in enumerate(indices if kept else []):
        sample = resize(dataset[index], input_size, dataset.vocabulary)
        found = _outputs(model, precision, network_input([sample.image], input_size))
        pixels = drawn(input_size[0] * input_size[1], index)
        for name, task in kept.items():
            target = task.target(sample)
            outputs[place % 2][name].append(found[name][0].flatten(1)[:, pixels].T)
            chosen = target.reshape(*target.shape[:-2], -1)[..., pixels]
            targets[place % 2][name].append(torch.from_numpy(np.moveaxis(chosen, -1, 0)))
    figures = {name: _before_and_after(model.likelihood, name, outputs, targets) for name in kept}
    return {name: found for name, found in figures.items() if found is not None}


def drawn(count: int, index: int) -> npt.NDArray[np.int64]:
    """The pixels of an image that count, the same in each evaluation."""
    return np.random.default_rng(index).choice(count, min(count, PIXELS), replace=False)


def _outputs(model: SceneModel, precision: Precision, images: Tensor) -> dict[str, Tensor]:
    """The network's outputs as the likelihood takes them."""
    device = next(model.parameters()).device
    with autocast(precision, device), float32_products(precision, device):
        return {name: output.float().cpu() for name, output in model(images.to(device)).items()}


def _before_and_after(
    likelihood: MultiTaskLikelihood,
    name: str,
    outputs: list[dict[str, list[Tensor]]],
    targets: list[dict[str, list[Tensor]]],
) -> Calibration | None:
    """The figures of one task; ``None`` if it has none."""
    if any(not any(has_label(target.numpy()) for target in half[name]) for half in targets):
        return None
    (fit_output, output), (fit_target, target) = (
        [torch.cat(half[name]) for half in halves] for halves in (outputs, targets)
    )
    own = copy.deepcopy(likelihood).cpu().eval()
    try:
        before = calibration_report(own, {name: output}, {name: target})[name]
    except ValueError:  # The likelihood has no density.
        return None
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        own.refit({name: fit_output}, {name: fit_target})
    if warned:  # The data do not determine the noise.
        return Calibration(before=_figures(before), after=Calibrated())
    after = calibration_report(own, {name: output}, {name: target})[name]
    return Calibration(before=_figures(before), after=_figures(after))


def _figures(found: TaskCalibration) -> Calibrated:
    coverage: dict[str, float | None] = {f"{level:.0%}".rstrip("%"): share for level, share in found.coverage.items()}
    return Calibrated(nll=found.nll, calibration_error=found.calibration_error, coverage=coverage)
