"""Show the validations of a run on its page: a small chart for every figure, and which step's model was kept."""

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.scenes.report.chart import NEUTRAL, TASK_COLORS, Series
from equipoise.scenes.report.curves import Chart, chart
from equipoise.scenes.report.figures import figure_name, shown_value, with_unit
from equipoise.scenes.report.words import listed
from equipoise.scenes.runs.record import RunRecord, ValidationRecord
from equipoise.scenes.training.selection import COMBINED, Validation, best_of
from equipoise.scenes.wording import counted, number, significant


@dataclass(frozen=True, kw_only=True)
class ValidationSection:
    """The charts of the validations, and sentences that explain them."""

    charts: tuple[Chart, ...]
    notes: tuple[str, ...]


def validation_section(record: RunRecord, validations: Sequence[Validation]) -> ValidationSection | None:
    """Return the page's section; ``None`` if the run was not validated during training."""
    how = record.validation
    if how is None or not validations:
        return None
    best = best_of(validations, how.better)
    step = None if best is None else float(best["step"])
    charts = [_chart(validations, name, how, step) for name in validations[0]["figures"]]
    if how.best_by == COMBINED:
        charts.insert(0, _drawn(validations, COMBINED, [v["score"] for v in validations], NEUTRAL, step))
    drawn = tuple(each for each in charts if each.drawing)
    return ValidationSection(charts=drawn, notes=tuple(_notes(record, how, validations, best)))


def _chart(validations: Sequence[Validation], name: str, how: ValidationRecord, mark: float | None) -> Chart:
    """Draw the figure ``TASK.FIGURE`` or ``SET.TASK.FIGURE`` in its unit."""
    owner, _, figure = name.rpartition(".")
    data, _, task = owner.rpartition(".")
    tasks = list(dict.fromkeys(key.rpartition(".")[2] for key in how.primary))
    label, unit = figure_name(task, figure, how.primary.get(owner))
    values = [shown_value(validation["figures"].get(name), unit) for validation in validations]
    color = tasks.index(task) % TASK_COLORS if task in tasks else NEUTRAL
    title = f"{data + ': ' if data else ''}{task}, {with_unit(label, unit)}"
    return _drawn(validations, title, values, color, mark)


def _drawn(
    validations: Sequence[Validation], title: str, values: Sequence[float | None], color: int, mark: float | None
) -> Chart:
    steps = [float(validation["step"]) for validation in validations]
    return chart(title, Series(steps=steps, values=values, color=color), mark=mark)


def _notes(
    record: RunRecord, how: ValidationRecord, validations: Sequence[Validation], best: Validation | None
) -> list[str]:
    """Say what was validated, how often, and which model is the best."""
    notes = [
        f"The validation split was evaluated every {counted(how.every, 'step')} and after the last one: "
        f"{counted(len(validations), 'time')} so far."
    ]
    if best is not None:
        notes.append(
            f"The dashed line marks step {number(best['step'])}, which has the best {how.best_by}, "
            f"{significant(best['score'])}. The number beside each name is the value at that step."
        )
    if how.best_by == COMBINED:
        notes.append(
            f"The {COMBINED} combines {listed(list(how.of))}. A figure for which higher is better, such as IoU, enters "
            "as 1 minus the figure. Halving any one error counts the same, whatever its unit. Lower is better."
        )
    if record.stopped_early:
        patience = counted(how.early_stopping, "validation")
        notes.append(f"Training stopped early because {patience} in a row brought no better {how.best_by}.")
    return notes


def model_note(record: RunRecord) -> str:
    """Say which step's model the figures belong to, if validation chose it; else empty."""
    model, how = record.model, record.validation
    if model is None or how is None or model.chosen != "best":
        return ""
    return (
        f"The figures are those of the model of step {number(model.step)} of {number(model.of)}, which was chosen by "
        f"its {how.best_by} on these validation images. Expect slightly worse figures on images that had no part in "
        "that choice."
    )
