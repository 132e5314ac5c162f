"""Training steps of the scene system on batches of streets that lie in memory: ours, and a plain loop."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from equipoise.scenes.config.recipe import DataRecipe, ModelRecipe, OptimizerRecipe, Recipe, TrainingRecipe
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.streets import generate
from equipoise.scenes.training import compiling
from equipoise.scenes.training.batches import batches
from equipoise.scenes.training.distributed import ALONE
from equipoise.scenes.training.loop import new_state
from equipoise.scenes.training.moving import Batch
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.training.state import State
from equipoise.scenes.training.step import training_step

BATCHES, LR, DECAY = 2, 1e-4, 1e-2


@dataclass(frozen=True, kw_only=True)
class Case:
    """A network and its batches: all three tasks, streets of ``size``."""

    encoder: str
    size: tuple[int, int]
    decoder: str = "aspp"
    batch_size: int = 8
    stride: int = 8
    channels: int = 128

    def __str__(self) -> str:
        height, width = self.size
        return f"{self.encoder}, stride {self.stride}, {self.decoder}, {self.batch_size} × {height}x{width}"

    @property
    def recipe(self) -> Recipe:
        return Recipe(
            data=DataRecipe(kind="streets", path="unused", size=self.size),
            model=ModelRecipe(
                encoder_name=self.encoder,
                output_stride=self.stride,
                aspp_channels=self.channels,
                decoder=self.decoder,  # type: ignore[arg-type]
            ),
            optimizer=OptimizerRecipe(lr=LR, weight_decay=DECAY),
            training=TrainingRecipe(steps=BATCHES, batch_size=self.batch_size),
        )


class Steps:
    """Steps of a case; its batches are made and moved to the device beforehand."""

    def __init__(self, case: Case, device: torch.device) -> None:
        self.case, self.device = case, device
        with tempfile.TemporaryDirectory() as folder:
            generate(Path(folder) / "streets", train=BATCHES * case.batch_size, val=0, size=case.size)
            self.dataset = CityscapesDataset(Path(folder) / "streets", "train")
            self.batches = self._drawn()

    def _drawn(self) -> list[Batch]:
        tasks = SceneModel(describe(self.case.recipe, self.dataset.vocabulary)).tasks
        made = batches(
            self.dataset,
            tasks,
            Augmentation(),
            size=self.case.size,
            seed=0,
            batch_size=self.case.batch_size,
            start=0,
            stop=BATCHES,
            workers=0,
            device=self.device,
        )
        return list(made)

    def state(self, precision: Precision) -> State:
        state = new_state(self.case.recipe, self.dataset, None, self.device, precision)
        state.model.train()
        return state

    def ours(self, precision: Precision, *, compiled: bool = False) -> Callable[[], Tensor]:
        """A step as ``equipoise train`` does it; returns the joint loss."""
        state, order = self.state(precision), cycle(self.batches)
        if compiled:
            state.network = compiling.compiled(state.network)

        def step() -> Tensor:
            joint, _ = training_step(state, [next(order)], precision, None, ALONE)
            state.step += 1
            return joint.loss.detach()

        return step

    def plain(self) -> Callable[[], Tensor]:
        """A step as anyone would write it: float32, contiguous, losses with fixed weights, AdamW; returns their sum."""
        torch.manual_seed(0)
        network = SceneModel(describe(self.case.recipe, self.dataset.vocabulary)).network.to(self.device).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=LR, weight_decay=DECAY)
        order = cycle([(batch.images.contiguous(), batch.targets) for batch in self.batches])

        def step() -> Tensor:
            images, targets = next(order)
            optimizer.zero_grad()
            outputs = network(images)
            loss = functional.cross_entropy(outputs["semantic"], targets["semantic"], ignore_index=255)
            for name in ("instance", "depth"):
                loss = loss + mean_absolute_error(outputs[name], targets[name])
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step


def mean_absolute_error(output: Tensor, target: Tensor) -> Tensor:
    """Over the elements that have a label; targets are NaN elsewhere."""
    is_valid = torch.isfinite(target)
    errors = (output - target.nan_to_num()).abs()
    return torch.where(is_valid, errors, 0.0).sum() / is_valid.sum()
