"""Show progress: live on a terminal, as plain lines elsewhere."""

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Self, cast

from rich.cells import cell_len
from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from equipoise.commands.line import printable
from equipoise.commands.table import Column, table_lines
from equipoise.scenes.training.log import Entry
from equipoise.scenes.wording import significant

PLAIN_SECONDS = 10.0
"""The shortest time between two lines of progress, if there is no terminal."""


def console() -> Console:
    """Return the console for progress: standard error, since standard output is for results alone."""
    return Console(file=cast(IO[str], _Terminal(sys.stderr)), markup=False, emoji=False)


class _Terminal:
    """A stream that ignores the loss of its terminal, since nobody can see the progress any more."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with _unless_lost():
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with _unless_lost():
            self._stream.flush()


@contextmanager
def _unless_lost() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def output() -> Console:
    """Return the console for results: standard output. Brackets in names are not markup."""
    return Console(markup=False, emoji=False)


def say(line: str, screen: Console) -> None:
    """Print one line of any length, which only the terminal itself may wrap."""
    screen.print(printable(line), highlight=False, soft_wrap=True)


def progress_line(before: str, share: float, after: str, width: int) -> Text:
    """Return a bar between two texts that fills the width; if there is no room for it, the texts alone."""
    room = min(40, width - cell_len(before) - cell_len(after) - 2)
    if room < 8:
        return Text(f"{before} {after}")
    done = int(room * min(max(share, 0.0), 1.0))
    return Text.assemble(f"{before} ", ("━" * done, "green"), ("━" * (room - done), "dim"), f" {after}")


def time_left(seconds: float) -> str:
    """Format a time in hours, minutes and seconds.

    >>> time_left(75.2), time_left(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


class Counter:
    """Counts up to a total, or on if it is ``None``: call ``advance()`` after each item."""

    def __init__(self, title: str, total: int | None, screen: Console) -> None:
        self.title, self.total, self.screen, self.done = printable(title), total, screen, 0
        self.started = self.printed = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Count ``count`` more items as done."""
        self.done += count
        now = time.monotonic()
        if not self.screen.is_terminal and (self.done == self.total or now - self.printed > PLAIN_SECONDS):
            of = "" if self.total is None else f" of {self.total}"
            say(f"{self.title}: {self.done}{of}, {self._rate():.1f} per second", self.screen)
            self.printed = now

    def _rate(self) -> float:
        return self.done / max(time.monotonic() - self.started, 1e-9)

    def shown(self) -> Text:
        """Return title, bar, count and time left, with the title on a line of its own if there is too little room."""
        if self.total is None:
            return Text(f"{self.title} {self.done}, {self._rate():.1f} per second")
        count, width = f"{self.done}/{self.total}", self.screen.width
        if self.done:
            count += f", {time_left((time.monotonic() - self.started) / self.done * (self.total - self.done))} left"
        before, lines = self.title, []
        if cell_len(before) + len(count) + 10 > width:
            before, lines = "", [Text(self.title)]
        return Text("\n").join([*lines, progress_line(before, self.done / max(self.total, 1), count, width)])


@contextmanager
def counting(title: str, total: int | None, screen: Console) -> Iterator[Counter]:
    """Show a progress bar on a terminal, or lines elsewhere."""
    counter = Counter(title, total, screen)
    if not screen.is_terminal:
        yield counter
        return
    with Live(get_renderable=counter.shown, console=screen, refresh_per_second=4) as live:
        yield counter
        live.transient = counter.done == 0  # Without any item nothing stays on the screen.


class TrainingDisplay:
    """Shows raw loss, σ and weight of each task, the images per second and the time left."""

    def __init__(self, steps: int, screen: Console) -> None:
        self.steps, self.screen = steps, screen
        self.live = Live(console=screen, refresh_per_second=4) if screen.is_terminal else None
        self.first: Entry | None = None
        self.printed = time.monotonic()

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self.live:
            self.live.stop()

    def log(self, entry: Entry) -> None:
        """Show one log entry."""
        self.first = self.first or entry
        if self.live:
            self.live.update(self._table(entry))
        elif time.monotonic() - self.printed > PLAIN_SECONDS or entry["step"] in (self.first["step"], self.steps):
            say(self._line(entry), self.screen)
            self.printed = time.monotonic()

    @contextmanager
    def counting(self, title: str, total: int) -> Iterator[Callable[[], None]]:
        """Count below the table on a terminal, or as the function ``counting`` elsewhere."""
        if not self.live:
            with counting(title, total, self.screen) as counter:
                yield counter.advance
            return
        live, shown, done = self.live, self.live.renderable, 0

        def advance() -> None:
            nonlocal done
            done += 1
            live.update(Group(shown, Text(f"{printable(title)} {done}/{total}")))

        yield advance
        live.update(shown)

    def _left(self, entry: Entry) -> str:
        """Estimate the time left from the speed since the first entry."""
        assert self.first is not None
        steps = entry["step"] - self.first["step"]
        if steps == 0:
            return "--:--"
        return time_left((entry["seconds"] - self.first["seconds"]) / steps * (self.steps - entry["step"]))

    def _head(self, entry: Entry) -> tuple[str, str]:
        """Return the texts before and after the bar."""
        after = f"{entry['images_per_second']:.1f} images/s, {self._left(entry)} left"
        return f"step {entry['step']}/{self.steps}", after

    def _line(self, entry: Entry) -> str:
        return " | ".join([", ".join(self._head(entry)), *(f"{n} {_terms(t)}" for n, t in entry["tasks"].items())])

    def _table(self, entry: Entry) -> Text:
        before, after = self._head(entry)
        head = progress_line(before, entry["step"] / self.steps, after, self.screen.width)
        columns = [Column(title=key, numbers=key != "task") for key in ("task", "raw loss", "σ", "weight")]
        rows = [
            [printable(name), *(significant(term[key]) for key in ("loss", "sigma", "weight"))]
            for name, term in entry["tasks"].items()
        ]
        return Text("\n").join([head, *map(Text, table_lines(columns, rows, self.screen.width))])


def _terms(term: dict[str, Any]) -> str:
    return f"loss {significant(term['loss'])} σ {significant(term['sigma'])} weight {significant(term['weight'])}"
