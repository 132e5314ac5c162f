"""The table of all tasks. To add one, write a file with a ``Task`` subclass and add a line here."""

from collections.abc import Sequence

from equipoise.errors import RecipeError
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks.depth import DepthTask
from equipoise.scenes.tasks.instance import InstanceTask
from equipoise.scenes.tasks.normals import NormalsTask
from equipoise.scenes.tasks.semantic import SemanticTask
from equipoise.scenes.tasks.task import Metrics, Picture, Primary, Task, has_label

TASKS: dict[str, type[Task]] = {
    SemanticTask.name: SemanticTask,
    InstanceTask.name: InstanceTask,
    DepthTask.name: DepthTask,
    NormalsTask.name: NormalsTask,
}

"""Tasks by name, in the order in which they are shown."""
DEFAULT_TASKS = (SemanticTask.name, InstanceTask.name, DepthTask.name)
"""The tasks of recipes that name none: those of the paper."""

__all__ = [
    "DEFAULT_TASKS",
    "TASKS",
    "DepthTask",
    "InstanceTask",
    "Metrics",
    "NormalsTask",
    "Picture",
    "Primary",
    "SemanticTask",
    "Task",
    "has_label",
    "make_tasks",
]


def make_tasks(names: Sequence[str], vocabulary: SceneVocabulary) -> dict[str, Task]:
    """Create the named tasks for data with this vocabulary.

    Raises ``RecipeError`` for a name that is not in ``TASKS``, and for a task that the data set has no labels for.
    """
    for name in names:
        if name not in TASKS:
            raise RecipeError(f"tasks: expected some of {', '.join(TASKS)}, found {name!r}")
        if TASKS[name].label not in vocabulary.labels:
            raise RecipeError(f"tasks: expected labels for {name!r} in the data set, found none: leave it out")
    return {name: TASKS[name](vocabulary) for name in names}
