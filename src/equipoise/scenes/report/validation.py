"""The validations of a run on its page: a small chart for every figure, and which step's model was kept."""

from typing import Any

from markupsafe import Markup

from equipoise.scenes.report.chart import Series, line_chart
from equipoise.scenes.report.curves import ending
from equipoise.scenes.report.figures import figure_name, figure_value
from equipoise.scenes.report.words import listed
from equipoise.scenes.runs.record import RunRecord, ValidationRecord
from equipoise.scenes.training.selection import COMBINED, Validation, best_of
from equipoise.scenes.wording import counted, number, significant

NEUTRAL = 3
"""The colour of what belongs to no task."""


def validation_section(record: RunRecord, validations: list[Validation]) -> dict[str, Any] | None:
    """``charts`` and ``notes`` for the page; ``None`` where the run was not validated during training."""
    how = record.validation
    if how is None or not validations:
        return None
    best = best_of(validations, how.better)
    step = None if best is None else best["step"]
    charts = [_chart(validations, name, how, step) for name in validations[0]["figures"]]
    if how.best_by == COMBINED:
        charts.insert(0, _drawn(validations, COMBINED, [v["score"] for v in validations], NEUTRAL, step))
    return {"charts": [chart for chart in charts if chart["svg"]], "notes": _notes(record, how, validations, best)}


def _chart(validations: list[Validation], name: str, how: ValidationRecord, mark: float | None) -> dict[str, Any]:
    """The chart of one figure, in its unit: ``TASK.FIGURE``, or ``SET.TASK.FIGURE``."""
    task, _, figure = name.rpartition(".")
    tasks = list(dict.fromkeys(key.rpartition(".")[2] for key in how.primary))
    primary = how.primary.get(task)
    values = [figure_value(validation["figures"].get(name), primary) for validation in validations]
    owner, _, task_name = task.rpartition(".")
    color = tasks.index(task_name) % 4 if task_name in tasks else NEUTRAL
    title = f"{owner + ': ' if owner else ''}{task_name}, {figure_name(figure, primary)}"
    return _drawn(validations, title, values, color, mark)


def _drawn(
    validations: list[Validation], title: str, values: list[float | None], color: int, mark: float | None
) -> dict[str, Any]:
    steps = [float(validation["step"]) for validation in validations]
    series = Series(steps=steps, values=values, color=color)
    shown = next((value for step, value in zip(steps, values, strict=True) if step == mark), None)
    svg = Markup(line_chart(series, title, mark=mark))
    return {"title": title, "svg": svg, "last": ending(shown, series), "color": color}


def _notes(
    record: RunRecord, how: ValidationRecord, validations: list[Validation], best: Validation | None
) -> list[str]:
    """What was validated and how often, which model is the best, and what follows for the figures under Results."""
    notes = [
        f"Evaluated on the validation split every {counted(how.every, 'step')} and after the last one: "
        f"{counted(len(validations), 'time')} so far."
    ]
    if best is not None:
        notes.append(
            f"The dashed line is step {number(best['step'])}, which has the best {how.best_by}, "
            f"{significant(best['score'])}; the number beside each name is that step’s."
        )
    if how.best_by == COMBINED:
        notes.append(
            f"The {COMBINED} is taken over {listed(list(how.of))}; a figure that is better the higher, such as IoU, "
            "enters as 1 minus the figure. Halving any one error counts the same, whatever its unit. Lower is better."
        )
    if record.stopped_early:
        patience = counted(how.early_stopping, "validation")
        notes.append(f"Training stopped early, as {patience} brought no better {how.best_by}.")
    return notes


def model_note(record: RunRecord) -> str:
    """Which step's model the figures are of, where validation chose it; empty where it did not."""
    model, how = record.model, record.validation
    if model is None or how is None or model.chosen != "best":
        return ""
    return (
        f"The model is that of step {number(model.step)} of {number(model.of)}, chosen by "
        f"{how.best_by} on the validation images. On images that had no part in that choice, "
        "expect figures that are slightly worse."
    )
