"""What scenes and figures need to know of a model, however it computes."""

from collections.abc import Mapping
from typing import Any, Protocol

from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.tasks import Task


class DescribedModel(Protocol):
    """A model as its answers are read: ``SceneModel`` is one, and an export is another."""

    @property
    def description(self) -> ModelDescription:
        """Tasks, classes, units, camera and the size of the input."""
        ...

    @property
    def tasks(self) -> Mapping[str, Task]:
        """The tasks by name."""
        ...

    def sigmas(self) -> dict[str, Any]:
        """The learned noise of each task, in its target's unit at the network's size; a list by channel."""
        ...
