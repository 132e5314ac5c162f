"""The figures by which the tasks of a comparison are judged."""

from equipoise.comparison.records import Metric
from equipoise.errors import RecipeError
from equipoise.scenes.comparison.plan import Plan
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.tasks import TASKS, Primary, make_tasks


def metric_of(task: str, primary: Primary, prefix: str) -> Metric:
    """Return the primary figure of a task; ``prefix`` is the name of the data set if there are several.

    Shares of 1 that tables show in % are recorded in %; see ``scale``.
    """
    return Metric(
        name=f"{prefix}.{primary.metric}" if prefix else primary.metric,
        task=task,
        higher_is_better=primary.better == "higher",
        unit=primary.unit,
        best=scale(primary.unit),
    )


def scale(unit: str) -> float:
    """Return what a figure of a run is multiplied by for the records of a comparison."""
    return 100.0 if unit == "%" else 1.0


def plan_metrics(plan: Plan, data: RecipeData) -> list[Metric]:
    """Return the figures of a comparison: for each data set, the primary ones of the tasks that it labels.

    Raises:
        DataError, RecipeError: the data cannot be opened, or lack the labels of a task.
    """
    metrics = []
    for name, split in plan.splits.test.items():
        vocabulary = data.samples(name, split).vocabulary
        labelled = [task for task in plan.recipe.tasks if task not in TASKS or TASKS[task].label in vocabulary.labels]
        prefix = name if plan.recipe.also else ""
        made = make_tasks(labelled, vocabulary)
        metrics += [metric_of(task, one.primary, prefix) for task, one in made.items()]
    judged = {metric.task for metric in metrics}
    for task in plan.recipe.tasks:
        if task not in judged:
            raise RecipeError(
                f"comparison.test: expected labels of {task!r} in the test data, found none: name another"
            )
    return sorted(metrics, key=lambda metric: plan.recipe.tasks.index(metric.task))
