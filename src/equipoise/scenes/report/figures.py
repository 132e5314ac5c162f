"""Format figures as rows of tables, for the page and the terminal."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.scenes.evaluation.figures import Comparison, SetFigures, TaskFigures
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import TASKS, Primary
from equipoise.scenes.wording import counted, decimals, fixed, significant

BASELINES = {"constant": "constants", "position": "per position"}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A baseline in a row; ``better`` is ``None`` if there is no margin, and ``margin`` is a dash then."""

    name: str
    value: str
    margin: str
    better: bool | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """The primary figure of one task, beside the baselines.

    All numbers of a row have as many decimals as give the model's three significant digits.

    Attributes:
        data: the data set with its number of images, if there are several sets.
        images: the images of the only data set.
    """

    task: str
    label: str
    unit: str
    better: str
    value: str
    baselines: tuple[Compared, ...]
    sigma: str
    data: str
    images: str

    @property
    def arrow(self) -> str:
        """Whether higher or lower is better, as an arrow."""
        return "↑" if self.better == "higher" else "↓"


@dataclass(frozen=True, kw_only=True)
class Detail:
    """One figure of a task: its name with the unit, and its value."""

    name: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Details:
    """All figures of one task that are numbers."""

    task: str
    figures: tuple[Detail, ...]


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """A figure of one class: the class's colour in CSS, the value, and the width of its bar, both in %."""

    name: str
    color: str
    value: str
    width: float


@dataclass(frozen=True, kw_only=True)
class ClassFigures:
    """A figure of every class, such as the IoU."""

    task: str
    label: str
    rows: tuple[ClassRow, ...]


@dataclass(frozen=True, kw_only=True)
class SetResult:
    """What the page shows of one data set; ``title`` is empty if there is only one."""

    title: str
    rows: tuple[Row, ...]
    details: tuple[Details, ...]
    classes: tuple[ClassFigures, ...]


def set_result(
    name: str, figures: SetFigures, sigma: Mapping[str, Any], vocabulary: SceneVocabulary | None
) -> SetResult:
    """Format the figures of one data set; ``name`` is empty if there is only one."""
    return SetResult(
        title=f"{name}: {measured(figures)}".rstrip(": ") if name else "",
        rows=metric_rows(figures, sigma, name),
        details=details(figures),
        classes=class_figures(figures, vocabulary),
    )


def measured(figures: SetFigures) -> str:
    """Name the images that the figures were measured on; empty if the number is not recorded."""
    return f"{counted(figures.images, 'image')} of “{figures.split}”" if figures.images else ""


def metric_rows(figures: SetFigures, sigma: Mapping[str, Any], data: str = "") -> tuple[Row, ...]:
    """Return a row for each task; ``data`` names one of several data sets."""
    where = f"{data}, {counted(figures.images, 'image')}" if data else ""
    images = "" if data else measured(figures)
    rows = []
    for task, one in figures.tasks.items():
        if (primary := one.primary) is None:
            continue
        value = shown_value(one.value, primary.unit)
        compared = tuple(_compared(each, primary, decimals(value)) for each in one.comparisons)
        rows.append(
            Row(
                task=task,
                label=primary.label,
                unit=primary.unit,
                better=primary.better,
                value=fixed(value, decimals(value)),
                baselines=compared,
                sigma=significant(sigma.get(task)),
                data=where,
                images=images,
            )
        )
    return tuple(rows)


def _compared(comparison: Comparison, primary: Primary, places: int | None) -> Compared:
    return Compared(
        name=BASELINES.get(comparison.baseline, comparison.baseline),
        value=fixed(shown_value(comparison.value, primary.unit), places),
        margin=fixed(shown_value(comparison.margin, primary.unit), places, sign=True),
        better=None if comparison.margin is None else comparison.better,
    )


def details(figures: SetFigures) -> tuple[Details, ...]:
    """Return every figure of each task that is a number."""
    groups = []
    for task, one in figures.tasks.items():
        found = []
        for name, value in one.values.items():
            if not isinstance(value, dict):
                label, unit = figure_name(task, name, one.primary)
                found.append(Detail(name=with_unit(label, unit), value=significant(shown_value(value, unit))))
        groups.append(Details(task=task, figures=tuple(found)))
    return tuple(group for group in groups if group.figures)


def also_shown(figures: SetFigures) -> tuple[Details, ...]:
    """Return the figures that tasks want shown beside their primary ones, if they have values."""
    found = []
    for task, one in figures.tasks.items():
        values = {name: one.values.get(name) for name in (TASKS[task].also_shown if task in TASKS else ())}
        known = {name: value for name, value in values.items() if isinstance(value, float)}
        named = {figure_name(task, name, one.primary): value for name, value in known.items()}
        shown = (
            Detail(name=label, value=f"{significant(shown_value(value, unit))} {unit}".strip())
            for (label, unit), value in named.items()
        )
        found.append(Details(task=task, figures=tuple(shown)))
    return tuple(each for each in found if each.figures)


def figure_name(task: str, figure: str, primary: Primary | None) -> tuple[str, str]:
    """Return the label and the unit of a figure; unless the task says otherwise, it has the primary figure's unit."""
    if task in TASKS and figure in TASKS[task].figure_names:
        return TASKS[task].figure_names[figure]
    if primary is None:
        return figure.replace("_", " "), ""
    plain = figure.removesuffix(f"_{primary.unit}").replace("_", " ")
    return primary.label if figure == primary.metric else plain, primary.unit


def with_unit(label: str, unit: str) -> str:
    """Append a unit, if there is one."""
    return f"{label}, {unit}" if unit else label


def shown_value(value: float | None, unit: str) -> float | None:
    """Return a figure as tables and charts show it: fractions of 1 in %."""
    return None if value is None else float(value) * (100 if unit == "%" else 1)


def class_figures(figures: SetFigures, vocabulary: SceneVocabulary | None) -> tuple[ClassFigures, ...]:
    """Return the figures that tasks have for each class, with the colours of the classes."""
    colors = {} if vocabulary is None else {c.name: c.color for c in vocabulary.classes}
    found = []
    for task, one in figures.tasks.items():
        for figure, label in TASKS[task].class_figures.items() if task in TASKS else ():
            rows = tuple(_class_row(name, value, colors) for name, value in one.by_class(figure).items())
            found.append(ClassFigures(task=task, label=label, rows=rows))
    return tuple(each for each in found if each.rows)


def _class_row(name: str, value: float | None, colors: Mapping[str, tuple[int, int, int]]) -> ClassRow:
    red, green, blue = colors.get(name, (128, 128, 128))
    share = shown_value(value, "%")
    width = min(max(share or 0.0, 0.0), 100.0)
    return ClassRow(name=name, color=f"rgb({red},{green},{blue})", value=fixed(share, 1), width=width)


def legend(results: Iterable[SetResult], shown: Iterable[str]) -> tuple[ClassRow, ...]:
    """Return each class that occurs in some data set, once, if one of the ``shown`` tasks draws classes."""
    drawn = {task for task in shown if task in TASKS and TASKS[task].shows_classes}
    classes = [each for result in results for each in result.classes if each.task in drawn]
    return tuple({row.name: row for each in classes for row in each.rows if row.value != "–"}.values())


def score(figures: TaskFigures | None, value: float | None) -> str:
    """Format one image's figure of a task, with its unit; empty if it has none."""
    primary = None if figures is None else figures.primary
    if primary is None or value is None:
        return ""
    return f"{primary.label} {significant(shown_value(value, primary.unit))} {primary.unit}".strip()
