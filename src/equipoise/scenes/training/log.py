"""The log of a run, as JSON lines and as CSV: one entry for each logged step, and one for each validation."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from equipoise.errors import RunError
from equipoise.scenes.io.atomic import errors_naming, write_atomic
from equipoise.scenes.io.json import parse_json
from equipoise.scenes.io.run_files import LOG_CSV, LOG_JSONL, VALIDATION_CSV, VALIDATION_JSONL
from equipoise.scenes.training.selection import Validation

Entry = dict[str, Any]
"""``step``, ``epoch``, ``learning_rate``, ``loss``, ``gradient_norm``, ``images_per_second``, ``seconds``,
``update_norm`` (how far the step moved the network's parameters), ``tasks``; ``tasks`` holds by task name the raw
``loss``, ``nll``, ``weight`` and ``sigma``."""


class RunLog:
    """Appends to ``log.jsonl`` and ``log.csv``; a resumed run first drops the entries after its checkpoint."""

    def __init__(self, run: Path, *, last_step: int = 0) -> None:
        self.jsonl, self.csv = run / LOG_JSONL, run / LOG_CSV
        kept = [entry for entry in read_log(run) if entry["step"] <= last_step]
        write_atomic(self.jsonl, "".join(json.dumps(entry) + "\n" for entry in kept).encode())
        rows = [flat(entry) for entry in kept]
        write_atomic(self.csv, (_csv([list(rows[0]), *(list(r.values()) for r in rows)]) if rows else "").encode())

    def append(self, entry: Entry) -> None:
        """Write one entry; earlier entries stay readable even if the process is killed meanwhile."""
        with errors_naming(self.jsonl), self.jsonl.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")
        row = flat(entry)
        with errors_naming(self.csv), self.csv.open("a", encoding="utf-8", newline="") as file:
            file.write(_csv([list(row)] if file.tell() == 0 else []) + _csv([list(row.values())]))


def read_log(run: Path) -> list[Entry]:
    """The entries of ``log.jsonl``; a last line that was cut short is left out.

    Raises:
        RunError: another line is not an entry.
    """
    return _entries(run / LOG_JSONL, "a logged step", "tasks")


def read_validations(run: Path) -> list[Validation]:
    """The entries of ``validation.jsonl``; none where the run was not validated.

    Raises:
        RunError: a line is not an entry.
    """
    return _entries(run / VALIDATION_JSONL, "a validation", "figures")


def _entries(path: Path, what: str, table: str) -> list[dict[str, Any]]:
    """The objects of a JSONL file, each with a ``step`` and the table named ``table``; ``what`` is for messages."""
    if path.exists() and not path.is_file():
        raise RunError(f"{path}: expected a log, found no regular file: remove it")
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = parse_json(line)
        except ValueError:
            if number == len(lines):
                break
            entry = None
        whole = isinstance(entry, dict) and isinstance(entry.get(table), dict)
        if not whole or not isinstance(entry.get("step"), int | float):
            raise RunError(f"{path}, line {number}: expected {what}, found a damaged line: remove it")
        entries.append(entry)
    return entries


def write_validations(run: Path, validations: list[Validation]) -> None:
    """Rewrite ``validation.jsonl`` and ``validation.csv``."""
    lines = "".join(json.dumps(validation) + "\n" for validation in validations)
    write_atomic(run / VALIDATION_JSONL, lines.encode(), sync=False)
    head = [["step", "seconds", "score", *row["figures"]] for row in validations[:1]]
    rows = [[row["step"], row["seconds"], row["score"], *row["figures"].values()] for row in validations]
    write_atomic(run / VALIDATION_CSV, _csv(head + rows).encode(), sync=False)


def flat(entry: Entry) -> Entry:
    """The entry as one row: ``tasks.depth.sigma`` becomes ``depth_sigma``."""
    row = {key: value for key, value in entry.items() if key not in ("tasks", "update_norm")}
    for task, figures in entry["tasks"].items():
        row |= {f"{task}_{name}": value for name, value in figures.items()}
    return row | {"update_norm": entry.get("update_norm")}  # Last: logs of earlier versions lack it.


def _csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
