"""What the rows of a comparison cost."""

import math
from dataclasses import dataclass

from equipoise._wording import counted, duration, fixed
from equipoise.comparison.records import Comparison
from equipoise.comparison.summary import RowSummary, Summary


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a row cost, how long its updates were, and which candidates were chosen."""

    name: str
    runs: int
    steps: str
    time: str
    updates: str
    chosen: str


def cost(comparison: Comparison, summary: Summary) -> list[Cost]:
    """Return the cost of each row, tuning included."""
    rows = []
    usual = update_length(summary[summary.reference])
    for row in summary.rows:
        own = [record for record in comparison.records if record.row == row.row.name]
        chosen = ", ".join(f"{name} ({counted(count, 'seed')})" for name, count in row.selected.candidates.items())
        rows.append(
            Cost(
                name=row.row.name,
                runs=len(own),
                steps=f"{sum(record.steps for record in own):,}",
                time=duration(sum(record.seconds for record in own)),
                updates=fixed(update_length(row) / usual if usual else math.nan, 2),
                chosen=chosen or "none",
            )
        )
    return rows


def update_length(row: RowSummary) -> float:
    """Return how far the network moved in a step, the mean over the recorded steps and seeds; NaN where none was."""
    norms = [norm for run in row.selected.runs.values() for _, norm in run.update_norms]
    return sum(norms) / len(norms) if norms else math.nan
