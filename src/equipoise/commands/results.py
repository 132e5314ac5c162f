"""The table of results: each task's figure beside what can be known without looking at the image."""

from typing import Any

from rich.console import Console
from rich.table import Table

from equipoise.commands.display import number


def print_results(figures: dict[str, Any], screen: Console) -> None:
    """Print each task's primary figure, the two baselines, and the margins over them (positive: better)."""
    table = Table(title=f"{figures['images']} images of {figures['split']}", title_justify="left")
    for title, justify in [("task", "left"), ("measure", "left"), ("model", "right")]:
        table.add_column(title, justify=justify)  # type: ignore[arg-type]
    names = {"constant": "constants", "position": "per position"}
    for baseline in figures["baselines"]:
        table.add_column(names[baseline], justify="right")
        table.add_column("margin", justify="right")
    table.add_column("σ", justify="right")
    for task, primary in figures["primary"].items():
        scale = 100 if primary["unit"] == "%" else 1
        value = scale * figures["tasks"][task][primary["metric"]]
        sign = 1 if primary["better"] == "higher" else -1
        arrow = "↑" if sign > 0 else "↓"
        cells = [task, f"{primary['label']} {primary['unit']}".rstrip() + f" {arrow}", figure(value)]
        for baseline in figures["baselines"].values():
            reference = scale * baseline[task]
            cells += [figure(reference), f"{sign * (value - reference):+.3g}"]
        table.add_row(*cells, number(figures["sigma"].get(task)))
    screen.print(table)


def figure(value: float) -> str:
    """Three significant figures; a dash for no value."""
    return "–" if value != value else f"{value:.3g}"
