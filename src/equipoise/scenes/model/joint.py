"""The joint model: network, likelihood and tasks as one module."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from equipoise.errors import RecipeError
from equipoise.multitask import MultiTaskLikelihood
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.networks.network import SceneNetwork
from equipoise.scenes.tasks import make_tasks
from equipoise.scenes.tasks.settings import LikelihoodRecipe


class SceneModel(nn.Module):
    """Maps images to the location of each task's distribution.

    Shapes: images ``uint8`` or float 0…255 ``(B, 3, H, W)``; outputs ``(B, C_task, H, W)``, or as many as a task has
    ``rows``.
    """

    def __init__(self, description: ModelDescription) -> None:
        super().__init__()
        self.description = description
        self.tasks = make_tasks(description.tasks, description.vocabulary)
        self.network = SceneNetwork(
            **{key: value for key, value in dataclasses.asdict(description.model).items() if key != "encoder_weights"},
            heads={name: task.channels for name, task in self.tasks.items()},
            input_size=description.training_size,
            preprocessing=description.preprocessing,
        )
        recipes = {name: description.likelihood.get(name, LikelihoodRecipe()) for name in self.tasks}
        for name, task in self.tasks.items():
            if recipes[name].kind and recipes[name].kind not in task.kinds:
                raise RecipeError(
                    f"likelihood.{name}.kind: expected one of {', '.join(task.kinds)}, found {recipes[name].kind!r}"
                )
        likelihoods = {}
        for name, task in self.tasks.items():
            try:
                likelihoods[name] = task.likelihood(recipes[name])
            except ValueError as error:
                raise RecipeError(f"likelihood.{name}: {error}") from None
        self.likelihood = MultiTaskLikelihood(likelihoods)

    def forward(self, images: Tensor, rows: Mapping[str, Tensor] | None = None) -> dict[str, Tensor]:
        """The network's outputs, which the likelihood takes as they are."""
        outputs: dict[str, Tensor] = self.network(images, rows)
        return outputs

    @torch.no_grad()
    def locations(self, images: Tensor) -> dict[str, Tensor]:
        """Logits of classes, and regressions in their target's unit, float32 ``(B, C_task, H, W)``."""
        return self.located(self(images))

    def located(self, outputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The ``locations`` that the network's outputs stand for."""
        return {name: self.likelihood[name].location(output.float()) for name, output in outputs.items()}

    def sigmas(self) -> dict[str, Any]:
        """The learned noise of each task, in its target's unit at the network's size; a list by channel."""
        return self.likelihood.sigmas()
