"""The report of a comparison: one self-contained page, and its table as CSV, JSON, Markdown and LaTeX."""

from dataclasses import dataclass
from pathlib import Path

from equipoise._html.template import rendered
from equipoise.comparison.page.contents import contents
from equipoise.comparison.page.sweep import Sweep, without
from equipoise.comparison.page.table import Table, main_table
from equipoise.comparison.records import Comparison
from equipoise.comparison.summary import Summary, summarize
from equipoise.comparison.tables import as_json, write
from equipoise.comparison.words import paragraph
from equipoise.scenes.comparison.collect import Collected
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.plan import Plan
from equipoise.scenes.comparison.rows import SWEEP
from equipoise.scenes.comparison.table import short_table, title
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.wording import counted


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
    table, short = main_table(summary, title), short_table(summary)
    write_atomic(folder.report, _rendered(found, plan, summary, table).encode(errors="replace"))
    write(found.comparison, folder.path)
    return Page(
        path=folder.report,
        title=f"{plan.title}: figures on the test images, mean over seeds",
        columns=("row", *short.titles),
        rows=short.as_texts(),
        words=paragraph(summary),
        table=as_json(summary),
    )


def without_sweep(comparison: Comparison) -> Comparison:
    """Return the comparison without the points of a sweep, which have plots of their own."""
    return without(comparison, {row.name for row in comparison.rows if row.name.startswith(SWEEP)})


def _rendered(found: Collected, plan: Plan, summary: Summary, table: Table) -> str:
    values = contents(
        found.comparison,
        summary=summary,
        table=table,
        sweeps=_sweeps(plan, found.comparison),
        naming=title,
        weight="weight × first loss",
        lead=lead(found, plan),
        facts=facts(found, plan),
    )
    return rendered("equipoise.scenes.comparison", "equipoise.comparison.page", missing=found.missing, **values)


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


def _sweeps(plan: Plan, comparison: Comparison) -> list[Sweep]:
    if not plan.settings.sweep:
        return []
    one, other = plan.settings.sweep
    shares = {f"{SWEEP}{one}+{other}-{share:g}": share for share in plan.settings.sweep_shares}
    shares |= {f"alone-{one}": 1.0, f"alone-{other}": 0.0}
    made = {row.name for row in comparison.rows}
    kept = {name: share for name, share in shares.items() if name in made}
    learned = "pair-" + "+".join(name for name in plan.recipe.tasks if name in (one, other))
    return [Sweep(one=one, other=other, shares=kept, learned=learned if learned in made else None)]
