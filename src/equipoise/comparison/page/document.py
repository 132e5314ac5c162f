"""The page of any comparison as text."""

from collections.abc import Iterable

from equipoise._html.template import rendered
from equipoise._wording import counted, number
from equipoise.comparison.page.contents import contents
from equipoise.comparison.page.sweep import found_sweeps, without
from equipoise.comparison.page.table import main_table, title
from equipoise.comparison.records import Comparison
from equipoise.comparison.summary import summarize

SETTINGS = {
    "lr": "learning rates",
    "steps": "steps",
    "validations": "validations",
    "optimizer": "optimizer",
    "decay": "power of the rate’s decay",
}
"""Settings of runs that the page shows, with what they are called there."""


def document(comparison: Comparison) -> str:
    """Return the HTML of a comparison."""
    sweeps = found_sweeps(comparison)
    ends = {row.name for row in comparison.rows if row.is_single}
    points = {name for sweep in sweeps for name in sweep.shares} - ends
    summary = summarize(without(comparison, points))
    values = contents(
        comparison,
        summary=summary,
        table=main_table(summary).without_empty(),
        sweeps=sweeps,
        naming=title,
        weight="weight",
        lead=lead(comparison),
        facts=facts(comparison),
    )
    return rendered("equipoise.comparison.page", **values)


def lead(comparison: Comparison) -> str:
    """Say what was compared, in how many runs."""
    tasks = " and ".join(filter(None, (", ".join(comparison.tasks[:-1]), comparison.tasks[-1])))
    ways, runs = counted(len(comparison.rows), "way"), counted(len(comparison.records), "run")
    alone = any(row.is_single for row in comparison.rows)
    return f"{ways} of training {tasks}{', together or alone' if alone else ''}; {runs}"


def facts(comparison: Comparison) -> list[tuple[str, str]]:
    """Return how the comparison was made, as far as its records say."""
    seeds = sorted({record.seed for record in comparison.records})
    found = [("seeds", _listed(seeds)), ("reference", comparison.reference)]
    for key, says in SETTINGS.items():
        given = [record.settings[key] for record in comparison.records if key in record.settings]
        found.append((says, _listed(sorted(dict.fromkeys(given)))))
    return [(says, value) for says, value in found if value]


def _listed(values: Iterable[object]) -> str:
    return ", ".join(value if isinstance(value, str) else number(value) for value in values)
