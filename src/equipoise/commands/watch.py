"""Progress and notices of a run on the screen."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from equipoise.commands.display import TrainingDisplay, console, counting, say
from equipoise.scenes.runs.record import Watch
from equipoise.scenes.training.log import Entry


@contextmanager
def _uncounted(title: str, total: int) -> Iterator[Callable[[], None]]:
    yield lambda: None


SILENT = Watch(on_log=lambda entry: None, on_notice=lambda line: None, counting=_uncounted)
"""Shows nothing: for all processes of a group but the first."""


def watch(display: TrainingDisplay | None = None) -> Watch:
    """Progress on standard error; training, and what is counted and noticed meanwhile, shows on ``display``."""
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

    return Watch(on_log=on_log, on_notice=on_notice, counting=count if display is None else display.counting)
