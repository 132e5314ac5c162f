"""The figures and pictures of a run, for each data set by itself, in its own classes."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.cameras.model_camera import known_cameras
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.sources import cached_set, open_raw, open_set
from equipoise.scenes.evaluation.evaluator import Evaluation, Predictor, baseline_predictors, evaluate
from equipoise.scenes.evaluation.examples import write_examples
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import as_json
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.model.files import load_model
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.runs.record import Watch, model_behind, read_run
from equipoise.scenes.tasks import Task, make_tasks
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.wording import counted


def predictor(model: SceneModel, precision: Precision) -> Predictor:
    """The network as a predictor, in the precision it was trained in."""

    def predict(images: Tensor) -> dict[str, Tensor]:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            return model.locations(images)

    return predict


def evaluate_run(
    run: Path,
    watch: Watch,
    *,
    elsewhere: Path | None = None,
    split: str = "",
    data: str = "",
    baselines: bool = True,
) -> dict[str, Any]:
    """Evaluate a finished run, on each data set by itself, beside the baselines.

    Args:
        run: the folder that train wrote.
        watch: what is called to show progress and notices.
        elsewhere: a recipe whose data to evaluate on, in place of the run's own.
        split: the split to evaluate on; by default each data set's own validation split.
        data: one of the recipe's data sets; by default all of them.
        baselines: evaluate the baselines too.

    Returns:
        The figures as they are written to ``metrics.json``, or, where a recipe, a data set or a split was chosen, to
        ``metrics-RECIPE-DATA-SPLIT.json``; see ``docs/reading-the-report.md``. Those of data sets after the first are
        in ``also``.
    """
    recipe, record = read_run(run)
    if behind := model_behind(record):
        watch.on_notice(behind)
    if elsewhere is not None:
        other = read_recipe(elsewhere)
        first_set = dataclasses.replace(other.data, size=recipe.data.size)
        recipe = dataclasses.replace(recipe, data=first_set, also=other.also)
    if data and data not in recipe.sets:
        raise UsageError(f"--data: found {data!r}{suggestion(data, recipe.sets)}")
    model = load_model(run)
    predict = predictor(model, record["precision"])
    found = {
        one: set_figures(recipe, one, split, predict, model, watch, baselines=baselines)
        for one in ([data] if data else recipe.sets)
    }
    first, *others = found
    figures = {**found[first], "sigma": model.likelihood.sigmas()}
    if others:
        figures["also"] = {one: found[one] for one in others}
    usual = elsewhere is None and not data and split in ("", recipe.data.validation)
    chosen = [] if usual else [elsewhere.stem if elsewhere else "", data, Path(split).name]
    if baselines or not usual:  # The report's own file keeps its baselines.
        write_atomic(run / f"{'-'.join(filter(None, ['metrics', *chosen]))}.json", as_json(without_nan(figures)))
    return figures


def set_figures(
    recipe: Recipe, name: str, split: str, predict: Predictor, model: SceneModel, watch: Watch, *, baselines: bool
) -> dict[str, Any]:
    """The figures of one data set, in its own classes, for those tasks that it labels."""
    split, path = split or recipe.sets[name].validation, Path(recipe.sets[name].path)
    if not path.exists():
        raise DataError(
            f"expected data at {path}, found nothing: if they moved, name a recipe with their new place by --recipe"
        )
    dataset = open_set(recipe, name, split)
    tasks = tasks_on(dataset, model)
    labelled = {task: tasks[task] for task in tasks if tasks[task].label in dataset.vocabulary.labels}
    of = f"{name}, {split}" if recipe.also else split
    if without := [task for task in tasks if task not in labelled]:
        watch.on_notice(f"{of}: no labels for {' and '.join(without)}, so no figures")
    if "depth" in labelled:
        expect_cameras(recipe, name, split, of, model, watch.on_notice)
    size = model.description.input_size
    result = _evaluated(narrowed(predict, labelled, model), dataset, labelled, size, watch, f"evaluating on {of}")
    figures: dict[str, Any] = {
        "split": split,
        "images": len(dataset),
        "tasks": result.tasks,
        "primary": {task: dataclasses.asdict(one.primary) for task, one in labelled.items()},
        "baselines": {},
        "per_image": result.per_image,
    }
    if baselines:
        training = cached_set(recipe, name, recipe.sets[name].train, watch.counting)
        for baseline, blind in baseline_predictors(training, labelled).items():
            result = _evaluated(blind, dataset, labelled, size, watch, f"evaluating the {baseline} baseline on {of}")
            values = {task: result.tasks[task][one.primary.metric] for task, one in labelled.items()}
            figures["baselines"][baseline] = values
    return figures


def expect_cameras(
    recipe: Recipe, name: str, split: str, of: str, model: SceneModel, on_notice: Callable[[str], None]
) -> None:
    """Say where a camera cannot be used, or none gives metres; raises ``DataError`` where one fits no single size."""
    if model.description.vocabulary.inverse_depth_unit != "px":
        return
    known = known_cameras(open_raw(recipe.sets[name], split, strict=False))
    if known.fault:
        raise DataError(known.fault)
    for line in known.doubts:
        on_notice(line)
    blind = known.without + sum(camera.baseline_m is None for camera in known.cameras)
    if blind:
        some = f"{counted(blind, 'image')} {'lacks' if blind == 1 else 'lack'}"
        images = "no image has" if blind == known.without + len(known.cameras) else some
        on_notice(f"{of}: {images} a camera with a baseline, so no errors in metres there: see docs/own-data.md")


def tasks_on(dataset: SceneDataset, model: SceneModel) -> dict[str, Task]:
    """The model's tasks in the classes of a data set; raises ``RunError`` where it has some the model never saw."""
    vocabulary, known = dataset.vocabulary, model.description.vocabulary
    strange = {c.name for c in vocabulary.classes} - {c.name for c in known.classes}
    units = {vocabulary.inverse_depth_unit, known.inverse_depth_unit} - {None}
    if "semantic" in model.tasks and strange:
        raise RunError(
            f"expected only classes that the model was trained on, found others: {', '.join(sorted(strange))}"
        )
    if "depth" in model.tasks and len(units) > 1:
        raise RunError(
            f"expected depth in {known.inverse_depth_unit}, as the model was trained on, found depth in "
            f"{vocabulary.inverse_depth_unit}"
        )
    return make_tasks(model.description.tasks, within(vocabulary, known))


