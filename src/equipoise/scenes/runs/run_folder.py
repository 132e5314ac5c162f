"""The folder of a run: its files, and how they are read, written, checked and cleared.

``recipe.json`` holds the recipe as it ran and ``run.json`` how; ``log`` and ``validation`` are JSONL and CSV files;
training keeps ``checkpoints/`` and ``best/``; ``model.safetensors`` and ``model.json`` are the finished model;
evaluation writes ``metrics.json``, ``pictures/`` and ``report.html``.
"""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.errors import RecipeError, RunError, UsageError
from equipoise.scenes.config.recipe import Recipe, check_recipe
from equipoise.scenes.config.toml import from_table
from equipoise.scenes.evaluation.examples import Example
from equipoise.scenes.evaluation.figures import Figures, without_nan
from equipoise.scenes.io import run_files
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.json import as_json, read_json
from equipoise.scenes.io.lock import LOCK
from equipoise.scenes.runs.record import FORMAT, RunRecord
from equipoise.scenes.training.best import BEST_FILES
from equipoise.scenes.training.checkpoint import checkpoints, remove_checkpoint
from equipoise.scenes.training.log import Entry, read_log, read_validations
from equipoise.scenes.training.precision import Precision
from equipoise.scenes.training.selection import Validation
from equipoise.scenes.training.state import AVERAGE, FILES


