"""What ``equipoise compare`` says: what it will do, each run that ends, and the table at the end."""

import time
from collections.abc import Sequence

from rich.console import Console

from equipoise.commands.display import console, output, say, time_left
from equipoise.commands.table import Column, print_table
from equipoise.comparison.records import Metric, RunRecord
from equipoise.scenes.comparison.collect import Collected
from equipoise.scenes.comparison.page import Page
from equipoise.scenes.comparison.plan import Plan, PlannedRun
from equipoise.scenes.wording import counted, significant


def say_plan(plan: Plan, *, done: int, seconds: float, measured: bool, jobs: int, screen: Console) -> None:
    """Say how many runs there will be, and roughly how long they take."""
    total, steps = plan.total(), plan.recipe.training.steps
    left = total - done
    kept = f", {done} of them made before" if done else ""
    say(
        f"{counted(total, 'run')} of {counted(steps, 'step')}{kept}: {counted(len(plan.rows), 'row')}, "
        f"{counted(plan.settings.seeds, 'seed')}, {counted(len(plan.settings.lr_factors), 'learning rate')}",
        screen,
    )
    for name in plan.splits.test:
        say(f"{name}: {plan.splits.sentence(name)}", screen)
    basis = "as finished runs took" if measured else "by one timed step; validations come on top"
    at_once = f", {jobs} at a time" if jobs > 1 else ""
    say(f"about {time_left(seconds * left / (jobs if measured else 1))} ({basis}{at_once})", screen)


class Progress:
    """Says which runs have ended."""

    def __init__(self, total: int, done: int, metrics: Sequence[Metric], screen: Console) -> None:
        self.total, self.before, self.done, self.metrics, self.screen = total, done, done, metrics, screen
        self.started = time.monotonic()

    def ended(self, run: PlannedRun, record: RunRecord | None) -> None:
        """Say how a run ended, and how much time is left."""
        if record is None:
            say(f"{run.name}: stopped; call the command again to continue", self.screen)
            return
        self.done += 1
        each = (time.monotonic() - self.started) / (self.done - self.before)
        left = time_left(each * (self.total - self.done))
        say(f"{self.done}/{self.total}, {left} left | {run.name}: {self._how(record)}", self.screen)

    def _how(self, record: RunRecord) -> str:
        if record.failed:
            return f"failed: {record.error}"
        own = [metric for metric in self.metrics if metric.key in record.validation]
        figures = ", ".join(f"{metric.key} {significant(record.validation[metric.key])}" for metric in own)
        return f"validation {figures}"


def print_comparison(found: Collected, page: Page) -> None:
    """Print the table, what it says in words, and where the page is."""
    screen = output()
    first, *others = page.columns
    columns = [Column(title=first), *(Column(title=title, numbers=True) for title in others)]
    print_table(page.title, columns, page.rows, screen)
    screen.print(page.words, highlight=False)
    if found.missing:
        say(f"{counted(len(found.missing), 'run')} still to be made: {', '.join(found.missing[:3])} …", console())
    say(f"Report: {page.path}", screen)
