"""Evaluate a run: figures and pictures of each data set separately, in its own classes."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import torch

from equipoise.errors import DataError, UsageError
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.config.toml import suggestion
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.evaluation.calibration import calibration
from equipoise.scenes.evaluation.data_sets import expect_cameras, narrowed, tasks_on, within
from equipoise.scenes.evaluation.evaluator import Evaluation, baseline_predictors, evaluate
from equipoise.scenes.evaluation.examples import write_examples
from equipoise.scenes.evaluation.figures import Calibration, Figures, SetFigures, TaskFigures, without_nan
from equipoise.scenes.evaluation.submission import Submission, expect_predicted
from equipoise.scenes.grouping import DEFAULT
from equipoise.scenes.inference.predictor import NetworkPredictor, Predictor
from equipoise.scenes.inference.tiles import Tiling, tiled
from equipoise.scenes.model.described import DescribedModel
from equipoise.scenes.model.description import read_description
from equipoise.scenes.model.export_record import read_export_record
from equipoise.scenes.model.files import load_model
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.runs.load import open_model
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.tasks import Task
from equipoise.scenes.tasks.together import expect_grouping, finds_objects
from equipoise.scenes.training.device import CPU
from equipoise.scenes.training.precision import precision_on


def evaluate_run(
    folder: RunFolder,
    callbacks: RunCallbacks,
    *,
    elsewhere: Path | None = None,
    split: str = "",
    data: str = "",
    baselines: bool = True,
    tiling: Tiling | None = None,
    grouping: str = DEFAULT,
    device: torch.device = CPU,
    save_predictions: Path | None = None,
    overwrite: bool = False,
) -> Figures:
    """Evaluate a finished run and the baselines on each data set separately.

    The figures are written to ``metrics.json``; if a recipe, a data set, a split, tiles or a grouping are chosen, to
    ``metrics-RECIPE-DATA-SPLIT-TILE-GROUPING.json``; see ``docs/reading-the-report.md``.

    Args:
        folder: the folder of a run or an export.
        callbacks: show progress and notices.
        elsewhere: a recipe with the data to evaluate on, by default the run's own; an export has none.
        split: the split to evaluate on; by default each data set's own validation split.
        data: one of the recipe's data sets; by default all of them.
        baselines: evaluate the baselines too.
        tiling: run the network tile by tile; by default on whole images.
        grouping: how pixels are grouped into objects.
        device: what the network runs on.
        save_predictions: a folder for the predictions in Cityscapes' layout of submissions; with several data sets each
            has its own below.
        overwrite: whether files of that folder may be overwritten.

    Raises:
        DataError: data are missing, or an image cannot be read.
        RunError: the folder holds no finished run.
        UsageError: the recipe has no data set of that name, an export is to be evaluated without a recipe, or the
            model's objects cannot be grouped so.
    """
    recipe = _evaluated_recipe(folder, elsewhere, callbacks)
    if data and data not in recipe.sets:
        raise UsageError(f"--data: found {data!r}{suggestion(data, recipe.sets)}")
    model, predict = open_model(folder.path, device)
    described = model.description
    try:
        expect_grouping(grouping, described.tasks, described.vocabulary)
    except UsageError as error:
        raise UsageError(f"--{error}") from None
    if tiling is not None:
        predict = tiled(predict, tiling, described.model.output_stride)
    opened, names = RecipeData(recipe), [data] if data else list(recipe.sets)
    submissions = {}
    if save_predictions is not None:
        for one in names:
            place = save_predictions / one if len(names) > 1 else save_predictions
            known = opened.samples(one, split or recipe.sets[one].validation).vocabulary
            classes = within(known, described.vocabulary)
            submissions[one] = Submission(place, classes, overwrite=overwrite)
    sets = {
        one: set_figures(
            opened,
            one,
            split,
            predict,
            model,
            callbacks,
            baselines=baselines,
            submission=submissions.get(one),
            grouping=grouping,
            calibrated=tiling is None,
        )
        for one in names
    }
    by = grouping if finds_objects(described.tasks, described.vocabulary) else ""
    figures = Figures(sets=sets, sigma=model.sigmas(), grouping=by)
    own_data = elsewhere is None and not data and split in ("", recipe.data.validation)
    usual = own_data and tiling is None and grouping == DEFAULT
    if baselines or not usual:  # The figures of the report keep their baselines.
        where = (elsewhere.stem if elsewhere else "", data, Path(split).name)
        how = (_tile_name(tiling), "" if grouping == DEFAULT else f"grouping-{grouping}")
        folder.write_figures(figures, *(() if usual else (*where, *how)))
    return figures


def _tile_name(tiling: Tiling | None) -> str:
    """What the file of the figures says of tiles: the overlap, too, if it is not the usual one."""
    if tiling is None:
        return ""
    size = "tile{}x{}".format(*tiling.size)
    return size if tiling.overlap == Tiling.overlap else f"{size}-overlap{tiling.overlap:g}"


def _evaluated_recipe(folder: RunFolder, elsewhere: Path | None, callbacks: RunCallbacks) -> Recipe:
    """The run's recipe, with the data of the one that is named; an export has no recipe of its own."""
    other = None if elsewhere is None else read_recipe(elsewhere)
    if read_export_record(folder.path) is not None:
        if other is None:
            raise UsageError(f"--recipe: expected a recipe that names data for the export {folder.path}, found none")
        described = read_description(folder.path)
        first_set = dataclasses.replace(other.data, size=described.input_size)
        return dataclasses.replace(other, data=first_set, tasks=described.tasks)
    recipe, record = folder.read()
    if behind := record.model_behind:
        callbacks.on_notice(behind)
    if other is None:
        return recipe
    first_set = dataclasses.replace(other.data, size=recipe.data.size)
    return dataclasses.replace(recipe, data=first_set, also=other.also)


