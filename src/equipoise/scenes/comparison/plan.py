"""What a comparison consists of: its rows and runs, and which runs are still to be made."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.comparison.records import Metric, RunRecord
from equipoise.comparison.selection import score
from equipoise.errors import UsageError
from equipoise.scenes.comparison.rows import Candidate, Row, make_rows
from equipoise.scenes.comparison.settings import ComparisonRecipe
from equipoise.scenes.comparison.splits import Splits, apart
from equipoise.scenes.comparison.variations import compared, with_seed
from equipoise.scenes.config.recipe import Recipe, check_recipe
from equipoise.scenes.config.toml import suggestion

RUN_NAME = re.compile(r"(?P<row>.+)-(?P<candidate>[^-]+)-(?P<seed>\d+)")


@dataclass(frozen=True, kw_only=True)
class PlannedRun:
    """One run: a candidate of a row with one seed."""

    row: Row
    candidate: Candidate
    seed: int

    @property
    def name(self) -> str:
        """The name of its folder and of its record."""
        return f"{self.row.name}-{self.candidate.name}-{self.seed}"

    @property
    def recipe(self) -> Recipe:
        """What it trains."""
        return with_seed(self.candidate.recipe, self.seed)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A comparison before any of its runs.

    Attributes:
        title: what is compared.
        settings: as the recipe and the command line say.
        splits: the recipe that all runs vary, and where figures are reported.
        rows: in the order of the table.
    """

    title: str
    settings: ComparisonRecipe
    splits: Splits
    rows: tuple[Row, ...]

    @property
    def recipe(self) -> Recipe:
        """What all runs have in common."""
        return self.splits.recipe

    def run(self, name: str) -> PlannedRun:
        """Return the run of a name.

        Raises:
            UsageError: there is none.
        """
        found = RUN_NAME.fullmatch(name)
        for row in self.rows if found else ():
            for candidate in row.candidates:
                if found and (row.name, candidate.name) == (found["row"], found["candidate"]):
                    return PlannedRun(row=row, candidate=candidate, seed=int(found["seed"]))
        known = [each.name for each in self.first_round()]
        raise UsageError(f"--run: found {name!r}{suggestion(name, known)}")

    def first_round(self) -> list[PlannedRun]:
        """Return the runs that do not depend on others."""
        return [
            PlannedRun(row=row, candidate=candidate, seed=seed)
            for row in self.rows
            for candidate in row.candidates
            for seed in range(self._first_seeds(row))
        ]

    def runs(self, records: dict[str, RunRecord], metrics: Sequence[Metric]) -> list[PlannedRun]:
        """Return all runs that are known so far, finished or not.

        Args:
            records: of finished and failed runs, by the name of the run.
            metrics: by which candidates are chosen, on the validation set.
        """
        return [*self.first_round(), *self._second_round(records, metrics)]

    def total(self) -> int:
        """Return the number of runs, those included that depend on others."""
        later = sum(self.settings.seeds - self._first_seeds(row) for row in self.rows)
        return len(self.first_round()) + later

    def _first_seeds(self, row: Row) -> int:
        alone = len(row.candidates) == 1 or self.settings.tune_every_seed
        return self.settings.seeds if alone else 1

    def _second_round(self, records: dict[str, RunRecord], metrics: Sequence[Metric]) -> Iterator[PlannedRun]:
        """Yield the runs of each row's best candidate with the other seeds, where all its candidates were tried."""
        for row in self.rows:
            tried = [PlannedRun(row=row, candidate=candidate, seed=0) for candidate in row.candidates]
            if self._first_seeds(row) == self.settings.seeds or any(run.name not in records for run in tried):
                continue
            own = [metric for metric in metrics if metric.task in row.tasks]
            scores = [(_score(own, records[run.name]), place) for place, run in enumerate(tried)]
            best, place = min(scores)
            if best < float("inf"):
                for seed in range(1, self.settings.seeds):
                    yield PlannedRun(row=row, candidate=row.candidates[place], seed=seed)


def _score(metrics: Sequence[Metric], record: RunRecord) -> float:
    """The score of a candidate; infinite where its run failed."""
    return float("inf") if record.failed else score(metrics, record.validation)


def make_plan(recipe: Recipe, settings: ComparisonRecipe, path: Path) -> Plan:
    """Plan the comparison of a recipe, read from ``path``. No data are read.

    Raises:
        RecipeError: an unknown row, or settings that do not fit together.
    """
    splits = apart(recipe, settings, str(path))
    common = compared(splits.recipe, settings)
    rows = tuple(make_rows(common, settings, str(path)))
    for row in rows:
        for candidate in row.candidates:
            check_recipe(candidate.recipe, f"{path}: comparison.rows: {row.name}")
    return Plan(title=path.stem, settings=settings, splits=Splits(recipe=common, test=splits.test), rows=rows)
