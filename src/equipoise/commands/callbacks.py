"""Show the progress and the notices of a run on the screen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from equipoise.commands.display import TrainingDisplay, console, counting, say
from equipoise.scenes.runs.callbacks import RunCallbacks
from equipoise.scenes.training.log import Entry


@contextmanager
def _uncounted(title: str, total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


SILENT = RunCallbacks(on_log=lambda entry: None, on_notice=lambda line: None, counting=_uncounted)
"""Callbacks that show nothing, for all processes of a group except the first."""


def run_callbacks(display: TrainingDisplay | None = None) -> RunCallbacks:
    """Return callbacks that show progress and notices on standard error; ``display`` also shows the training log."""
    screen = display.screen if display is not None else console()

    @contextmanager
    def count(title: str, total: int) -> Iterator[Callable[[], None]]:
        with counting(title, total, screen) as counter:
            yield counter.advance

    def on_log(entry: Entry) -> None:
        if display is not None:
            display.log(entry)

    def on_notice(line: str) -> None:
        say(line, screen)

    return RunCallbacks(on_log=on_log, on_notice=on_notice, counting=count if display is None else display.counting)
