"""Models that look trained: statistics of batch normalisation, units of targets and noise are no defaults."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from equipoise.scenes.config.recipe import ModelRecipe
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.model.files import model_files
from equipoise.scenes.model.joint import SceneModel
from tests.support.tiny import VOCABULARY

ALL = replace(VOCABULARY, labels=("semantic", "instance", "inverse_depth", "normals"))


def trained(
    *,
    tasks: tuple[str, ...] = ("semantic", "instance", "depth", "normals"),
    size: tuple[int, int] = (40, 56),
    **of: Any,
) -> SceneModel:
    """A model in evaluation mode; ``of`` are keys of its recipe."""
    torch.manual_seed(0)
    recipe = ModelRecipe(**{"aspp_channels": 16, **of})
    model = SceneModel(
        ModelDescription(tasks=tasks, vocabulary=ALL, input_size=size, model=recipe, likelihood={})
    ).train()
    with torch.no_grad():
        for _ in range(8):
            model(torch.randint(0, 256, (2, 3, *size), dtype=torch.uint8))
    if "depth" in tasks:
        model.likelihood["depth"].fit(30 + 8 * torch.randn(4, 1, *size))
    if "instance" in tasks:
        model.likelihood["instance"].fit(6 * torch.randn(4, 2, *size))
    return model.eval()


def write_model(folder: Path, model: SceneModel) -> Path:
    """Save a model as a run has it."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in model_files(model).items():
        (folder / name).write_bytes(data)
    return folder
