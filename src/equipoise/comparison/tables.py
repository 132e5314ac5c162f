"""The table of a comparison as CSV, JSON, Markdown and LaTeX."""

import csv
import io
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from equipoise.comparison import store
from equipoise.comparison.records import Comparison, Metric
from equipoise.comparison.statistics import Interval, percent, signed
from equipoise.comparison.summary import RowSummary, Summary, summarize
from equipoise.comparison.words import paragraph

NOTE = (
    "Test values: mean ± standard deviation over seeds. Error: a figure itself, or where higher is better its "
    "distance from the best possible value (100 % − mean IoU, 1 − AUC). Change: the error relative to the row "
    "“{reference}”, the geometric mean over tasks, in % (below 0 is better), with a 95 % bootstrap interval over "
    "seeds; worst task: the task with the highest such change.{by_others} Δm: against each task trained alone, in % "
    "(above 0 is better); worst against alone: the task whose error grew most, in %. Rank: the mean over seeds. Runs, "
    "steps and seconds: all of the row’s runs, tuning included, divided by the number of its seeds."
)
BY_OTHERS = (
    " By other seeds: the change where the candidate of each seed is the best one in the other seeds. It shows what a "
    "setting is worth when it is trained again, since the luck of a single run cannot be chosen."
)
LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": "$-$",
    "Δ": r"$\Delta$",
    "σ": r"$\sigma$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "–": "--",
}
NONE = "–"


def cells(summary: Summary) -> list[list[str]]:
    """The table as text, the head first."""
    arrows = [f"{metric.key}{_unit(metric)} {'↑' if metric.higher_is_better else '↓'}" for metric in summary.metrics]
    head = [
        "Row",
        *arrows,
        "change %",
        "worst task %",
        *(["by other seeds %"] if summary.has_choice else []),
        "Δm %",
        "worst against alone %",
        "rank",
        "runs",
        "failed",
        "steps",
        "seconds",
    ]
    return [head, *(_cells(summary, row) for row in summary.rows)]


def markdown(summary: Summary) -> str:
    """The table in Markdown, with a note on its columns and a list of what each row is."""
    head, *rows = cells(summary)
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    table = "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
    legend = "\n".join(_legend(row) for row in summary.rows)
    note = NOTE.format(reference=summary.reference, by_others=BY_OTHERS if summary.has_choice else "")
    return f"{table}\n\n{note}\n\n{legend}\n"


def latex(summary: Summary) -> str:
    """The table as a LaTeX ``tabular`` with the rules of the package booktabs."""
    head, *rows = [[_latex(cell) for cell in line] for line in cells(summary)]
    body = "\n".join(" & ".join(line) + r" \\" for line in rows)
    columns = "l" + "r" * (len(head) - 1)
    return (
        f"\\begin{{tabular}}{{{columns}}}\n\\toprule\n{' & '.join(head)} \\\\\n\\midrule\n{body}\n\\bottomrule\n"
        "\\end{tabular}\n"
    )


def comma_separated(summary: Summary) -> str:
    """One line a row, with full precision and a column for each end of an interval."""
    lines = [_numbers(summary, row) for row in summary.rows]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def as_json(summary: Summary) -> str:
    """All figures of the summary; records are in ``comparison.json``."""
    values = asdict(summary)
    for row, given in zip(values["rows"], summary.rows, strict=True):
        runs = given.selected.runs
        row["selected"] |= {
            "runs": {seed: run.candidate for seed, run in runs.items()},
            "failed": [f"{run.candidate}, seed {run.seed}: {run.error}" for run in given.selected.failed],
        }
    return json.dumps(_without_nan(values), indent=1, ensure_ascii=False)


def write(comparison: Comparison, folder: Path) -> None:
    """Write ``comparison.json`` with all records, and ``table.csv``, ``.json``, ``.md`` and ``.tex``."""
    summary = summarize(comparison)
    folder.mkdir(parents=True, exist_ok=True)
    store.replace(folder / "comparison.json", comparison.to_json())
    store.replace(folder / "table.csv", comma_separated(summary))
    store.replace(folder / "table.json", as_json(summary))
    store.replace(folder / "table.md", f"# {summary.title}\n\n{markdown(summary)}\n{paragraph(summary)}\n")
    store.replace(folder / "table.tex", latex(summary))


def _cells(summary: Summary, row: RowSummary) -> list[str]:
    selected = row.selected
    gain = row.delta_m
    return [
        row.row.name,
        *(_value(row, metric) for metric in summary.metrics),
        "reference" if row.row.name == summary.reference else _change(row.change),
        _worst(row.worst),
        *([_change(row.by_others)] if summary.has_choice else []),
        _change(gain, float),
        _worst(row.worst_alone),
        NONE if row.rank is None else f"{row.rank:.1f}",
        f"{selected.tried / max(selected.seeds, 1):.3g}",
        str(len(selected.failed)),
        f"{selected.steps:.0f}",
        f"{selected.seconds:.1f}",
    ]


def _legend(row: RowSummary) -> str:
    chosen = ", ".join(f"{name} ({count})" for name, count in row.selected.candidates.items())
    return f"- {row.row.name}: {row.row.description}. Chosen, with the number of seeds: {chosen or 'nothing'}."


def _value(row: RowSummary, metric: Metric) -> str:
    spread = row.test.get(metric.key)
    if spread is None:
        return NONE
    return f"{spread.mean:.4g} ± {spread.deviation:.2g}" if spread.count > 1 else f"{spread.mean:.4g}"


def _change(interval: Interval | None, scale: Callable[[float], float] = percent) -> str:
    if interval is None:
        return NONE
    mean, low, high = (signed(scale(value)) for value in (interval.mean, interval.low, interval.high))
    return f"{mean} [{low}, {high}]" if interval.count > 1 else mean


def _worst(worst: tuple[str, Interval] | None) -> str:
    return NONE if worst is None else f"{worst[0]} {signed(percent(worst[1].mean))}"


def _unit(metric: Metric) -> str:
    return f" [{metric.unit}]" if metric.unit else ""


def _latex(text: str) -> str:
    return "".join(LATEX.get(mark, mark) for mark in text)


def _numbers(summary: Summary, row: RowSummary) -> dict[str, Any]:
    found: dict[str, Any] = {"row": row.row.name, "description": row.row.description}
    for metric in summary.metrics:
        spread = row.test.get(metric.key)
        found[f"{metric.key} mean"] = "" if spread is None else spread.mean
        found[f"{metric.key} standard deviation"] = "" if spread is None else spread.deviation
    found |= _ends("change %", row.change, percent) | _ends("by other seeds %", row.by_others, percent)
    found |= _ends("delta m %", row.delta_m, float)
    for name, worst in (("worst task", row.worst), ("worst against alone", row.worst_alone)):
        found |= {name: "" if worst is None else worst[0]} | _ends(f"{name} %", worst and worst[1], percent)
    selected = row.selected
    return found | {
        "rank": "" if row.rank is None else row.rank,
        "seeds": len(selected.runs),
        "runs": selected.tried,
        "failed": len(selected.failed),
        "steps a seed": selected.steps,
        "seconds a seed": selected.seconds,
        "chosen": "; ".join(f"{name} ({count})" for name, count in selected.candidates.items()),
    }


def _ends(name: str, interval: Interval | None, scale: Any) -> dict[str, Any]:
    values: Sequence[Any] = ("", "", "")
    if interval is not None:
        values = [scale(value) for value in (interval.mean, interval.low, interval.high)]
    return dict(zip((name, f"{name} low", f"{name} high"), values, strict=True))


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _without_nan(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
