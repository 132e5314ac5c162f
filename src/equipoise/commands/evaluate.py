"""``equipoise evaluate RUN``."""

import json as json_format
from pathlib import Path
from typing import Any

from rich.table import Table

from equipoise.commands.display import number, output
from equipoise.commands.results import print_results
from equipoise.commands.watch import watch
from equipoise.scenes.results import evaluate_run, without_nan


def evaluate(
    run: Path,
    /,
    *,
    recipe: Path | None = None,
    split: str = "",
    data: str = "",
    baselines: bool = True,
    json: bool = False,
) -> None:
    """Evaluate a trained run: the figures of each task, beside the baselines.

    Mean IoU comes from one confusion matrix over all images; errors count every labelled pixel once. Figures are taken
    at the size of the labels as given. Depth has errors in metres too where its labels are in metres, or where the data
    describe a stereo camera.

    Args:
        run: the folder that train wrote.
        recipe: a recipe whose data sets to evaluate on, in place of those it was trained on: other data, or the same
            where they lie now.
        split: the split to evaluate on; by default each data set's validation split.
        data: one of the recipe's data sets, the first is called data; by default all of them.
        baselines: evaluate the two baselines too; without them the run's metrics.json stays as it is.
        json: print the figures as JSON on standard output.
    """
    figures = evaluate_run(run, watch(), elsewhere=recipe, split=split, data=data, baselines=baselines)
    if json:
        print(json_format.dumps(without_nan(figures), indent=1))
        return
    screen = output()
    print_results(figures, screen)
    for name, one in {"": figures, **figures.get("also", {})}.items():
        for task, values in one["tasks"].items():
            screen.print(_all_figures(f"{name}, {task}" if name else task, values))
        if iou := one["tasks"].get("semantic", {}).get("iou"):
            screen.print(_class_table(iou, name))


def _all_figures(task: str, values: dict[str, Any]) -> str:
    plain = {name: value for name, value in values.items() if isinstance(value, int | float | str)}
    return f"{task}: " + ", ".join(
        f"{name} {value if isinstance(value, str) else number(value)}" for name, value in plain.items()
    )


def _class_table(iou: dict[str, float], data: str) -> Table:
    table = Table(title="IoU by class, %" + (f", {data}" if data else ""), title_justify="left")
    table.add_column("class")
    table.add_column("IoU", justify="right")
    for name, value in iou.items():
        table.add_row(name, "–" if value != value else f"{100 * value:.1f}")
    return table