@dataclass(frozen=True)
class RunFolder:
    """The folder of a run at ``path``.

    >>> RunFolder(Path("runs/demo")).report.as_posix()
    'runs/demo/report.html'
    """

    path: Path

    @property
    def recipe_file(self) -> Path:
        """The file of the recipe as it ran."""
        return self.path / run_files.RECIPE

    @property
    def record_file(self) -> Path:
        """The file that records how the run was made."""
        return self.path / run_files.RECORD

    @property
    def log_file(self) -> Path:
        """The file of the logged training steps."""
        return self.path / run_files.LOG_JSONL

    @property
    def validation_file(self) -> Path:
        """The file of the validations during training."""
        return self.path / run_files.VALIDATION_JSONL

    @property
    def pictures(self) -> Path:
        """The folder of pictures."""
        return self.path / run_files.PICTURES

    @property
    def examples_file(self) -> Path:
        """The file that lists the pictures."""
        return self.pictures / run_files.EXAMPLES

    @property
    def report(self) -> Path:
        """The file of the report page."""
        return self.path / run_files.REPORT

    def metrics_file(self, *of: str) -> Path:
        """Return the file of the figures; ``of`` names the recipe, data set, … if they are not the run's own.

        >>> RunFolder(Path("run")).metrics_file("photos", "", "test").name
        'metrics-photos-test.json'
        """
        return self.path / f"{'-'.join(filter(None, [run_files.METRICS, *of]))}.json"

    def prepare(self, *, resume: bool, overwrite: bool) -> None:
        """Create the folder; refuse one that is not empty, unless the run in it is to be resumed or overwritten.

        Nothing is removed yet: ``clear`` removes the old run once the new one's data and model have been checked.

        Raises:
            RunError: the folder holds something else, or cannot be created.
            UsageError: both ``resume`` and ``overwrite`` are given.
        """
        path = self.path
        if resume and overwrite:
            raise UsageError("--resume, --overwrite: expected one, found both: --overwrite removes what --resume needs")
        taken = path.exists() and (not path.is_dir() or any(each.name != LOCK for each in path.iterdir()))
        if taken and not resume and not overwrite:
            raise RunError(f"expected no run at {path}, found one: choose another --out, or --resume or --overwrite it")
        if resume and not self.recipe_file.exists():
            raise RunError(f"expected a run at {path} to resume, found none: start without --resume")
        if overwrite and taken and not self._holds_a_run():
            raise RunError(f"expected a run at {path} to overwrite, found something else: choose another --out")
        with self._writing():
            path.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove the files of an earlier run that a new one would not replace at once. Other files are kept."""
        logs = (run_files.LOG_JSONL, run_files.LOG_CSV, run_files.VALIDATION_JSONL, run_files.VALIDATION_CSV)
        names = (run_files.REPORT, run_files.WEIGHTS, run_files.DESCRIPTION, *logs)
        self.remove_checkpoints()  # First, since without its log no checkpoint can be resumed.
        with self._writing():
            for path in [*(self.path / name for name in names), *self._metrics_files(), *self._picture_files()]:
                path.unlink(missing_ok=True)

    def remove_checkpoints(self) -> None:
        """Remove what training would be resumed from, and the best model so far; the finished model is kept."""
        with self._writing():
            for name, files in ((run_files.CHECKPOINTS, (*FILES, AVERAGE)), (run_files.BEST, BEST_FILES)):
                folder = self.path / name
                for path in checkpoints(folder):
                    remove_checkpoint(path, files)
                if folder.is_dir() and not any(folder.iterdir()):  # Whatever else is in there is the user's.
                    folder.rmdir()

    def read(self) -> tuple[Recipe, RunRecord]:
        """Read the recipe and the record.

        Raises:
            RunError: the folder holds no run, a damaged one, or one of another format.
        """
        for file in (self.recipe_file, self.record_file):
            if not file.exists():
                raise RunError(
                    f"expected a run at {self.path}, found no {file.name} there: name the folder that train wrote"
                )
        record = self.read_record()
        if record is None or record.format != FORMAT or record.precision is None:
            found = (None, None) if record is None else (record.format, record.precision)
            raise RunError(
                f"{self.record_file}: expected run format {FORMAT} and a known precision, found {found[0]!r:.40}, "
                f"{found[1]!r:.40}: use the version of equipoise that wrote it"
            )
        with damage_named(self.recipe_file):
            recipe = from_table(Recipe, self.read_recipe_table() or {}, str(self.recipe_file))
            check_recipe(recipe, str(self.recipe_file))
        return recipe, record

    def read_record(self) -> RunRecord | None:
        """Read the record, whatever its format; ``None`` if there is none."""
        table = _read(self.record_file, dict)
        return None if table is None else RunRecord.from_json(table, str(self.record_file))

    def read_recipe_table(self) -> dict[str, Any] | None:
        """Read the recipe's table for display, without checking it; ``None`` if there is none."""
        table: dict[str, Any] | None = _read(self.recipe_file, dict)
        return table

    def read_log(self) -> list[Entry]:
        """Read the logged training steps; see ``training.log``."""
        return read_log(self.path)

    def read_validations(self) -> list[Validation]:
        """Read the validations during training; see ``training.log``."""
        return read_validations(self.path)

    def read_figures(self) -> Figures | None:
        """Read the figures of ``metrics.json``; ``None`` if the run has not been evaluated."""
        path = self.metrics_file()
        table = _read(path, dict)
        with damage_named(path):
            return None if table is None else Figures.from_json(table)

    def read_examples(self) -> list[Example]:
        """Read the list of pictures; empty if there is none."""
        with damage_named(self.examples_file):
            listed = _read(self.examples_file, list) or []
            return [from_table(Example, table, str(self.examples_file)) for table in listed]

    def precision(self) -> Precision:
        """Return the precision in which the run was trained; float32 if there is no record of it."""
        record = self.read_record()
        return (record and record.precision) or "float32"

    def write_recipe(self, recipe: Recipe) -> None:
        """Write ``recipe.json``."""
        write_atomic(self.recipe_file, as_json(recipe))

    def write_record(self, record: RunRecord) -> None:
        """Write ``run.json``."""
        write_atomic(self.record_file, as_json(record.to_json()))

    def write_figures(self, figures: Figures, *of: str) -> None:
        """Write the figures; ``of`` is passed to ``metrics_file``."""
        write_atomic(self.metrics_file(*of), as_json(without_nan(figures.to_json())))

    def write_examples(self, examples: list[Example]) -> None:
        """Write the list of pictures."""
        write_atomic(self.examples_file, as_json([dataclasses.asdict(example) for example in examples]))

    def write_report(self, page: str) -> None:
        """Write the page."""
        with damage_named(self.report):
            write_atomic(self.report, page.encode(errors="replace"))

    def _holds_a_run(self) -> bool:
        recorded, recipe = (_table(file) for file in (self.record_file, self.recipe_file))
        return "equipoise" in recorded or {"data", "training"} <= recipe.keys()

    def _metrics_files(self) -> list[Path]:
        """Return the files of figures that evaluations wrote."""
        found = [self.metrics_file(), *self.path.glob(f"{run_files.METRICS}-*.json")]
        return [path for path in found if {"tasks", "per_image", "split"} <= _table(path).keys()]

    def _picture_files(self) -> list[Path]:
        """Return the list of pictures and the pictures in it."""
        try:
            names = [name for example in self.read_examples() for name in example.files]
        except RunError:
            return []
        listed = [self.examples_file] if self.examples_file.exists() else []
        return [*(self.pictures / name for name in names if Path(name).name == name), *listed]

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            found = error.strerror or error
            raise RunError(f"{self.path}: expected a writable folder, found: {found}") from None


@contextmanager
def damage_named(path: Path) -> Iterator[None]:
    """Turn the errors of reading or writing a file of the run into a ``RunError`` that names it."""
    try:
        yield
    except RecipeError as error:  # It names the file already.
        raise RunError(str(error)) from None
    except OSError as error:
        raise RunError(f"{path}: expected a file to read or write, found: {error.strerror}") from None
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        found = f"{type(error).__name__} {error}"
        raise RunError(f"{path}: expected a file as equipoise writes it, found a damaged one: {found}") from error


def _read(path: Path, kind: type) -> Any:
    """Return the value in a JSON file; ``None`` if there is no such file."""
    try:
        value = read_json(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: expected JSON, found a mistake: {error}") from None
    if not isinstance(value, kind):
        wanted = "an object" if kind is dict else "a list"
        raise RunError(f"{path}: expected {wanted}, found something else: evaluate or train the run again")
    return value


def _table(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file; empty if there is none or it is damaged."""
    try:
        return _read(path, dict) or {}
    except RunError:
        return {}
