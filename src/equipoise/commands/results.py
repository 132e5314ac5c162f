"""Print results: each task's figure beside the baselines, then every figure, then the figures of each class."""

from rich.console import Console

from equipoise.commands.table import Column, print_table
from equipoise.scenes.evaluation.figures import ByClass, Figures, SetFigures
from equipoise.scenes.report.calibration import CalibrationTable, calibration_table
from equipoise.scenes.report.figures import Row, also_shown, details, figure_name, metric_rows, shown_value
from equipoise.scenes.wording import counted, fixed


def print_results(figures: Figures, screen: Console) -> None:
    """Print the main figure of each task, the baselines, and the margins over them (positive: better); AP and PQ below.

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
        for group in also_shown(found):
            screen.print(f"{group.task}: {', '.join(f'{one.name} {one.value}' for one in group.figures)}")


def _cells(row: Row, widths: list[int]) -> list[str]:
    """Return the cells of one task; ``widths`` are the lengths to pad the margins to."""
    measure = ", ".join(filter(None, [row.label, row.unit]))
    compared = [
        f"{one.value} {'(' + one.margin + ')':>{width + 2}}" for one, width in zip(row.baselines, widths, strict=True)
    ]
    return [row.task, f"{measure} {row.arrow}", row.value, *compared, row.sigma]


def print_all_figures(figures: Figures, screen: Console, *, per_class: bool = False) -> None:
    """Print every figure of each task, and those of each class and each category if ``per_class``."""
    for name, found in figures.titled.items():
        of = f", {name}" if name else ""
        rows = [[group.task, figure.name, figure.value] for group in details(found) for figure in group.figures]
        columns = [Column(title="task"), Column(title="figure"), Column(title="value", numbers=True)]
        print_table(f"All figures{of}", columns, rows, screen)
        if (table := calibration_table(found)) is not None:
            _print_calibration(table, of, screen)
        for names, columns_of in _by_names(found).items() if per_class else ():
            columns = [Column(title=""), *(Column(title=label, numbers=True) for label, _ in columns_of)]
            rows = [[one, *(fixed(shown_value(values[one], "%"), 1) for _, values in columns_of)] for one in names]
            print_table(f"Figures by class or category, %{of}", columns, rows, screen)


def _print_calibration(table: CalibrationTable, of: str, screen: Console) -> None:
    """Print calibration before and after refitting the noise."""
    columns = [Column(title="task"), Column(title="noise"), Column(title="NLL", numbers=True)]
    columns += [Column(title=title, numbers=True) for title in ("ECE, %", *(f"in {level} %" for level in table.levels))]
    rows = [[row.task, row.noise, row.nll, row.error, *(one.value for one in row.covered)] for row in table.rows]
    if rows:
        print_table(f"Calibration; in L %: targets in the interval of that level, %{of}", columns, rows, screen)
    if table.lacking:
        screen.print(f"Calibration{of}: {table.lacking}", highlight=False, markup=False, soft_wrap=True)


def _by_names(found: SetFigures) -> dict[tuple[str, ...], list[tuple[str, ByClass]]]:
    """The figures by class, and those by category, with their labels; they differ in the names that they are of."""
    tables: dict[tuple[str, ...], list[tuple[str, ByClass]]] = {}
    for task, one in found.tasks.items():
        for figure, values in one.values.items():
            if isinstance(values, dict) and values:
                tables.setdefault(tuple(values), []).append((figure_name(task, figure, one.primary)[0], values))
    return tables
