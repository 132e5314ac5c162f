"""The report of a comparison: one self-contained page, and its table as CSV, JSON, Markdown and LaTeX."""

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

from equipoise.comparison.records import Comparison
from equipoise.comparison.summary import RowSummary, Summary, summarize
from equipoise.comparison.tables import as_json, write
from equipoise.comparison.words import paragraph
from equipoise.scenes.comparison.collect import Collected
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.plan import Plan
from equipoise.scenes.comparison.plots import Plot, change_plot, rank_plot, sweep_plot, weight_plots
from equipoise.scenes.comparison.rows import SWEEP
from equipoise.scenes.comparison.table import Table, main_table, short_table
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.report.template import rendered
from equipoise.scenes.report.words import duration
from equipoise.scenes.wording import counted, fixed

SENTENCE = re.compile(r"(?<=[.]) (?=[A-Z“])")
"""Between two sentences of the conclusions."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a report says, for the terminal too.

    Attributes:
        path: of the page.
        title: of the table.
        columns: its titles.
        rows: its cells.
        words: what is significant and what is not.
        table: all figures, as JSON.
    """

    path: Path
    title: str
    columns: tuple[str, ...]
    rows: list[list[str]]
    words: str
    table: str


def write_report(found: Collected, plan: Plan, folder: ComparisonFolder) -> Page:
    """Write the page and the tables beside it."""
    summary = summarize(without_sweep(found.comparison))
    table, short = main_table(summary), short_table(summary)
    words = paragraph(summary)
    write_atomic(folder.report, _rendered(found, plan, summary, table, words).encode(errors="replace"))
    write(found.comparison, folder.path)
    return Page(
        path=folder.report,
        title=f"{plan.title}: figures on the test images, mean over seeds",
        columns=("row", *short.titles),
        rows=short.as_texts(),
        words=words,
        table=as_json(summary),
    )


def without_sweep(comparison: Comparison) -> Comparison:
    """Return the comparison without the points of a sweep, which have plots of their own."""
    rows = tuple(row for row in comparison.rows if not row.name.startswith(SWEEP))
    if comparison.reference not in [row.name for row in rows]:
        return comparison
    records = tuple(record for record in comparison.records if not record.row.startswith(SWEEP))
    return replace(comparison, rows=rows, records=records)


def _rendered(found: Collected, plan: Plan, summary: Summary, table: Table, words: str) -> str:
    failed = [record for record in found.comparison.records if record.failed]
    return rendered(
        "equipoise.scenes.comparison",
        title=plan.title,
        table=table,
        summary=summary,
        words=SENTENCE.split(words),
        lead=lead(found, plan),
        missing=found.missing,
        changes=change_plot(summary),
        ranks=rank_plot(summary.ranking),
        sweep=_sweep_plots(plan, found),
        weights=weight_plots(summary),
        failed=failed,
        cost=cost(found, summary),
        facts=facts(found, plan),
        duration=duration,
    )


def lead(found: Collected, plan: Plan) -> str:
    """Say what was compared, in how many runs."""
    made = len(found.comparison.records)
    return (
        f"{counted(len(found.comparison.rows), 'way')} of training {', '.join(plan.recipe.tasks)}, together or alone; "
        f"{counted(made, 'run')} of {counted(plan.recipe.training.steps, 'step')} each"
    )


def facts(found: Collected, plan: Plan) -> list[tuple[str, str]]:
    """Return how the comparison was made."""
    images = ", ".join(f"{count} {purpose}" for purpose, count in found.counts.items())
    factors = ", ".join(f"{factor:g}" for factor in plan.settings.lr_factors)
    splits = [(name, plan.splits.sentence(name)) for name in plan.splits.test]
    tuned = "every seed" if plan.settings.tune_every_seed else "seed 0"
    return [
        *splits,
        ("images", images),
        ("seeds", str(plan.settings.seeds)),
        ("learning rates", f"{factors} × {plan.recipe.optimizer.lr:g}, chosen on validation images with {tuned}"),
        ("steps", f"{plan.recipe.training.steps}, validated every {plan.recipe.training.validate_every}"),
        ("batch size", str(plan.recipe.training.batch_size)),
    ]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a row cost, how long its updates were, and which candidates were chosen."""

    name: str
    runs: int
    steps: str
    time: str
    updates: str
    chosen: str


def cost(found: Collected, summary: Summary) -> list[Cost]:
    """Return the cost of each row, tuning included."""
    rows = []
    usual = update_length(summary[summary.reference])
    for row in summary.rows:
        own = [record for record in found.comparison.records if record.row == row.row.name]
        chosen = ", ".join(f"{name} ({counted(count, 'seed')})" for name, count in row.selected.candidates.items())
        rows.append(
            Cost(
                name=row.row.name,
                runs=len(own),
                steps=f"{sum(record.steps for record in own):,}",
                time=duration(sum(record.seconds for record in own)),
                updates=fixed(update_length(row) / usual, 2),
                chosen=chosen or "none",
            )
        )
    return rows


def update_length(row: RowSummary) -> float:
    """Return how far the network moved in a step, the mean over the recorded steps and seeds; NaN where none was."""
    norms = [norm for run in row.selected.runs.values() for _, norm in run.update_norms]
    return sum(norms) / len(norms) if norms else math.nan


def _sweep_plots(plan: Plan, found: Collected) -> list[Plot]:
    if not plan.settings.sweep:
        return []
    summary = summarize(found.comparison)
    one, other = plan.settings.sweep
    shares = {f"{SWEEP}{one}+{other}-{share:g}": share for share in plan.settings.sweep_shares}
    shares |= {f"alone-{one}": 1.0, f"alone-{other}": 0.0}
    made = {row.row.name for row in summary.rows}
    kept = {name: share for name, share in shares.items() if name in made}
    pair = "+".join(name for name in plan.recipe.tasks if name in (one, other))
    return sweep_plot(summary, one, other, kept, f"pair-{pair}")
