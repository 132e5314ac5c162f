"""``equipoise report RUN``."""

from pathlib import Path

from equipoise.scenes.report import build_report
from equipoise.scenes.runs.run_folder import RunFolder


def report(run: Path, /) -> None:
    """Write the report of a run again, one self-contained page, and print its path.

    Args:
        run: the folder of the run.
    """
    print(build_report(RunFolder(run)))
