"""Gather the records of a comparison."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from equipoise.comparison.records import Comparison, Metric, RowInfo, RunRecord
from equipoise.errors import RunError
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.plan import Plan, PlannedRun

REFERENCE = "equal"


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What is known of a comparison so far.

    Attributes:
        comparison: of the rows that have a record, for tables and statistics; candidates by their descriptions.
        missing: the names of the runs that are still to be made.
        counts: the numbers of images to train, choose and report on.
    """

    comparison: Comparison
    missing: tuple[str, ...]
    counts: Mapping[str, int]


def known_records(plan: Plan, folder: ComparisonFolder) -> tuple[list[PlannedRun], dict[str, RunRecord], list[Metric]]:
    """Return the runs that are known so far, the records of those that have one, and the metrics.

    Raises:
        RunError: no comparison was started there, a file is damaged, or a run has other settings.
    """
    metrics, _ = folder.read_overview()
    first = folder.records(plan.first_round())
    runs = plan.runs(first, metrics)
    return runs, folder.records(runs), metrics


def missing_runs(plan: Plan, folder: ComparisonFolder) -> list[PlannedRun]:
    """Return the runs that can be made now and have no record, the lowest seeds first.

    Runs that depend on others follow when these are done.

    Raises:
        RunError: see ``known_records``.
    """
    runs, records, _ = known_records(plan, folder)
    return sorted((run for run in runs if run.name not in records), key=lambda run: run.seed)


def next_runs(plan: Plan, folder: ComparisonFolder) -> list[PlannedRun]:
    """Return the missing runs of the lowest seed, so that stopping early leaves whole seeds of all rows.

    Raises:
        RunError: see ``known_records``.
    """
    missing = missing_runs(plan, folder)
    return [run for run in missing if run.seed == missing[0].seed]


def collected(plan: Plan, folder: ComparisonFolder) -> Collected:
    """Gather what there is.

    Raises:
        RunError: there is no record at all; see ``known_records``.
    """
    runs, records, metrics = known_records(plan, folder)
    _, counts = folder.read_overview()
    if not records:
        raise RunError(f"expected records of runs at {folder.path}, found none: make some runs first")
    made = [run for run in runs if run.name in records]
    names = {run.row.name for run in made}
    rows = tuple(
        RowInfo(name=row.name, description=row.description, tasks=row.tasks, control_of=row.control_of)
        for row in plan.rows
        if row.name in names
    )
    comparison = Comparison(
        title=plan.title,
        metrics=tuple(metrics),
        rows=tuple(_with_known_control(row, names) for row in rows),
        records=tuple(_described(run, records[run.name]) for run in made),
        reference=reference(rows, plan),
    )
    return Collected(
        comparison=comparison,
        missing=tuple(run.name for run in runs if run.name not in records),
        counts=counts,
    )


def reference(rows: tuple[RowInfo, ...], plan: Plan) -> str:
    """Return the row that others are compared with: equal weights, or else the first that trains all tasks."""
    whole = [row.name for row in rows if set(row.tasks) == set(plan.recipe.tasks)]
    return next((name for name in (REFERENCE, *whole) if name in whole), rows[0].name)


def _with_known_control(row: RowInfo, names: set[str]) -> RowInfo:
    return row if row.control_of in names else dataclasses.replace(row, control_of=None)


def _described(run: PlannedRun, record: RunRecord) -> RunRecord:
    """Return the record with what its candidate is in words; the name is added where two read alike."""
    says = [candidate.description for candidate in run.row.candidates]
    own = run.candidate.description
    return dataclasses.replace(record, candidate=own if says.count(own) == 1 else f"{own} ({run.candidate.name})")
