"""Print results: each task's figure beside the baselines, then every figure, then the figures of each class."""

from rich.console import Console

from equipoise.commands.table import Column, print_table
from equipoise.scenes.evaluation.figures import Figures
from equipoise.scenes.report.figures import Row, class_figures, details, metric_rows
from equipoise.scenes.wording import counted


def print_results(figures: Figures, screen: Console) -> None:
    """Print the main figure of each task, the baselines, and the margins over them (positive: better).

    There is one table for each data set, at most 80 columns wide.
    """
    for name, found in figures.titled.items():
        rows = metric_rows(found, figures.sigma)
        baselines = rows[0].baselines if rows else ()
        widths = [max(len(row.baselines[k].margin) for row in rows) for k in range(len(baselines))]
        columns = [
            *(Column(title="task"), Column(title="measure"), Column(title="model", numbers=True)),
            *(Column(title=f"{baseline.name}\n(margin)", numbers=True) for baseline in baselines),
            Column(title="σ", numbers=True),
        ]
        where = f"{name}, {found.split}" if name else found.split
        title = f"{counted(found.images, 'image')} of {where}"
        print_table(title, columns, [_cells(row, widths) for row in rows], screen)


def _cells(row: Row, widths: list[int]) -> list[str]:
    """Return the cells of one task; ``widths`` are the lengths to pad the margins to."""
    measure = ", ".join(filter(None, [row.label, row.unit]))
    compared = [
        f"{one.value} {'(' + one.margin + ')':>{width + 2}}" for one, width in zip(row.baselines, widths, strict=True)
    ]
    return [row.task, f"{measure} {row.arrow}", row.value, *compared, row.sigma]


def print_all_figures(figures: Figures, screen: Console) -> None:
    """Print every figure of each task, then the figures of each class."""
    for name, found in figures.titled.items():
        of = f", {name}" if name else ""
        rows = [[group.task, figure.name, figure.value] for group in details(found) for figure in group.figures]
        columns = [Column(title="task"), Column(title="figure"), Column(title="value", numbers=True)]
        print_table(f"All figures{of}", columns, rows, screen)
        for group in class_figures(found, None):
            columns = [Column(title="class"), Column(title=group.label, numbers=True)]
            print_table(f"{group.label} by class, %{of}", columns, [[c.name, c.value] for c in group.rows], screen)
