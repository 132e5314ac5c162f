"""What a comparison shows and does not show, in words."""

import math
from collections.abc import Sequence

from equipoise.comparison.statistics import Interval, percent, signed
from equipoise.comparison.summary import Summary

FEW_SEEDS = 6
"""With fewer, no test that only uses the signs of the differences can reach the level 5 %: 2/2⁵ is 6 %."""


def paragraph(summary: Summary) -> str:
    """A paragraph that says which differences are significant, from the intervals alone."""
    return " ".join(sentences(summary))


def sentences(summary: Summary) -> list[str]:
    """The sentences of ``paragraph``."""
    parts = (_setting, _changes, _by_others, _best, _alone, _ranks)
    return [sentence for part in parts for sentence in part(summary)]


def _setting(summary: Summary) -> list[str]:
    seeds, tried = len(summary.seeds), sum(row.selected.tried for row in summary.rows)
    found = [
        f"{_count(len(summary.rows), 'row')} and {_count(seeds, 'seed')} took {_count(tried, 'run')}.",
        "The candidate of each row and the checkpoint of each run were chosen on validation data; all figures are from "
        "the test set.",
    ]
    if seeds == 1:
        found.append("A single seed has no intervals, so no difference is shown: it may be chance.")
    elif not _enough(summary):
        found.append(
            f"With {_count(seeds, 'seed')} the intervals are too short for any claim of significance: what follows are "
            "hints."
        )
    failed = [f"{_quoted(row.row.name)} ({len(row.selected.failed)})" for row in summary.rows if row.selected.failed]
    if failed:
        found.append(f"Runs failed in {_listed(failed)}.")
    return found


def _changes(summary: Summary) -> list[str]:
    """Rows that differ from the reference."""
    compared = {row.row.name: row.change for row in summary.rows if row.change is not None and not row.row.is_single}
    better = [name for name, change in compared.items() if change.excludes_zero and change.mean < 0.0]
    worse = [name for name, change in compared.items() if change.excludes_zero and change.mean > 0.0]
    level = [name for name in compared if name not in better and name not in worse]
    significantly = "significantly " if _enough(summary) else ""
    found = []
    for names, verdict in ((better, "lower"), (worse, "higher")):
        if names:
            shown = _listed([f"{_quoted(name)} ({_in_percent(compared[name])})" for name in names])
            found.append(
                f"Relative to {_quoted(summary.reference)}, the error is {significantly}{verdict} (95 % interval "
                f"without 0) with {shown}."
            )
    if level:
        shown = _listed([f"{_quoted(name)} ({_in_percent(compared[name])})" for name in level])
        found.append(f"No difference from {_quoted(summary.reference)} is shown for {shown}.")
    if _enough(summary) and (better or worse):
        found.append(_multiplicity(summary, len(compared), [*better, *worse]))
    return found


def _by_others(summary: Summary) -> list[str]:
    """What searched settings are worth when they are trained again."""
    fewest = min(row.selected.tried for row in summary.rows)
    searched = [
        f"{_quoted(row.row.name)} ({_in_percent(row.by_others)})"
        for row in summary.rows
        if row.by_others is not None and not row.row.is_single and row.selected.tried > fewest
    ]
    if not searched:
        return []
    return [
        "A row that chooses among many runs also chooses a lucky one.",
        "If each seed’s candidate is instead the best one of the other seeds, for "
        f"{_quoted(summary.reference)} too, the change is: {_listed(searched)}.",
    ]


def _multiplicity(summary: Summary, many: int, significant: Sequence[str]) -> str:
    corrected = {name: summary[name].corrected for name in significant}
    kept = [_quoted(name) for name, interval in corrected.items() if interval is not None and interval.excludes_zero]
    verb = "remain" if len(kept) > 1 else "remains"
    return (
        f"Of {_count(many, 'comparison')} about {0.05 * many:.1f} would exclude 0 by chance alone; with intervals "
        f"widened for their number (Bonferroni), {_listed(kept or ['none'])} {verb}."
    )


def _best(summary: Summary) -> list[str]:
    """Name the row of lowest mean error, and the rows whose difference from it may be zero."""
    if summary.best is None or not summary.to_best:
        return []
    level = [_quoted(name) for name, interval in summary.to_best.items() if not interval.excludes_zero]
    text = f"{_quoted(summary.best)} has the lowest mean error"
    if not level:
        return [f"{text}; the 95 % intervals of all other rows that train all tasks lie above it."]
    return [f"{text}; no difference from it is shown for {_listed(level)}."]


def _alone(summary: Summary) -> list[str]:
    """Tasks that lose by being trained with others."""
    lost = [
        f"{task} with {_quoted(row.row.name)} ({_in_percent(interval)})"
        for row in summary.rows
        for task, interval in row.alone.items()
        if interval.excludes_zero and interval.mean > 0.0
    ]
    if not any(row.alone for row in summary.rows):
        return []
    if not lost:
        return ["No task is shown to lose by being trained with the others."]
    return [f"Worse than being trained alone (95 % interval above 0): {_listed(lost)}."]


def _ranks(summary: Summary) -> list[str]:
    ranking = summary.ranking
    if math.isnan(ranking.p_value):  # Too few rows or seeds.
        return []
    outcome = "differ" if ranking.p_value < 0.05 else "are not shown to differ"
    return [
        f"The mean ranks over seeds {outcome} (Friedman, p = {ranking.p_value:.2g}); two of them differ significantly "
        f"where they are more than {ranking.critical_difference:.1f} apart (Nemenyi).",
        "All of this is about this problem and this budget; repetitions with other seeds say nothing about other data.",
    ]


def _enough(summary: Summary) -> bool:
    return len(summary.seeds) >= FEW_SEEDS


def _in_percent(interval: Interval) -> str:
    return f"{signed(percent(interval.mean))} %"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _quoted(name: str) -> str:
    """In quotation marks, since names of rows have commas."""
    return f"“{name}”"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
