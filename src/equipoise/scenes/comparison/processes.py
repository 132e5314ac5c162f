"""Make the runs of a comparison in processes of their own, several at a time."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from equipoise.comparison.records import RunRecord
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.plan import PlannedRun
from equipoise.scenes.comparison.single import failed

POLL_S = 0.1
STOPPED = tuple(128 + number for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)))
"""Exit statuses of a run that a signal stopped, and that can be continued."""
Ended = Callable[[PlannedRun, RunRecord | None], None]


@dataclass(frozen=True, kw_only=True)
class Running:
    """A run with its process."""

    run: PlannedRun
    process: subprocess.Popen[bytes]


def make_runs(
    runs: Iterable[PlannedRun],
    folder: ComparisonFolder,
    command: Callable[[str], Sequence[str]],
    *,
    jobs: int,
    threads: int,
    on_end: Ended,
) -> bool:
    """Make runs, so many at a time; a process that ends without a record counts as a failed run.

    Args:
        runs: those to make.
        folder: of the comparison; what the runs print goes to its ``logs``.
        command: the command of a run by its name, without the interpreter.
        jobs: processes at a time.
        threads: of all of them together.
        on_end: called after each run, with its record; ``None`` if a signal stopped the run.

    Returns:
        Whether no run was stopped by a signal.
    """
    waiting, running, whole = list(runs), list[Running](), True
    try:
        while (waiting and whole) or running:
            while waiting and whole and len(running) < jobs:
                running.append(_start(waiting.pop(0), folder, command, max(1, threads // jobs)))
            time.sleep(POLL_S)
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                record = _ended(one, folder)
                whole = whole and record is not None
                on_end(one.run, record)
    finally:
        _stop(running)
    return whole


def _start(run: PlannedRun, folder: ComparisonFolder, command: Callable[[str], Sequence[str]], threads: int) -> Running:
    path = folder.log(run.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": os.pathsep.join(_import_path())}
    with path.open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "equipoise", *command(run.name)],
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # A terminal's Ctrl-C comes from this process alone, and once.
            stdout=log,
            stderr=log,
            env=environment,
        )
    return Running(run=run, process=process)


def _import_path() -> list[str]:
    """The folder of this package first, so that the processes run the same version of it."""
    here = str(Path(__file__).resolve().parents[3])
    return [here, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]


def _ended(one: Running, folder: ComparisonFolder) -> RunRecord | None:
    """Return the record of an ended run; write one if its process could not."""
    record, status = folder.read_record(one.run.name), one.process.returncode
    if record is not None or status in STOPPED or -status in (signal.SIGINT, signal.SIGTERM):
        return record
    said = _last_line(folder.log(one.run.name))
    how = f"its process was ended by signal {-status}" if status < 0 else f"its process ended with status {status}"
    record = failed(one.run, f"{how}: {said}" if said else how, folder.run(one.run.name))
    folder.write_record(one.run.name, record)
    return record


def _last_line(path: Path) -> str:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.removeprefix("equipoise: ") for line in reversed(lines) if line.strip()), "")


def _stop(running: Sequence[Running]) -> None:
    """Ask the processes to save and end, and wait for them."""
    for one in running:
        one.process.terminate()
    for one in running:
        one.process.wait()
