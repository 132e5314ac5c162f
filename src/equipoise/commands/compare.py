"""``equipoise compare RECIPE``."""

import dataclasses
import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from equipoise.commands.callbacks import SILENT, run_callbacks
from equipoise.commands.compare_output import Progress, print_comparison, say_plan
from equipoise.commands.display import TrainingDisplay, console, say
from equipoise.commands.whole import Whole
from equipoise.errors import UsageError
from equipoise.scenes.comparison.collect import collected, known_records, missing_runs, next_runs
from equipoise.scenes.comparison.estimate import estimated_seconds, measured_seconds
from equipoise.scenes.comparison.folder import ComparisonFolder
from equipoise.scenes.comparison.metrics import plan_metrics
from equipoise.scenes.comparison.page import write_report
from equipoise.scenes.comparison.plan import Plan, PlannedRun, make_plan
from equipoise.scenes.comparison.processes import make_runs
from equipoise.scenes.comparison.settings import COMPARISON_RANGES, ComparisonRecipe
from equipoise.scenes.comparison.single import make_run
from equipoise.scenes.comparison.splits import expect_apart
from equipoise.scenes.config.ranges import check_ranges
from equipoise.scenes.config.recipe import read_recipe
from equipoise.scenes.data.sources import RecipeData
from equipoise.scenes.io.lock import exclusive_lock
from equipoise.scenes.io.processes import usable_cores
from equipoise.scenes.training.device import choose_device


def compare(
    recipe: Path,
    /,
    *,
    out: Path | None = None,
    rows: str = "",
    sweep: str = "",
    seeds: Whole | None = None,
    steps: Whole | None = None,
    jobs: Whole = 1,
    list_runs: bool = False,
    run: str = "",
    collect: bool = False,
    retry: bool = False,
    device: str | None = None,
    json: bool = False,
) -> None:
    """Compare ways of weighing the losses on your own data, as the paper's Table 1 does.

    Every row of the table has the same network, steps, batches and first weights. Its learning rate, and its weights
    where they are fixed, are tuned on validation images; the figures come from test images that took no part in any
    choice. Each run is an ordinary run in OUT/runs; call the command again to continue: finished runs are kept. The
    recipe's table [comparison] has more settings; see docs/comparing-scenes.md.

    Args:
        recipe: the recipe that all runs vary, a TOML file.
        out: the folder of the comparison; by default runs/NAME-comparison for a recipe NAME.toml.
        rows: rows to compare, separated by commas, such as alone,equal,grid,learned,UPGrad; by default those of the
            recipe.
        sweep: two tasks, separated by a comma: weights of one against the other, as in the paper's figure 2.
        seeds: train each row's best candidate with so many seeds.
        steps: optimizer steps of every run, instead of the recipe's.
        jobs: runs at a time, on this machine.
        list_runs: print a command for each run that is still to be made, for a cluster's scheduler, and make none.
        run: make this one run alone, as a command of --list-runs does.
        collect: make no run; report on those that there are.
        retry: make failed runs again.
        device: replaces the recipe's training.device: auto, cpu, cuda, cuda:1 or mps.
        json: print the table as JSON on standard output.
    """
    if sum((list_runs, bool(run), collect)) > 1:
        raise UsageError("--list-runs, --run, --collect: expected one of them, found several")
    given = read_recipe(recipe).with_training(device=device)
    settings = chosen_settings(given.comparison, rows=rows, sweep=sweep, seeds=seeds, steps=steps)
    plan, folder = make_plan(given, settings, recipe), ComparisonFolder(out or default_folder(recipe))
    options = {"--rows": rows, "--sweep": sweep, "--seeds": seeds, "--steps": steps, "--device": device}
    words = [str(word) for key, value in options.items() if value for word in (key, value)]

    def command(name: str) -> list[str]:
        return ["compare", str(recipe), "--out", str(folder.path), *words, "--run", name]

    if run:
        make_one(plan, plan.run(run), folder, recipe)
        return
    if not collect:
        begin(plan, folder, recipe)
    if retry:
        forget_failures(plan, folder)
    if list_runs:
        for each in missing_runs(plan, folder):
            print("equipoise", shlex.join(command(each.name)))
        return
    whole = collect or make_all(plan, folder, command, jobs)
    found = collected(plan, folder)
    page = write_report(found, plan, folder)
    if json:
        print(page.table)
    else:
        print_comparison(found, page)
    if not whole:
        sys.exit(143)


def default_folder(recipe: Path) -> Path:
    """Where the comparison of a recipe goes."""
    return Path("runs") / f"{recipe.stem}-comparison"


def chosen_settings(
    given: ComparisonRecipe, *, rows: str, sweep: str, seeds: int | None, steps: int | None
) -> ComparisonRecipe:
    """Return the recipe's settings with those of the command line; raises ``RecipeError``."""
    listed: dict[str, Any] = {key: _words(text) for key, text in (("rows", rows), ("sweep", sweep)) if text}
    listed |= {key: value for key, value in (("seeds", seeds), ("steps", steps)) if value is not None}
    settings = dataclasses.replace(given, **listed)
    check_ranges(settings, COMPARISON_RANGES, "comparison", "command line")
    return settings


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.split(",") if word.strip())


def begin(plan: Plan, folder: ComparisonFolder, recipe: Path) -> None:
    """Check the data, and write what is compared."""
    data = RecipeData(plan.recipe)
    counts = expect_apart(plan.splits, data, str(recipe))
    folder.write_overview(plan, plan_metrics(plan, data), counts)


def make_one(plan: Plan, run: PlannedRun, folder: ComparisonFolder, recipe: Path) -> None:
    """Make the run of ``--run``, and exit with the status of the signal that stopped it."""
    screen, device = console(), choose_device(plan.recipe.training.device, "training.device")
    if not folder.overview.exists():
        begin(plan, folder, recipe)
    if (record := folder.read_record(run.name)) is not None:
        how = f"failed before: {record.error}: make it again with --retry" if record.failed else "finished already"
        say(f"{run.name}: {how}", screen)
        return
    with TrainingDisplay(run.recipe.training.steps, screen) as display:
        status = make_run(plan, run, folder, run_callbacks(display), device)
    if status:
        sys.exit(status)


def forget_failures(plan: Plan, folder: ComparisonFolder) -> None:
    """Remove the records of failed runs, so that they are made again."""
    _, records, _ = known_records(plan, folder)
    for name, record in records.items():
        if record.failed:
            folder.record(name).unlink()


def make_all(plan: Plan, folder: ComparisonFolder, command: Callable[[str], Sequence[str]], jobs: int) -> bool:
    """Make all runs that have no record; returns whether none was stopped."""
    if jobs < 1:
        raise UsageError(f"--jobs: expected 1 or more, found {jobs}")
    screen, device = console(), choose_device(plan.recipe.training.device, "training.device")
    whole = True
    with exclusive_lock(folder.path):
        runs, records, metrics = known_records(plan, folder)
        if waiting := [run for run in runs if run.name not in records]:
            measured = measured_seconds(records.values())
            each = measured or estimated_seconds(plan, SILENT, device)
            say_plan(plan, done=len(records), seconds=each, measured=measured is not None, jobs=jobs, screen=screen)
            RecipeData(waiting[0].recipe).training(run_callbacks().counting)  # The cache, once for all.
        progress = Progress(plan.total(), len(records), metrics, screen)
        while whole and (waiting := next_runs(plan, folder)):
            whole = make_runs(waiting, folder, command, jobs=jobs, threads=usable_cores(), on_end=progress.ended)
    return whole
