"""The table of results: each task's figure beside what can be known without looking at the image."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from equipoise.commands.display import number

BASELINES = {"constant": "constants", "position": "per position"}


def print_results(figures: dict[str, Any], screen: Console) -> None:
    """Print each task's primary figure, the two baselines, and the margins over them (positive: better).

    A table for each data set, narrow enough for 80 columns.
    """
    _print_table(figures, figures["sigma"], screen)
    for name, others in figures.get("also", {}).items():
        _print_table(others | {"split": f"{name}, {others['split']}"}, figures["sigma"], screen)


def _print_table(figures: dict[str, Any], sigma: dict[str, Any], screen: Console) -> None:
    title = f"{figures['images']} images of {figures['split']}"
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("task", no_wrap=True)
    table.add_column("measure", no_wrap=True)
    table.add_column("model", justify="right", no_wrap=True)
    for baseline in figures["baselines"]:
        table.add_column(f"{BASELINES[baseline]} (margin)", justify="right")
    table.add_column("σ", justify="right", no_wrap=True)
    for task, primary in figures["primary"].items():
        scale = 100 if primary["unit"] == "%" else 1
        value = scale * figures["tasks"][task][primary["metric"]]
        sign = 1 if primary["better"] == "higher" else -1
        arrow = "↑" if sign > 0 else "↓"
        cells = [task, " ".join(f"{primary['label']} {primary['unit']} {arrow}".split()), figure(value)]
        for baseline in figures["baselines"].values():
            reference = scale * baseline[task]
            margin = sign * (value - reference)
            cells.append(figure(reference) if margin != margin else f"{figure(reference)} ({margin:+.3g})")
        table.add_row(*cells, number(sigma.get(task)))
    screen.print(table)


def figure(value: float) -> str:
    """Three significant figures; a dash for no value."""
    return "–" if value != value else f"{value:.3g}"
