"""The tables of results: each task's figure beside the baselines, then every figure, then the IoU of each class."""

from rich.console import Console

from equipoise.commands.table import Column, print_table
from equipoise.scenes.evaluation.figures import Figures
from equipoise.scenes.report.figures import Row, detail_groups, metric_rows
from equipoise.scenes.wording import counted, percent


def print_results(figures: Figures, screen: Console) -> None:
    """Print each task's primary figure, the baselines, and the margins over them (positive: better).

    One table for each data set, within 80 columns.
    """
    for name, found in figures.titled.items():
        rows = metric_rows(found, figures.sigma)
        baselines = rows[0].baselines if rows else ()
        widths = [max(len(row.baselines[k].shown) for row in rows) for k in range(len(baselines))]
        columns = [
            *(Column(title="task"), Column(title="measure"), Column(title="model", numbers=True)),
            *(Column(title=f"{baseline.name}\n(margin)", numbers=True) for baseline in baselines),
            Column(title="σ", numbers=True),
        ]
        where = f"{name}, {found.split}" if name else found.split
        title = f"{counted(found.images, 'image')} of {where}"
        print_table(title, columns, [_cells(row, widths) for row in rows], screen)


def _cells(row: Row, widths: list[int]) -> list[str]:
    """The cells of one task; margins of up to so many characters are aligned at their ends."""
    measure = ", ".join(filter(None, [row.label, row.unit]))
    compared = [
        f"{one.value} {'(' + one.shown + ')':>{width + 2}}" for one, width in zip(row.baselines, widths, strict=True)
    ]
    return [row.task, f"{measure} {row.arrow}", row.value, *compared, row.sigma]


def print_all_figures(figures: Figures, screen: Console) -> None:
    """Print every figure of each task, and the IoU of each class."""
    for name, found in figures.titled.items():
        of = f", {name}" if name else ""
        rows = [[task, *figure] for task, group in detail_groups(found) for figure in group]
        columns = [Column(title="task"), Column(title="figure"), Column(title="value", numbers=True)]
        print_table(f"All figures{of}", columns, rows, screen)
        if "semantic" in found.tasks and (iou := found.tasks["semantic"].by_class("iou")):
            columns = [Column(title="class"), Column(title="IoU", numbers=True)]
            classes = [[one, percent(value)] for one, value in iou.items()]
            print_table(f"IoU by class, %{of}", columns, classes, screen)
