"""The tasks of the scene system, in one explicit table: a new one is one new file and one line here."""

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

__all__ = ["TASKS", "Metrics", "Picture", "Primary", "Task", "has_label", "make_tasks"]


def make_tasks(names: Sequence[str], vocabulary: SceneVocabulary) -> dict[str, Task]:
    """The tasks of these names on data of this vocabulary.

    Raises ``RecipeError`` for a name that is not in ``TASKS``, and for a task the data set has no labels for.
    """
    for name in names:
        if name not in TASKS:
            raise RecipeError(f"tasks: expected some of {', '.join(TASKS)}, found {name!r}")
        if TASKS[name].label not in vocabulary.labels:
            raise RecipeError(f"tasks: {name!r} is asked for, but the data set has no labels for it; leave it out")
    return {name: TASKS[name](vocabulary) for name in names}