def set_figures(
    data: RecipeData,
    name: str,
    split: str,
    predict: Predictor,
    model: DescribedModel,
    callbacks: RunCallbacks,
    *,
    baselines: bool,
    submission: Submission | None = None,
    grouping: str = DEFAULT,
    calibrated: bool = False,
) -> SetFigures:
    """Return the figures of one data set, in its own classes, for the tasks that it labels; save all predictions.

    Calibration is measured if ``calibrated``, for networks only, since an export has no likelihood.
    """
    recipe = data.recipe
    split, path = split or recipe.sets[name].validation, Path(recipe.sets[name].path)
    if not path.exists():
        raise DataError(
            f"expected data at {path}, found nothing: if the data moved, give a recipe with the new path by --recipe"
        )
    dataset = data.samples(name, split)
    tasks = tasks_on(dataset, model)
    labelled = {task: tasks[task] for task in tasks if tasks[task].label in dataset.vocabulary.labels}
    of = f"{name}, {split}" if recipe.also else split
    if without := [task for task in tasks if task not in labelled]:
        callbacks.on_notice(f"{of}: there are no labels for {' and '.join(without)}, and so no figures")
    expect_cameras(data, name, split, of, labelled, model, callbacks.on_notice)
    size = model.description.input_size
    if submission is not None:
        expect_predicted(tuple(labelled))
    narrow = narrowed(predict, labelled, model)
    with callbacks.counting(f"evaluating on {of}", len(dataset)) as advance:
        found = evaluate(
            narrow,
            dataset,
            labelled,
            size,
            together=True,
            grouping=grouping,
            on_scene=submission,
            on_image=advance,
        )
    references: dict[str, dict[str, float | None]] = {task: {} for task in labelled}
    if baselines:
        training = data.resized(name, recipe.sets[name].train, callbacks.counting)
        for baseline, blind in baseline_predictors(training, labelled).items():
            title = f"evaluating the {baseline} baseline on {of}"
            reference = _evaluated(blind, dataset, labelled, size, callbacks, title)
            for task, one in labelled.items():
                references[task][baseline] = without_nan(reference.tasks[task][one.primary.metric])
    return SetFigures(
        split=split,
        images=len(dataset),
        tasks={
            task: TaskFigures(primary=one.primary, values=without_nan(found.tasks[task]), baselines=references[task])
            for task, one in labelled.items()
        },
        per_image=tuple(found.per_image),
        calibration=_calibration(predict, dataset, labelled, size) if calibrated else None,
    )


def _calibration(
    predict: Predictor, dataset: SceneDataset, tasks: Mapping[str, Task], size: tuple[int, int]
) -> dict[str, Calibration] | None:
    if not isinstance(predict, NetworkPredictor):
        return None
    return calibration(predict.model, predict.precision, dataset, tasks, size)


def _evaluated(
    predict: Predictor,
    dataset: SceneDataset,
    tasks: Mapping[str, Task],
    size: tuple[int, int],
    callbacks: RunCallbacks,
    title: str,
) -> Evaluation:
    with callbacks.counting(title, len(dataset)) as advance:
        return evaluate(predict, dataset, tasks, size, on_image=advance)


def write_pictures(folder: RunFolder, figures: Figures, device: torch.device = CPU) -> None:
    """Write pictures of predictions on each data set, chosen by the figures that ``evaluate_run`` returned."""
    recipe, _ = folder.read()
    model = load_model(folder.path).to(device)
    predict, data = NetworkPredictor(model, precision_on(folder.precision(), device)), RecipeData(recipe)
    examples = []
    for name, found in figures.sets.items():
        dataset = data.samples(name, found.split)
        tasks = tasks_on(dataset, model)
        examples += write_examples(
            folder.pictures,
            narrowed(predict, tasks, model),
            tasks,
            dataset,
            found.per_image,
            model.description.input_size,
            data=name if recipe.also else "",
        )
    folder.write_examples(examples)
