"""The folder of a comparison: its runs, their records and logs, and what is reported of them."""

from dataclasses import asdict, dataclass
from pathlib import Path

from equipoise.comparison.records import Metric, RunRecord
from equipoise.errors import RunError
from equipoise.scenes.comparison.plan import Plan, PlannedRun
from equipoise.scenes.config.differences import changes_nothing, differing_keys
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import as_json, read_format
from equipoise.scenes.runs.run_folder import RunFolder

FORMAT = 1
OVERVIEW = "plan.json"


@dataclass(frozen=True)
class ComparisonFolder:
    """The folder of a comparison at ``path``.

    >>> ComparisonFolder(Path("runs/streets-comparison")).report.as_posix()
    'runs/streets-comparison/report.html'
    """

    path: Path

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def overview(self) -> Path:
        """The file that says what is compared, and by which figures."""
        return self.path / OVERVIEW

    def run(self, name: str) -> RunFolder:
        """Return the folder of a run."""
        return RunFolder(self.path / "runs" / name)

    def record(self, name: str) -> Path:
        """Return the file of a run's record."""
        return self.path / "records" / f"{name}.json"

    def log(self, name: str) -> Path:
        """Return the file of what a run printed."""
        return self.path / "logs" / f"{name}.txt"

    def write_record(self, name: str, record: RunRecord) -> None:
        """Write the record of a finished or failed run."""
        self._write(self.record(name), record.to_json().encode())

    def read_record(self, name: str) -> RunRecord | None:
        """Return the record of a run; ``None`` if there is none yet.

        Raises:
            RunError: the file is damaged.
        """
        path = self.record(name)
        try:
            return RunRecord.from_json(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, TypeError, ValueError, KeyError) as error:
            raise RunError(
                f"{path}: expected the record of a run, found a damaged one: {error}: remove it to repeat the run"
            ) from None

    def records(self, runs: list[PlannedRun]) -> dict[str, RunRecord]:
        """Return the records of those runs that have one, by name.

        Raises:
            RunError: a record is damaged, or of a run with other settings.
        """
        found = {run.name: self.read_record(run.name) for run in runs}
        for run in runs:
            self.expect_same(run)
        return {name: record for name, record in found.items() if record is not None}

    def expect_same(self, run: PlannedRun) -> None:
        """Raise ``RunError`` if the folder of a run holds one with other settings."""
        table = self.run(run.name).read_recipe_table()
        if table is None:
            return
        own = run.recipe.as_table()
        common = {key: table.get(key, own[key]) for key in own}  # Keys that are newer than the run have its defaults.
        keys = [key for key in differing_keys(common, own) if not changes_nothing(key)]
        if keys:
            raise RunError(
                f"{self.run(run.name).path}: expected a run with this comparison's settings, found other values of "
                f"{', '.join(keys)}: choose another --out, or restore them"
            )

    def write_overview(self, plan: Plan, metrics: list[Metric], counts: dict[str, int]) -> None:
        """Write what is compared."""
        self._write(
            self.overview,
            as_json(
                {
                    "format": FORMAT,
                    "title": plan.title,
                    "metrics": [asdict(metric) for metric in metrics],
                    "images": counts,
                    "recipe": plan.recipe.as_table(),
                    "comparison": asdict(plan.settings),
                }
            ),
        )

    def read_overview(self) -> tuple[list[Metric], dict[str, int]]:
        """Return the figures by which runs are judged, and the numbers of images.

        Raises:
            RunError: no comparison was started here, or the file is damaged.
        """
        try:
            table = read_format(self.overview, FORMAT, "comparison")
            return [Metric(**one) for one in table["metrics"]], dict(table["images"])
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(
                f"expected a comparison at {self.path}, found no {OVERVIEW}: leave out --collect, or name its --out"
            ) from None
        except (KeyError, TypeError, ValueError) as error:
            raise RunError(f"{self.overview}: expected a comparison, found a damaged file: {error!r}") from None

    def _write(self, path: Path, data: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"{path.parent}: expected a writable folder, found: {error.strerror}") from None
        write_atomic(path, data)
