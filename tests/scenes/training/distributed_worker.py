"""One or several processes train the same: ``python -m`` or torchrun starts this. Run by test_distributed.

In double precision, and without batch normalisation, whose statistics are each process's own.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from equipoise.errors import UserError
from equipoise.scenes.config.recipe import (
    DataRecipe,
    LikelihoodRecipe,
    ModelRecipe,
    OptimizerRecipe,
    Recipe,
    TrainingRecipe,
)
from equipoise.scenes.data.augmentation import Augmentation
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.training.distributed import process_group
from equipoise.scenes.training.loop import train
from equipoise.scenes.training.selection import Selection
from equipoise.scenes.training.validator import Figures, ValidationPlan
from equipoise.scenes.training.weighting_settings import WeightingRecipe
from tests.support.tiny import PhotoDataset, TinyDataset


class BrokenDataset(TinyDataset):
    """One image has a depth whose squared error overflows."""

    def __getitem__(self, index: int):
        sample = super().__getitem__(index)
        depth = sample.labels["inverse_depth"] * (1e200 if index == 7 else 1.0)
        return replace(sample, labels={**sample.labels, "inverse_depth": depth})


def recipe(noise: LikelihoodRecipe) -> Recipe:
    return Recipe(
        data=DataRecipe(kind="folder", path="unused", size=(40, 56)),
        model=ModelRecipe(aspp_channels=16, normalization="group"),
        augmentation=Augmentation(flip=True, scale=(0.8, 1.2)),
        likelihood=dict.fromkeys(("semantic", "instance", "depth"), noise),
        optimizer=OptimizerRecipe(lr=2e-3, gradient_clip=10.0),
        training=TrainingRecipe(steps=8, batch_size=3, log_every=1, checkpoint_every=100),
    )


class Judge:
    """Scripted figures, best at the second validation, where another process than the leader gets a signal."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.values = folder, iter([2.0, 1.0, 1.5, 0.1])

    def __call__(self, model: SceneModel, on_image: Callable[[], None]) -> Figures:
        signalled = self.folder / "signalled"
        on_image()
        if (self.folder / "best/step-00000002").exists() and not signalled.exists():
            (self.folder / "validating").touch()
            for _ in range(3000):
                on_image()
                time.sleep(0.01)
            raise AssertionError("expected the other process's signal to end this")
        return {"depth.mae": next(self.values)}


def signal_when_validating(folder: Path) -> None:
    """Send SIGTERM to this very process once the leader is at its second validation."""
    while not (folder / "validating").exists():
        time.sleep(0.01)
    (folder / "signalled").touch()
    os.kill(os.getpid(), signal.SIGTERM)


def validated(folder: Path) -> None:
    """Train until the signal, and resume; each process tells how both ended."""
    chosen = recipe(LikelihoodRecipe())
    training = replace(chosen.training, validate_every=2, early_stopping=1)
    chosen = replace(chosen, training=training)
    plan = ValidationPlan(selection=Selection(figures={"depth.mae": "lower"}), figures=Judge(folder))
    told = []
    with process_group() as here:
        if not here.leads:
            threading.Thread(target=signal_when_validating, args=(folder,), daemon=True).start()
        for resume in (False, True):
            outcome = train(
                chosen, TinyDataset(), folder, precision="float32", group=here, validation=plan, resume=resume
            )
            steps = [each["step"] for each in outcome.validations]
            told.append([outcome.step, outcome.exit_status, outcome.stopped_early, steps])
    (folder / f"said-{here.rank}").write_text(json.dumps(told))


def main(folder: Path, how: str) -> None:
    torch.set_default_dtype(torch.float64)
    folder.mkdir(exist_ok=True)
    if how == "validated":
        return validated(folder)
    noise = LikelihoodRecipe(update="closed_form" if how == "closed_form" else "gradient")
    chosen, dataset = recipe(noise), JoinedDataset({"tiny": TinyDataset(3), "photos": PhotoDataset(9)}, [1, 1])
    if how == "broken":
        plain = replace(noise, kind="gaussian", standardize=False, init=0.0)
        chosen, dataset = replace(chosen, likelihood={"depth": plain}), BrokenDataset()
    if how == "one_task":  # Then some process has no label of any task, while the other has.
        chosen = replace(chosen, tasks=("depth",))
    if how == "FAMO":
        chosen = replace(chosen, weighting=WeightingRecipe(method="FAMO"))
    if how == "frozen":
        chosen = replace(chosen, model=replace(chosen.model, normalization="frozen"))
    if how == "accumulated":  # One process takes each batch as a whole, each of two in two parts.
        parts = int(os.environ.get("WORLD_SIZE", "1"))
        chosen = replace(chosen, training=replace(chosen.training, batch_size=5, accumulate=parts))
    with process_group() as here:
        try:
            train(chosen, dataset, folder, precision="float32", group=here)
        except UserError as error:
            (folder / f"said-{here.rank}").write_text(str(error))
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
