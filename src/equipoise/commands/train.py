"""``equipoise train RECIPE``."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import torch

from equipoise.commands.callbacks import SILENT, run_callbacks
from equipoise.commands.display import TrainingDisplay, console, output, say
from equipoise.commands.dry_run import show_dry_run
from equipoise.commands.results import print_results
from equipoise.commands.whole import Whole
from equipoise.errors import UsageError
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.io.lock import exclusive_lock
from equipoise.scenes.report import build_report
from equipoise.scenes.runs.evaluation import evaluate_run, write_pictures
from equipoise.scenes.runs.run import train_run
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.device import choose_device
from equipoise.scenes.training.distributed import ALONE, ProcessGroup, process_group
from equipoise.scenes.training.outcome import Outcome


def train(
    recipe: Path,
    /,
    *,
    out: Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    seed: Whole | None = None,
    steps: Whole | None = None,
    device: str | None = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Train a network from a recipe, evaluate it, and write a report.

    Ctrl-C finishes the step, saves, and exits with status 130; --resume continues exactly from there. Several processes
    share each batch with "torchrun --nproc-per-node 2 -m equipoise train RECIPE".

    Args:
        recipe: the recipe, a TOML file; see recipes/ and docs/own-data.md.
        out: the folder of the run; by default runs/NAME for a recipe NAME.toml.
        resume: continue from the newest valid checkpoint of the run.
        overwrite: replace the run in that folder.
        seed: replaces the recipe's training.seed.
        steps: replaces the recipe's training.steps; with --resume, a larger number lengthens a run whose schedule is
            constant.
        device: replaces the recipe's training.device: auto, cpu, cuda, cuda:1 or mps. A run can be resumed on
            another device.
        dry_run: take one step and write no run: print parameters, FLOPs, memory and time, and draw the first batch,
            images with their labels after augmentation, as runs/NAME-dry-run.png.
        json: with --dry-run: print the numbers as JSON on standard output.
    """
    chosen = read_recipe(recipe).with_training(seed=seed, steps=steps, device=device)
    where = choose_device(chosen.training.device, "training.device" if device is None else "--device")
    folder = out or Path("runs") / recipe.stem
    if dry_run:
        if resume or overwrite:
            raise UsageError("--dry-run: expected neither --resume nor --overwrite with it, since it writes no run")
        return show_dry_run(chosen, folder, where, json=json)
    if json:
        raise UsageError("--json: expected it with --dry-run, found it alone: see the run's metrics.json")
    with ExitStack() as held:
        with process_group(where) as here:
            if here.leads:
                new = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
                RunFolder(folder).prepare(resume=resume, overwrite=overwrite)
                held.callback(remove_empty, new)
                held.enter_context(exclusive_lock(folder))
            here.wait()
            outcome = train_to_the_end(chosen, folder, where, resume=resume, here=here)
        if outcome.exit_status and here.leads:
            say(f"stopped after step {outcome.step} and saved in {folder}: continue with --resume", console())
        if outcome.exit_status:
            sys.exit(outcome.exit_status)
        if here.leads:
            show_results(folder, where)
    return None


def remove_empty(folders: list[Path]) -> None:
    """Remove the empty folders that a refused run created, the innermost first."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def train_to_the_end(
    recipe: Recipe, folder: Path, device: torch.device, *, resume: bool = False, here: ProcessGroup = ALONE
) -> Outcome:
    """Train, and show the progress in the first process."""
    if not here.leads:
        return train_run(recipe, RunFolder(folder), SILENT, resume=resume, group=here, device=device)
    screen = console()
    with TrainingDisplay(recipe.training.steps, screen) as display:
        shown = run_callbacks(display)
        return train_run(recipe, RunFolder(folder), shown, resume=resume, group=here, device=device)


def show_results(run: Path, device: torch.device) -> None:
    """Evaluate a trained run, draw pictures, write the report, and print the figures."""
    folder = RunFolder(run)
    figures = evaluate_run(folder, run_callbacks(), device=device)
    write_pictures(folder, figures, device)
    page = build_report(folder)
    print_results(figures, output())
    say(f"Report with pictures: {page}", output())
