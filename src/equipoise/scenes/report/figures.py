"""Figures as rows of tables: typed figures in, text out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.scenes.evaluation.figures import Comparison, SetFigures, TaskFigures
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import Primary
from equipoise.scenes.wording import counted, decimals, fixed, percent, significant

BASELINES = {"constant": "constants", "position": "per position"}


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A baseline in a row; ``better`` is ``None`` where there is no margin, which ``shown`` spells out."""

    name: str
    value: str
    shown: str
    better: bool | None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One task's primary figure, beside the baselines.

    All numbers of a row have the decimals that give its model three significant figures. ``data`` names one of several
    data sets with its number of images; ``images`` says on what the only one was measured.
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
        """Which way is better."""
        return "↑" if self.better == "higher" else "↓"


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class with its colour (CSS), its IoU in %, and the width of its bar, %."""

    name: str
    color: str
    value: str
    width: float


@dataclass(frozen=True, kw_only=True)
class SetResult:
    """What the page shows of one data set; ``title`` is empty for one alone."""

    title: str
    rows: list[Row]
    details: list[tuple[str, list[tuple[str, str]]]]
    classes: list[ClassRow]


def set_result(
    name: str, figures: SetFigures, sigma: Mapping[str, Any], vocabulary: SceneVocabulary | None
) -> SetResult:
    """What the page shows of one data set; ``name`` is empty for one alone."""
    return SetResult(
        title=f"{name}: {measured(figures)}".rstrip(": ") if name else "",
        rows=metric_rows(figures, sigma, name),
        details=detail_groups(figures),
        classes=class_rows(figures, vocabulary),
    )


def measured(figures: SetFigures) -> str:
    """On what the figures were measured; empty where that is not recorded."""
    return f"{counted(figures.images, 'image')} of “{figures.split}”" if figures.images else ""


def metric_rows(figures: SetFigures, sigma: Mapping[str, Any], data: str = "") -> list[Row]:
    """A row for each task; ``data`` names one of several data sets."""
    where = f"{data}, {counted(figures.images, 'image')}" if data else ""
    images = "" if data else measured(figures)
    return [
        _row(task, one, one.primary, significant(sigma.get(task)), where, images)
        for task, one in figures.tasks.items()
        if one.primary is not None
    ]


def _row(task: str, figures: TaskFigures, primary: Primary, sigma: str, data: str, images: str) -> Row:
    value = figure_value(figures.value, primary)
    places = decimals(value)
    return Row(
        task=task,
        label=primary.label,
        unit=primary.unit,
        better=primary.better,
        value=fixed(value, places),
        baselines=tuple(_compared(one, primary, places) for one in figures.comparisons),
        sigma=sigma,
        data=data,
        images=images,
    )


def _compared(comparison: Comparison, primary: Primary, places: int | None) -> Compared:
    return Compared(
        name=BASELINES.get(comparison.baseline, comparison.baseline),
        value=fixed(figure_value(comparison.value, primary), places),
        shown=fixed(figure_value(comparison.margin, primary), places, sign=True),
        better=None if comparison.margin is None else comparison.better,
    )


def detail_groups(figures: SetFigures) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every figure of each task: its name with the unit, and its value."""
    groups = []
    for task, one in figures.tasks.items():
        shown = [
            (figure_name(name, one.primary), significant(figure_value(value, one.primary)))
            for name, value in one.values.items()
            if not isinstance(value, dict)
        ]
        groups.append((task, shown))
    return [group for group in groups if group[1]]


WITHOUT_UNIT = ("abs_rel", "rmse_log", "delta_1", "delta_2", "delta_3", "share_in_metres")
UNITS = {"rmse_m": "m"} | dict.fromkeys(WITHOUT_UNIT, "")
"""The units of figures that differ from the unit of their task's primary figure."""


def figure_name(name: str, primary: Primary | None) -> str:
    """What tables and charts call a figure, with its unit: most of a task share the unit of its primary figure."""
    unit = UNITS.get(name, "" if primary is None else primary.unit)
    plain = name.removesuffix(f"_{unit}").replace("_", " ")
    label = primary.label if primary is not None and name == primary.metric else plain
    return f"{label}, {unit}" if unit else label


def figure_value(value: float | None, primary: Primary | None) -> float | None:
    """A figure as tables and charts show it: shares in % where the primary figure is."""
    scale = 100 if primary is not None and primary.unit == "%" else 1
    return None if value is None else scale * float(value)


def class_rows(figures: SetFigures, vocabulary: SceneVocabulary | None) -> list[ClassRow]:
    """Each class with its colour and IoU in %."""
    iou = figures.tasks["semantic"].by_class("iou") if "semantic" in figures.tasks else {}
    colors = {} if vocabulary is None else {c.name: c.color for c in vocabulary.classes}
    rows = []
    for name, value in iou.items():
        red, green, blue = colors.get(name, (128, 128, 128))
        width = min(max(100 * (value or 0.0), 0.0), 100.0)
        rows.append(ClassRow(name=name, color=f"rgb({red},{green},{blue})", value=percent(value), width=width))
    return rows


def legend(results: list[SetResult]) -> list[ClassRow]:
    """Each class that occurs in some data set, once."""
    shown = [row for result in results for row in result.classes if row.value != "–"]
    return list({row.name: row for row in shown}.values())


def score(figures: TaskFigures | None, value: float | None) -> str:
    """One image's figure of a task, with its unit; empty where it has none."""
    primary = None if figures is None else figures.primary
    if primary is None or value is None:
        return ""
    return f"{primary.label} {significant(figure_value(value, primary))} {primary.unit}".strip()
