"""``equipoise train RECIPE``."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

import torch

from equipoise.commands.callbacks import SILENT, run_callbacks
from equipoise.commands.display import TrainingDisplay, console, output, say
from equipoise.commands.results import print_results
from equipoise.commands.whole import Whole
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
) -> None:
    """Train a network as a recipe says, evaluate it, and write a report.

    Ctrl-C finishes the step, saves, and exits 130; --resume goes on from there, exactly. Several processes share each
    batch with "torchrun --nproc-per-node 2 -m equipoise train RECIPE".

    Args:
        recipe: the recipe, a TOML file; see recipes/ and docs/own-data.md.
        out: the run's folder; by default runs/ and the recipe's name.
        resume: go on from the newest valid checkpoint in the run's folder.
        overwrite: replace a run that lies there.
        seed: in place of the recipe's training.seed.
        steps: in place of the recipe's training.steps; with --resume more of them lengthen a run whose schedule is
            constant.
        device: in place of the recipe's training.device: auto, cpu, cuda, cuda:1 or mps. A run can be resumed on
            another device.
    """
    chosen = read_recipe(recipe).with_training(seed=seed, steps=steps, device=device)
    where = choose_device(chosen.training.device, "training.device" if device is None else "--device")
    folder = out or Path("runs") / recipe.stem
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
            say(f"stopped after step {outcome.step}, saved in {folder}: go on with --resume", console())
        if outcome.exit_status:
            sys.exit(outcome.exit_status)
        if here.leads:
            show_results(folder, where)


def remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, up to one that holds something: what a refused run made leaves nothing."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def train_to_the_end(
    recipe: Recipe, folder: Path, device: torch.device, *, resume: bool = False, here: ProcessGroup = ALONE
) -> Outcome:
    """Train, shown live by the process that leads."""
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
    say(f"The report, with pictures: {page}", output())
