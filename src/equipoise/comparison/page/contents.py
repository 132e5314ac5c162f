"""What a page of a comparison says, by the names that ``comparison.html`` has for it."""

from collections.abc import Sequence
from typing import Any

from equipoise.comparison.page.cost import cost
from equipoise.comparison.page.differences import change_plot
from equipoise.comparison.page.ranks import rank_plot
from equipoise.comparison.page.sweep import Sweep, sweep_plots
from equipoise.comparison.page.table import Naming, Table
from equipoise.comparison.page.weights import weight_plots
from equipoise.comparison.records import Comparison
from equipoise.comparison.summary import Summary
from equipoise.comparison.words import sentences


def contents(
    comparison: Comparison,
    *,
    summary: Summary,
    table: Table,
    sweeps: Sequence[Sweep],
    naming: Naming,
    weight: str,
    lead: str,
    facts: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """Return the values of the template.

    Args:
        comparison: with all its rows.
        summary: of the rows in the table.
        table: of these rows.
        sweeps: whose points have plots of their own.
        naming: how figures are called.
        weight: what the weights of the records are, in a few words.
        lead: what was compared, in a sentence.
        facts: how the comparison was made.
    """
    return {
        "title": comparison.title,
        "lead": lead,
        "summary": summary,
        "table": table,
        "words": sentences(summary),
        "changes": change_plot(summary),
        "ranks": rank_plot(summary.ranking),
        "sweep": [plot for sweep in sweeps for plot in sweep_plots(comparison, sweep, naming)],
        "weights": weight_plots(summary, weight),
        "cost": cost(comparison, summary),
        "failed": [record for record in comparison.records if record.failed],
        "facts": facts,
    }
