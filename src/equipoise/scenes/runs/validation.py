"""Validation during training: the figures of each validation split, the same as those of ``equipoise evaluate``."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.errors import DataError, RecipeError
from equipoise.scenes.config.recipe import Recipe
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.evaluation.data_sets import expect_cameras, narrowed, tasks_on
from equipoise.scenes.evaluation.evaluator import evaluate, scene_metrics
from equipoise.scenes.inference.predictor import NetworkPredictor
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.record import ValidationRecord
from equipoise.scenes.tasks import Metrics, Task, has_label
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.training.schedule import may_be_lengthened
from equipoise.scenes.training.selection import Better, Selection
from equipoise.scenes.training.validator import Figures, ValidationPlan


@dataclass(frozen=True, kw_only=True)
class ValidationSet:
    """A data set's validation split and the tasks that it labels; ``prefix`` begins the names of its figures."""

    prefix: str
    dataset: SceneDataset
    tasks: Mapping[str, Task]

    @property
    def primary(self) -> dict[str, Better]:
        """Whether higher or lower is better, for the primary figure of each task."""
        return {f"{self.prefix}{name}.{task.primary.metric}": task.primary.better for name, task in self.tasks.items()}

    @property
    def all_figures(self) -> dict[str, Better]:
        """Whether higher or lower is better, for every figure that is a number."""
        return {
            f"{self.prefix}{name}.{figure}": task.better(figure)
            for name, task in self.tasks.items()
            for figure, value in self._truth(task).compute().items()
            if _is_number(value)
        } | self.together

    @property
    def together(self) -> dict[str, Better]:
        """Whether higher or lower is better, for the figures that need several tasks, such as AP."""
        return {
            f"{self.prefix}{name}.{figure}": self.tasks[name].better(figure)
            for name, metrics in scene_metrics(self.tasks, self.dataset.vocabulary).items()
            for figure, value in metrics.compute().items()
            if _is_number(value)
        }

    def _truth(self, task: Task) -> Metrics:
        """Evaluate a perfect answer to the first labelled image, since some figures exist only with a camera."""
        for index in range(len(self.dataset)):
            sample = self.dataset[index]
            if has_label(target := task.target(sample)):
                metrics = task.image_metrics(sample.size, self.dataset.camera(index))
                metrics.update(target, target)
                return metrics
        return task.metrics()


def validation_sets(data: RecipeData, model: SceneModel, on_notice: Callable[[str], None]) -> list[ValidationSet]:
    """Open the recipe's validation splits, each with the tasks for which some image has a label.

    Args:
        data: the recipe's data sets.
        model: the model; only its tasks and vocabulary are used.
        on_notice: gets a line for every task that a split has no labels for, and other warnings.

    Raises:
        DataError: no split has a label for any task.
    """
    sets, recipe = [], data.recipe
    for name, given in recipe.sets.items():
        dataset = data.samples(name, given.validation)
        tasks = tasks_on(dataset, model)
        labelled = labelled_tasks(dataset, tasks)
        where = f"{name}, {given.validation}" if recipe.also else given.validation
        if missing := [task for task in tasks if task not in labelled]:
            on_notice(f"{where}: there are no labels for {' and '.join(missing)}, and so no validation")
        # Raises for a wrong camera before training; the notices follow at the evaluation.
        expect_cameras(data, name, given.validation, where, labelled, model, lambda line: None)
        if given.validation == given.train:
            on_notice(
                f"{where}: this is also the training split, so the best model is chosen on its own training images"
            )
        sets.append(ValidationSet(prefix=f"{name}." if recipe.also else "", dataset=dataset, tasks=labelled))
    if not any(each.tasks for each in sets):
        raise DataError(
            f"expected labels for {', '.join(recipe.tasks)} in a validation split, found none: set "
            "training.validate_every = 0, or name another split"
        )
    if recipe.training.early_stopping and not may_be_lengthened(recipe.optimizer):
        on_notice(
            f"training.early_stopping: the {recipe.optimizer.schedule} schedule reaches low learning rates only near "
            f"step {recipe.training.steps}, and a run that stops early never gets there"
        )
    return sets


def labelled_tasks(dataset: SceneDataset, tasks: Mapping[str, Task]) -> dict[str, Task]:
    """Return the tasks for which some image has a label; read no more images than necessary."""
    unknown = {name for name, task in tasks.items() if task.label in dataset.vocabulary.labels}
    found: set[str] = set()
    for index in range(len(dataset)):
        if found == unknown:
            break
        sample = dataset[index]
        found |= {name for name in unknown - found if has_label(tasks[name].target(sample))}
    return {name: task for name, task in tasks.items() if name in found}


def selection(sets: Iterable[ValidationSet], best_by: str) -> Selection:
    """Choose the best model by the figure named ``best_by``, or by all primary figures if it is empty.

    Raises:
        RecipeError: there is no such figure.
    """
    if not best_by:
        return Selection(figures={name: better for each in sets for name, better in each.primary.items()})
    known = {name: better for each in sets for name, better in each.all_figures.items()}
    if best_by not in known:
        near = suggestion(best_by, known)
        listed = "" if "expected" in near else f" (one of {', '.join(known)})"
        raise RecipeError(f"training.best_by: found {best_by!r}{near}{listed}")
    return Selection(figures={best_by: known[best_by]})


def plan_validation(
    recipe: Recipe, sets: list[ValidationSet], chosen: Selection, precision: Precision, callbacks: RunCallbacks
) -> ValidationPlan:
    """Plan the validations: they give the figures that ``evaluate`` would give, without baselines.

    Figures that need several tasks, such as AP, take time; they are left out unless the best model is chosen by one.
    """

    def figures(model: SceneModel, on_image: Callable[[], None]) -> Figures:
        found: Figures = {}
        for each in sets:
            if each.tasks:
                title = f"validating on {each.prefix.rstrip('.')}" if each.prefix else "validating"
                with callbacks.counting(title, len(each.dataset)) as advance:
                    together = not chosen.figures.keys().isdisjoint(each.together)
                    found |= _figures(each, model, precision, recipe.data.size, (advance, on_image), together=together)
        return found

    return ValidationPlan(selection=chosen, figures=figures)


def _figures(
    each: ValidationSet,
    model: SceneModel,
    precision: Precision,
    size: tuple[int, int],
    callbacks: Iterable[Callable[[], None]],
    *,
    together: bool,
) -> Figures:
    def on_image() -> None:
        for callback in callbacks:
            callback()

    predict = narrowed(NetworkPredictor(model, precision), each.tasks, model)
    found = evaluate(predict, each.dataset, each.tasks, size, together=together, on_image=on_image)
    return {
        f"{each.prefix}{task}.{name}": float(value) if math.isfinite(value) else None
        for task, values in found.tasks.items()
        for name, value in values.items()
        if _is_number(value)
    }


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def validation_record(recipe: Recipe, sets: list[ValidationSet], chosen: Selection) -> ValidationRecord:
    """Describe how the run validates, for its record."""
    return ValidationRecord(
        every=recipe.training.validate_every,
        early_stopping=recipe.training.early_stopping,
        best_by=chosen.name,
        better=chosen.better,
        of=tuple(chosen.figures),
        primary={f"{each.prefix}{name}": task.primary for each in sets for name, task in each.tasks.items()},
    )