def within(vocabulary: SceneVocabulary, wider: SceneVocabulary) -> SceneVocabulary:
    """The classes of one vocabulary, if it has any, as a wider one knows them, and the rest of the wider one."""
    if not vocabulary.classes:
        return wider
    known = {c.name: c for c in wider.classes}
    classes = tuple(known.get(c.name, c) for c in vocabulary.classes)
    return dataclasses.replace(wider, classes=classes, sky=vocabulary.sky)


def narrowed(predict: Predictor, tasks: Mapping[str, Task], model: SceneModel) -> Predictor:
    """A predictor of some tasks in the classes of a data set."""

    def predicted(images: Tensor) -> dict[str, Tensor]:
        locations = predict(images)
        return {name: task.within(locations[name], model.description.vocabulary) for name, task in tasks.items()}

    return predicted


def _evaluated(
    predict: Predictor,
    dataset: SceneDataset,
    tasks: Mapping[str, Task],
    size: tuple[int, int],
    watch: Watch,
    title: str,
) -> Evaluation:
    with watch.counting(title, len(dataset)) as advance:
        return evaluate(predict, dataset, tasks, size, on_image=advance)


def without_nan(value: Any) -> Any:
    """JSON knows no NaN and no infinity: a figure without a value is null."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def write_pictures(run: Path, figures: dict[str, Any]) -> None:
    """Pictures of validation images of each data set, chosen by the figures that ``evaluate_run`` gave."""
    recipe, record = read_run(run)
    model = load_model(run)
    predict = predictor(model, record["precision"])
    examples = []
    for name, found in zip(recipe.sets, [figures, *figures.get("also", {}).values()], strict=True):
        dataset = open_set(recipe, name, found["split"])
        tasks = tasks_on(dataset, model)
        examples += write_examples(
            run / "pictures",
            narrowed(predict, tasks, model),
            tasks,
            dataset,
            found["per_image"],
            model.description.input_size,
            data=name if recipe.also else "",
        )
    write_atomic(run / "pictures" / "examples.json", as_json(examples))
