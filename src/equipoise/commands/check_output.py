"""The output of ``equipoise check``: tables, lines and the contact sheet."""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image
from rich.console import Console

from equipoise.commands.display import say
from equipoise.commands.table import Column, print_table
from equipoise.errors import RunError
from equipoise.scenes.cameras.distances import range_text
from equipoise.scenes.data.sample import FileDataset
from equipoise.scenes.data.sources import cache_home
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.split_report import SplitReport
from equipoise.scenes.visual.contact_sheet import contact_sheet
from equipoise.scenes.wording import counted

SHOWN = 20
"""The most mistakes to print per split; --json prints all."""


def print_reports(
    reports: Mapping[str, SplitReport], screen: Console, drawn: str | None, notices: Sequence[str] = ()
) -> None:
    """Print what each split contains, mistakes, probable mistakes, and notices."""
    _print_table(reports, screen)
    for split, report in reports.items():
        if report.classes:
            shown = ", ".join(f"{name} {count}" for name, count in report.classes.most_common())
            say(f"{split}: images that show each class: {shown}", screen)
    for split, report in reports.items():
        if known := report.depth_range():
            say(f"{split}: {report.depth_kind} {range_text(*known, report.depth_unit)}", screen)
    for split, report in reports.items():
        for line in report.faults[:SHOWN]:
            say(f"wrong in {split}: {line}", screen)
        if len(report.faults) > SHOWN:
            say(f"wrong in {split}: {len(report.faults) - SHOWN} more: --json prints all", screen)
    for split, report in reports.items():
        for line in report.notes:
            say(f"look at {split}: {line}", screen)
    for notice in (drawn, *notices):
        if notice is not None:
            say(notice, screen)
    if not any(report.faults for report in reports.values()):
        notes = sum(len(report.notes) for report in reports.values())
        lines = f", {counted(notes, 'line')} to look at" if notes else ""
        say(f"nothing wrong found{lines}", screen)


def _print_table(reports: Mapping[str, SplitReport], screen: Console) -> None:
    """Print the numbers of images and labels of each split."""
    kinds = [k for k in LABELS if any(report.labels[k] or report.missing[k] for report in reports.values())]
    titles = ("split", "images", "readable", *(LABELS[k].title for k in kinds), "objects", "sizes")
    columns = [Column(title=title, numbers=title not in ("split", "sizes")) for title in titles]
    print_table("Contents", columns, [_cells(split, report, kinds) for split, report in reports.items()], screen)


def _cells(split: str, report: SplitReport, kinds: Sequence[str]) -> list[str]:
    """Return the row of one split."""
    counts = [report.images, report.readable, *(_labels(report, kind) for kind in kinds), report.instances]
    sizes = ", ".join(f"{size} ({count})" for size, count in report.sizes.most_common(3))
    more = len(report.sizes) - 3
    return [split, *map(str, counts), sizes + (f" and {more} more" if more > 0 else "")]


def _labels(report: SplitReport, kind: str) -> str:
    """Format how many images have a kind of label, and how many lack it."""
    missing = report.missing[kind]
    return f"{report.labels[kind]}, {missing} missing" if missing else str(report.labels[kind])


def draw_sheet(opened: dict[str, FileDataset], sheet: Path | None, data: Path) -> str | None:
    """Draw the contact sheet, and return a line that says where it is; ``None`` if no image can be read.

    An error in writing it is raised only if the user chose the path.
    """
    picture = contact_sheet(opened)
    if picture is None:
        return None
    stem = data.resolve().name if data.is_dir() else data.stem
    path = cache_home() / "sheets" / f"{stem}.png" if sheet is None else sheet
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        if sheet is None:
            return (
                f"no contact sheet: {path} cannot be written ({error.strerror or error}): choose a place with --sheet"
            )
        raise RunError(f"--sheet: expected to write {path}, found: {error.strerror or error}") from None
    return f"contact sheet, to look at: {path}"
