"""What a recipe costs, and what its network will see: one real training step, without a run."""

import dataclasses
import itertools
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.data.sample import Camera, Sample, SceneDataset
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.data.survey import expect_labels, survey
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.encoder_start import first_weights
from equipoise.scenes.training.batches import batches, places, sample_at
from equipoise.scenes.training.device import as_current
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.loop import new_state, step_in_words
from equipoise.scenes.training.memory import naming_memory, training_remedy
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.optimizer import make_optimizer, set_rate
from equipoise.scenes.training.precision import Precision, choose_precision, float32_products
from equipoise.scenes.training.schedule import rate_factor
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import training_step
from equipoise.scenes.visual.colors import Picture
from equipoise.scenes.visual.contact_sheet import contact_sheet

MOST_SHOWN = 16
"""Images of the batch in the picture."""
PATIENCE_S = 20.0
"""A second step is timed where the first took no longer."""
META = torch.device("meta")


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What one training step of a recipe costs.

    Attributes:
        parameters: by part of the network: ``encoder``, ``shared``, ``decoders.TASK``; ``noise``: log-variances.
        input_size: height and width of what the network sees in training, px.
        flops_forward: of the forward pass of one image; a multiplication and an addition are two.
        flops_step: of the forward and backward passes of one step.
        batch_size: images in a step.
        parts: of a step.
        steps: of the run.
        device: on which it ran.
        precision: of the forward pass.
        memory_bytes: the most that was in use in the first step; ``None``: unknown here.
        memory_of: what that counts.
        first_step_s: the time of the first step, which also prepares, s.
        step_s: the time of the second step, s; ``None``: the first took too long for another one.
    """

    parameters: dict[str, int]
    input_size: tuple[int, int]
    flops_forward: int
    flops_step: int
    batch_size: int
    parts: int
    steps: int
    device: str
    precision: Precision
    memory_bytes: int | None
    memory_of: str
    first_step_s: float
    step_s: float | None


def dry_run(recipe: Recipe, callbacks: RunCallbacks, device: torch.device) -> tuple[DryRun, Picture]:
    """Take one real training step from the first weights; write nothing.

    Args:
        recipe: what to try. Class weights by frequency are left out, since counting takes long and costs no step.
        callbacks: show notices.
        device: to train on.

    Returns:
        What it costs, and the first batch as a picture: images with their labels, after augmentation.

    Raises:
        UserError: as training would.
    """
    data = RecipeData(dataclasses.replace(recipe, data=dataclasses.replace(recipe.data, cache=False)))
    known = survey(data)
    for line in known.notices:
        callbacks.on_notice(line)
    dataset = data.training(callbacks.counting)
    precision = choose_precision(recipe.training.precision, device)
    state = new_state(recipe, dataset, known.camera, device, precision)
    if (weights := first_weights(recipe, state.model, callbacks.on_notice)) is not None:
        weights.load(state.model.network.encoder)
    expect_labels(dataset, state.model.tasks)
    with as_current(device):
        parts = first_batch(recipe, dataset, state.model, device)
    forward, step = flops(recipe, state.model, parts)
    state.model.train()
    with float32_products(precision, device):
        before_memory(device)
        first = timed_step(state, parts, recipe, precision, device)
        memory, memory_of = peak_memory(device)
        second = timed_step(state, parts, recipe, precision, device) if first <= PATIENCE_S else None
    found = DryRun(
        parameters=parameter_counts(state.model),
        input_size=recipe.augmentation.input_size(recipe.data.size),
        flops_forward=forward,
        flops_step=step,
        batch_size=recipe.training.batch_size,
        parts=recipe.training.accumulate,
        steps=recipe.training.steps,
        device=str(device),
        precision=precision,
        memory_bytes=memory,
        memory_of=memory_of,
        first_step_s=first,
        step_s=second,
    )
    return found, batch_picture(recipe, dataset)


def first_batch(recipe: Recipe, dataset: SceneDataset, model: SceneModel, device: torch.device) -> tuple[Batch, ...]:
    """The parts of the first step, on the device."""
    made = batches(
        dataset,
        model.tasks,
        recipe.augmentation,
        size=recipe.data.size,
        seed=recipe.training.seed,
        batch_size=recipe.training.batch_size,
        start=0,
        stop=1,
        workers=0,
        parts=recipe.training.accumulate,
        device=device,
    )
    return tuple(made)


def parameter_counts(model: SceneModel) -> dict[str, int]:
    """How many numbers are trained, by part."""
    network = model.network
    counts = {"encoder": sum(p.numel() for p in network.encoder.parameters())}
    decoders = {
        f"decoders.{name}": sum(p.numel() for p in part.parameters()) for name, part in network.decoders.items()
    }
    total = sum(p.numel() for p in network.parameters())
    counts["shared"] = total - counts["encoder"] - sum(decoders.values())
    return counts | decoders | {"noise": sum(p.numel() for p in model.likelihood.parameters())}


def flops(recipe: Recipe, model: SceneModel, parts: Sequence[Batch]) -> tuple[int, int]:
    """Of the forward pass of one image, and of a step; counted on the meta device, which computes nothing."""
    with META:
        blank = SceneModel(model.description).train()
        state = State(model=blank, network=blank.network, optimizer=make_optimizer(blank, recipe.optimizer))
    height, width = parts[0].images.shape[2:]
    with FlopCounterMode(display=False) as forward, torch.no_grad():
        blank.eval()(torch.zeros(1, 3, height, width, dtype=torch.uint8, device=META))
    blank.train()
    with FlopCounterMode(display=False) as step:
        training_step(state, [part.each(lambda t: t.to(META)) for part in parts], "float32", None, ALONE)
    return forward.get_total_flops(), step.get_total_flops()


def timed_step(
    state: State, parts: Sequence[Batch], recipe: Recipe, precision: Precision, device: torch.device
) -> float:
    """Take a step; returns how many seconds it took on the device."""
    set_rate(state.optimizer, rate_factor(state.step, recipe.training.steps, recipe.optimizer))
    started = time.perf_counter()
    with naming_memory(device, step_in_words(parts, precision), training_remedy(precision)):
        training_step(state, parts, precision, recipe.optimizer.gradient_clip, ALONE)
        if device.type != "cpu":
            torch.accelerator.synchronize(device)
    state.step += 1
    return time.perf_counter() - started


def before_memory(device: torch.device) -> None:
    """Forget earlier peaks, where that is possible."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> tuple[int | None, str]:
    """Bytes, and what they count."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device), "peak of the GPU's memory during the step, measured"
    if device.type == "mps":
        return torch.mps.driver_allocated_memory(), "allocated by the GPU's driver after the step, measured"
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None, "not measured on this system"
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return peak, "peak of the whole process, PyTorch and data included, measured"


def batch_picture(recipe: Recipe, dataset: SceneDataset) -> Picture:
    """The samples of the first step as the network sees them, with their labels, a row each."""
    count, seed = min(recipe.training.batch_size, MOST_SHOWN), recipe.training.seed
    first = itertools.islice(places(len(dataset), seed, 0), count)
    samples = [sample_at(dataset, recipe.augmentation, recipe.data.size, seed, place) for place in first]
    picture = contact_sheet({"step 1": _Shown(dataset, samples)}, rows=count)
    if picture is None:
        raise AssertionError("expected samples that were read before")
    return picture


class _Shown:
    """Some samples as a data set."""

    def __init__(self, dataset: SceneDataset, samples: list[Sample]) -> None:
        self.vocabulary, self.samples = dataset.vocabulary, samples
        self.names = tuple(sample.name for sample in samples)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]

    def camera(self, index: int) -> Camera | None:
        return None

    def fingerprint(self) -> str:
        return ""
