"""``equipoise check DATA``."""

import json as json_format
import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch

from equipoise.commands.check_output import draw_sheet, print_reports
from equipoise.commands.display import console, counting, output
from equipoise.errors import DataError, UsageError
from equipoise.scenes.cameras.model_camera import known_cameras
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.config.toml import read_toml
from equipoise.scenes.data.check import check_split, paths_of
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.description import read_description
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.data.settings import SetRecipe
from equipoise.scenes.data.shown_classes import class_counts, class_notes
from equipoise.scenes.data.sources import RecipeData, open_files
from equipoise.scenes.data.survey import survey
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.model.description import describe
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.tasks import TASKS, SemanticTask
from equipoise.scenes.wording import counted

Splits = dict[str, Callable[[], FileDataset]]
"""Functions that open each split, by name. Missing labels are reported one by one, not when it is opened."""


def check(
    data: Path,
    /,
    *,
    root: Path | None = None,
    sheet: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Read a whole data set, and report what it contains and what is wrong with it. Your files are never changed.

    Draws a contact sheet to look at: evenly chosen images with their labels. The exit status is 3 if something is
    wrong.

    Args:
        data: a data description (TOML, see docs/own-data.md), the root of Cityscapes' layout, or a recipe, whose data
            sets are all read.
        root: for a description: the folder of the data, if not that of the description.
        sheet: the PNG file of the contact sheet; by default in the user's cache folder.
        overwrite: replace an existing contact sheet.
        json: print everything as JSON on standard output. No contact sheet is drawn without --sheet.
    """
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"--sheet: expected a file that ends in .png, found {sheet}")
    if sheet is not None and sheet.exists() and not (overwrite and sheet.is_file()):
        raise UsageError(f"--sheet: expected no file at {sheet}, found one: choose another, or pass --overwrite")
    recipe = read_recipe(data) if is_recipe(data) else None
    if root is not None and (recipe is not None or data.is_dir()):
        raise UsageError("--root: expected it only with a description, found a folder or a recipe: leave it out")
    opened, reports = _opened(splits(data, root) if recipe is None else splits_of(recipe))
    if sheet is not None:
        expect_apart(sheet, opened)
    _read(opened, reports)
    if recipe is not None:
        expect_all_tasks(recipe, reports)
    if recipe is None or SemanticTask.name in recipe.tasks:
        look_at_classes(opened, reports, recipe)
    drawn = None if json and sheet is None else draw_sheet(opened, sheet, data)
    faults = sum(len(report.faults) for report in reports.values())
    noted = {line for report in reports.values() for line in report.notes}
    notices = [] if recipe is None or faults else [line for line in notices_of(recipe) if line not in noted]
    if json:
        print(json_format.dumps({split: report.as_table() for split, report in reports.items()}, indent=1))
    else:
        print_reports(reports, output(), drawn, notices)
    if faults:
        sys.exit(DataError.exit_status)


def _opened(splits: Splits) -> tuple[dict[str, FileDataset], dict[str, SplitReport]]:
    """Open the splits that can be opened, and start a report for each split."""
    opened, reports = {}, {}
    for split, opens in splits.items():
        reports[split] = SplitReport()
        try:
            opened[split] = opens()
        except DataError as error:
            reports[split].faults.append(str(error))
    return opened, reports


def _read(opened: dict[str, FileDataset], reports: dict[str, SplitReport]) -> None:
    """Read every image, and add what each split contains to its report."""
    seen: dict[Path, str] = {}
    for split, dataset in opened.items():
        with counting(f"checking {split}", len(dataset), console()) as counter:
            report = check_split(dataset, on_image=counter.advance)
        cameras = known_cameras(dataset)
        report.faults += [cameras.fault] if cameras.fault not in ("", *report.faults) else []
        report.notes += cameras.doubts
        known = {line for earlier in reports.values() for line in (*earlier.faults, *earlier.notes)}
        report.faults = [line for line in report.faults if line not in known]
        report.notes = [line for line in (*report.notes, *_again(dataset, split, seen)) if line not in known]
        reports[split] = report


def _again(dataset: FileDataset, split: str, seen: dict[Path, str]) -> list[str]:
    """Report images that an earlier split contains too: a model must not be evaluated on images it was trained on."""
    images = list(paths_of(dataset, "image"))
    twice = [path for path in images if path in seen]
    seen |= {path: split for path in images if path not in seen}
    if not twice:
        return []
    return [
        f"{twice[0]}: expected it in one split, found it in {seen[twice[0]]} too ({counted(len(twice), 'such image')})"
    ]


def look_at_classes(opened: dict[str, FileDataset], reports: dict[str, SplitReport], recipe: Recipe | None) -> None:
    """Add probable mistakes in the classes of all splits to the reports, with the class names that the run will use."""
    parts = {} if recipe is None else parts_of(recipe)
    counts = [
        class_counts(
            split,
            reports[split],
            [c.name for c in dataset.vocabulary.classes],
            trains=split == "train" if recipe is None else parts[split][1] == parts[split][0].train,
            described=isinstance(dataset, FolderDataset),
            names=parts[split][0].classes if split in parts else {},
        )
        for split, dataset in opened.items()
    ]
    for split, line in class_notes(counts):
        reports[split].notes.append(line)


def notices_of(recipe: Recipe) -> tuple[str, ...]:
    """Return the notices that a run would show at its start. Raises the errors that would end it there."""
    known = survey(RecipeData(recipe))
    with torch.device("meta"):
        SceneModel(describe(recipe, known.vocabulary))
    return known.notices


def expect_all_tasks(recipe: Recipe, reports: dict[str, SplitReport]) -> None:
    """Report tasks that no training image has a label for, which would end a run at its start."""
    training = [f"{name}, {one.train}" if recipe.also else one.train for name, one in recipe.sets.items()]
    for task in recipe.tasks:
        kind = TASKS[task].label if task in TASKS else ""
        if kind and not any(reports[split].labels[kind] for split in training):
            line = f"expected a label for the task {task!r} in some training image, found none: leave the task out"
            reports[training[0]].faults.append(line)


def expect_apart(sheet: Path, opened: dict[str, FileDataset]) -> None:
    """Refuse a contact sheet that the data set would read as one of its own pictures."""
    place = Path(os.path.realpath(sheet.parent)) / sheet.name
    if any(dataset.would_hold(place) for dataset in opened.values()):
        raise UsageError(
            f"--sheet: expected a place apart from the data's pictures, found {sheet}: choose another folder"
        )


def is_recipe(data: Path) -> bool:
    """Whether a path is a recipe rather than a data description or a folder."""
    return not data.is_dir() and bool({"data", "training", "tasks"} & read_toml(data).keys())


def splits(data: Path, root: Path | None) -> Splits:
    """Return the splits of a data description or of a folder in Cityscapes' layout."""
    if not data.is_dir():
        return {
            split: partial(FolderDataset, data, split, root=root, strict=False)
            for split in read_description(data).split
        }
    found = sorted({p.name for kind in ("leftImg8bit", "gtFine") for p in (data / kind).glob("*") if p.is_dir()})
    if not found:
        raise DataError(
            f"expected Cityscapes' layout (leftImg8bit/SPLIT/CITY) at {data}, found none: for other layouts pass a "
            "data description (docs/own-data.md)"
        )
    return {split: partial(CityscapesDataset, data, split, strict=False) for split in found}


def splits_of(recipe: Recipe) -> Splits:
    """Return the splits that a recipe trains and evaluates on."""
    return {key: partial(open_files, one, split, strict=False) for key, (one, split) in parts_of(recipe).items()}


def parts_of(recipe: Recipe) -> dict[str, tuple[SetRecipe, str]]:
    """Return the splits of a recipe by the names shown here: each with its data set and its own name."""
    return {
        f"{name}, {split}" if recipe.also else split: (one, split)
        for name, one in recipe.sets.items()
        for split in (one.train, one.validation)
    }
