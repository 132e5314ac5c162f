"""``equipoise train RECIPE``."""

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from equipoise.commands.display import TrainingDisplay, console, output, say
from equipoise.commands.results import print_results
from equipoise.commands.watch import SILENT, watch
from equipoise.commands.whole import Whole
from equipoise.scenes.config.recipe import Recipe, read_recipe
from equipoise.scenes.evaluation.figures import evaluate_run, write_pictures
from equipoise.scenes.io.lock import alone_in
from equipoise.scenes.report import build_report
from equipoise.scenes.runs.run import prepare_folder, train_run
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
    """
    chosen = read_recipe(recipe).with_training(seed=seed, steps=steps)
    folder = out or Path("runs") / recipe.stem
    with ExitStack() as held:
        with process_group() as here:
            if here.leads:
                new = [path for path in (folder, *folder.parents) if not os.path.lexists(path)]
                prepare_folder(folder, resume=resume, overwrite=overwrite)
                held.callback(remove_empty, new)
                held.enter_context(alone_in(folder))
            here.wait()
            outcome = train_to_the_end(chosen, folder, resume=resume, here=here)
        if outcome.exit_status and here.leads:
            say(f"stopped after step {outcome.step}, saved in {folder}: go on with --resume", console())
        if outcome.exit_status:
            sys.exit(outcome.exit_status)
        if here.leads:
            tell(folder)


def remove_empty(folders: list[Path]) -> None:
    """Remove folders, the innermost first, up to one that holds something: what a refused run made leaves nothing."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def train_to_the_end(recipe: Recipe, folder: Path, *, resume: bool = False, here: ProcessGroup = ALONE) -> Outcome:
    """Train, shown live by the process that leads."""
    if not here.leads:
        return train_run(recipe, folder, SILENT, resume=resume, group=here)
    screen = console()
    with TrainingDisplay(recipe.training.steps, screen) as display:
        return train_run(recipe, folder, watch(display), resume=resume, group=here)


def tell(folder: Path) -> None:
    """Evaluate a trained run, draw pictures, write the report, and print the figures."""
    figures = evaluate_run(folder, watch())
    write_pictures(folder, figures)
    page = build_report(folder)
    print_results(figures, output())
    say(f"The report, with pictures: {page}", output())
