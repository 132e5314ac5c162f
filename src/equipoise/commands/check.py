"""``equipoise check DATA``."""

import io
import json as json_format
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from equipoise.commands.display import console, counting, output
from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.configuration import read_toml
from equipoise.scenes.data.check import SplitReport, check_split
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.description import read_description
from equipoise.scenes.data.folder import FolderDataset, unused_labels
from equipoise.scenes.data.sample import SceneDataset
from equipoise.scenes.recipe import Recipe, read_recipe
from equipoise.scenes.sheet import contact_sheet
from equipoise.scenes.sources import open_raw, survey
from equipoise.scenes.training.checkpoint import write_atomic

SHOWN = 20
"""So many faults are printed; all of them with --json."""


Splits = dict[str, Callable[[], SceneDataset]]
"""What opens each split, by name; its missing labels are found one by one."""


def check(
    data: Path,
    /,
    *,
    root: Path | None = None,
    sheet: Path | None = None,
    overwrite: bool = False,
    json: bool = False,
) -> None:
    """Read a whole data set and say what it holds and what is wrong with it. Nothing of yours is written.

    Ends with the status 3 where something is wrong.

    Args:
        data: a description (TOML, see docs/own-data.md), the root of Cityscapes' layout, or a recipe: all of its data.
        root: for a description: where its files lie, if not beside it.
        sheet: write a contact sheet to look at (PNG): image, classes, instances and depth of evenly chosen images.
        overwrite: replace a contact sheet that lies there.
        json: print everything as JSON on standard output.
    """
    if sheet is not None and sheet.suffix.lower() != ".png":
        raise UsageError(f"--sheet: expected a file that ends in .png, found {sheet}")
    if sheet is not None and sheet.exists() and not overwrite:
        raise UsageError(f"--sheet: expected no file at {sheet}, found one: choose another, or --overwrite it")
    recipe = read_recipe(data) if is_recipe(data) else None
    reports, first = _read(splits(data, root) if recipe is None else splits_of(recipe))
    if sheet is not None and first is not None:
        _write_sheet(first, sheet)
    faults = sum(len(report.faults) for report in reports.values())
    notices = () if recipe is None or faults else survey(recipe).notices
    if json:
        print(json_format.dumps({split: report.as_table() for split, report in reports.items()}, indent=1))
    else:
        _print(reports, output(), sheet, notices)
    if faults:
        sys.exit(DataError.exit_status)


def _read(splits: Splits) -> tuple[dict[str, SplitReport], SceneDataset | None]:
    """What each split holds, and the first one that could be opened."""
    reports: dict[str, SplitReport] = {}
    first: SceneDataset | None = None
    seen: dict[Path, str] = {}
    for split, opened in splits.items():
        try:
            dataset = opened()
        except DataError as error:
            reports[split] = SplitReport(images=0, faults=[str(error)])
            continue
        first = first or dataset
        with counting(f"checking {split}", len(dataset), console()) as counter:
            reports[split] = check_split(dataset, on_image=counter.advance)
        if isinstance(dataset, FolderDataset):
            reports[split].faults += unused_labels(dataset)
            reports[split].notes += _again(dataset, split, seen)
    return reports, first


def _again(dataset: FolderDataset, split: str, seen: dict[Path, str]) -> list[str]:
    """Images that an earlier split has too: what a model is measured on it shall not have been trained on."""
    images = [dataset.path(dataset.description.images, name) for name in dataset.names]
    twice = [path for path in images if path in seen]
    seen |= {path: split for path in images if path not in seen}
    if not twice:
        return []
    return [f"{twice[0]}: expected it in one split, found it in {seen[twice[0]]} too ({len(twice)} such images)"]


def is_recipe(data: Path) -> bool:
    """Whether a file is a recipe, and no description of a data set."""
    return not data.is_dir() and "data" in read_toml(data)


def splits(data: Path, root: Path | None) -> Splits:
    """The splits of a description, or of a folder in Cityscapes' layout."""
    if not data.is_dir():
        return {
            split: partial(FolderDataset, data, split, root=root, strict=False)
            for split in read_description(data).split
        }
    found = sorted(p.name for p in (data / "leftImg8bit").glob("*") if p.is_dir())
    if not found:
        raise DataError(
            f"expected Cityscapes' layout (leftImg8bit/SPLIT/CITY) at {data}, found none: for other layouts name a "
            "description (docs/own-data.md)"
        )
    return {split: partial(CityscapesDataset, data, split, strict=False) for split in found}


def splits_of(recipe: Recipe) -> Splits:
    """The splits that a recipe trains and evaluates on."""
    return {
        f"{name}, {split}" if recipe.also else split: partial(open_raw, one, split, strict=False)
        for name, one in recipe.sets.items()
        for split in (one.train, one.validation)
    }


def _print(reports: dict[str, SplitReport], screen: Console, sheet: Path | None, notices: Sequence[str] = ()) -> None:
    table = Table(title="What it holds", title_justify="left")
    for title in ("split", "images", "readable", "classes", "instances", "depth", "objects", "sizes"):
        table.add_column(title, justify="left" if title in ("split", "sizes") else "right")
    for split, report in reports.items():
        kinds = [report.labels[kind] for kind in ("semantic", "instance", "inverse_depth")]
        sizes = ", ".join(f"{size} ({count})" for size, count in report.sizes.most_common(3))
        more = len(report.sizes) - 3
        cells: list[Any] = [split, report.images, report.readable, *kinds, report.instances]
        table.add_row(*map(str, cells), sizes + (f" and {more} more" if more > 0 else ""))
    screen.print(table)
    for split, report in reports.items():
        if report.classes:
            shown = ", ".join(f"{name} {count}" for name, count in report.classes.most_common())
            screen.print(f"{split}: images that show each class: {shown}", highlight=False)
    for split, report in reports.items():
        for line in report.faults[:SHOWN]:
            screen.print(f"wrong in {split}: {line}", highlight=False, markup=False, soft_wrap=True)
        if len(report.faults) > SHOWN:
            screen.print(f"wrong in {split}: {len(report.faults) - SHOWN} more: --json tells all", highlight=False)
    for split, report in reports.items():
        for line in report.notes:
            screen.print(f"look at {split}: {line}", highlight=False, soft_wrap=True)
    if sheet is not None:
        screen.print(f"contact sheet: {sheet}", highlight=False)
    for notice in notices:
        screen.print(notice, highlight=False, markup=False, soft_wrap=True)
    if not any(report.faults for report in reports.values()):
        screen.print("nothing wrong found", highlight=False)


def _write_sheet(dataset: SceneDataset, path: Path) -> None:
    picture: np.ndarray[Any, Any] | None = contact_sheet(dataset)
    if picture is not None:
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, buffer.getvalue())
        except OSError as error:
            raise RunError(f"--sheet: expected to write {path}, found: {error.strerror or error}") from None
