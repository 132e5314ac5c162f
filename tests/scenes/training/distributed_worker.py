"""One or several processes train the same: ``python -m`` or torchrun starts this. Run by test_distributed.

In double precision, and without batch normalisation, whose statistics are each process's own.
"""

import sys
from dataclasses import replace
from pathlib import Path

import torch

from equipoise.errors import UserError
from equipoise.scenes.data.joined import JoinedDataset
from equipoise.scenes.data.transforms import Augmentation
from equipoise.scenes.recipe import DataRecipe, LikelihoodRecipe, ModelRecipe, OptimizerRecipe, Recipe, TrainingRecipe
from equipoise.scenes.training.distributed import team
from equipoise.scenes.training.loop import train
from tests.support.tiny import PhotoDataset, TinyDataset


class BrokenDataset(TinyDataset):
    """One image has a depth whose squared error overflows."""

    def __getitem__(self, index: int):
        sample = super().__getitem__(index)
        return replace(sample, inverse_depth=sample.inverse_depth * 1e200) if index == 7 else sample


def recipe(noise: LikelihoodRecipe) -> Recipe:
    return Recipe(
        data=DataRecipe(kind="folder", path="unused", size=(40, 56)),
        model=ModelRecipe(aspp_channels=16, normalization="group"),
        augmentation=Augmentation(flip=True, scale=(0.8, 1.2)),
        likelihood=dict.fromkeys(("semantic", "instance", "depth"), noise),
        optimizer=OptimizerRecipe(lr=2e-3, gradient_clip=10.0),
        training=TrainingRecipe(steps=8, batch_size=3, log_every=1, checkpoint_every=100),
    )


def main(folder: Path, how: str) -> None:
    torch.set_default_dtype(torch.float64)
    folder.mkdir(exist_ok=True)
    noise = LikelihoodRecipe(update="closed_form" if how == "closed_form" else "gradient")
    chosen, dataset = recipe(noise), JoinedDataset({"tiny": TinyDataset(3), "photos": PhotoDataset(9)}, [1, 1])
    if how == "broken":
        plain = replace(noise, kind="gaussian", standardize=False, init=0.0)
        chosen, dataset = replace(chosen, likelihood={"depth": plain}), BrokenDataset()
    with team() as here:
        try:
            train(chosen, dataset, folder, precision="float32", team=here)
        except UserError as error:
            (folder / f"said-{here.rank}").write_text(str(error))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
