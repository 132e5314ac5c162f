"""``equipoise report RUN``."""

from pathlib import Path

from equipoise.scenes.report import build_report
from equipoise.scenes.runs.run_folder import RunFolder


def report(run: Path, /) -> None:
    """Write report.html of a run again, one self-contained page, and print where it is.

    Args:
        run: the folder that train wrote.
    """
    print(build_report(RunFolder(run)))
