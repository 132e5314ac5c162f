"""``equipoise report RUN``."""

from pathlib import Path

from equipoise.commands.callbacks import run_callbacks
from equipoise.commands.display import console, say
from equipoise.scenes.report import build_report
from equipoise.scenes.runs.evaluation import evaluate_run, write_pictures
from equipoise.scenes.runs.load import computing
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.device import choose_device


def report(run: Path, /, *, device: str = "") -> None:
    """Write the report of a run again, one self-contained page, and print its path.

    Args:
        run: the folder of the run.
        device: evaluate the run and draw its pictures again first, on auto, cpu, cuda, cuda:1 or mps; by default the
            report shows the figures and pictures that the run has.
    """
    folder = RunFolder(run)
    if device:
        where = choose_device(device)
        say(f"evaluating {computing(run, where, device)}", console())
        write_pictures(folder, evaluate_run(folder, run_callbacks(), device=where), where)
    print(build_report(folder))
