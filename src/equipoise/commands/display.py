"""Progress: live on a terminal, plain lines elsewhere."""

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
"""Off a terminal, a line at most every so many seconds."""


def console() -> Console:
    """Progress goes to standard error, so that standard output holds results alone."""
    return Console(file=cast(IO[str], _Terminal(sys.stderr)), markup=False, emoji=False)


class _Terminal:
    """A stream whose terminal may be lost: progress that nobody can see any more is no error."""

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
    """Results go to standard output; names in them are text, whatever brackets they hold."""
    return Console(markup=False, emoji=False)


def say(line: str, screen: Console) -> None:
    """Print one line, whatever its length: where it breaks is up to the terminal, and a pipe gets it whole."""
    screen.print(printable(line), highlight=False, soft_wrap=True)


def progress_line(before: str, share: float, after: str, width: int) -> Text:
    """Words, a bar that fills the room that they leave, words; without room, the words alone."""
    room = min(40, width - cell_len(before) - cell_len(after) - 2)
    if room < 8:
        return Text(f"{before} {after}")
    done = int(room * min(max(share, 0.0), 1.0))
    return Text.assemble(f"{before} ", ("━" * done, "green"), ("━" * (room - done), "dim"), f" {after}")


def time_left(seconds: float) -> str:
    """Hours, minutes and seconds.

    >>> time_left(75.2), time_left(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}" if minutes >= 60 else f"{minutes}:{rest:02d}"


class Counter:
    """Counts up to a total, in words: ``advance()`` after each."""

    def __init__(self, title: str, total: int, screen: Console) -> None:
        self.title, self.total, self.screen, self.done = printable(title), total, screen, 0
        self.started = self.printed = time.monotonic()

    def advance(self, count: int = 1) -> None:
        """Note that ``count`` more are done."""
        self.done += count
        now = time.monotonic()
        if not self.screen.is_terminal and (self.done >= self.total or now - self.printed > PLAIN_SECONDS):
            rate = self.done / max(now - self.started, 1e-9)
            say(f"{self.title}: {self.done} of {self.total}, {rate:.1f} per second", self.screen)
            self.printed = now

    def shown(self) -> Text:
        """Title, bar, count and time left; the title on a line of its own where it leaves no room."""
        count, width = f"{self.done}/{self.total}", self.screen.width
        if self.done:
            count += f", {time_left((time.monotonic() - self.started) / self.done * (self.total - self.done))} left"
        before, lines = self.title, []
        if cell_len(before) + len(count) + 10 > width:
            before, lines = "", [Text(self.title)]
        return Text("\n").join([*lines, progress_line(before, self.done / max(self.total, 1), count, width)])


@contextmanager
def counting(title: str, total: int, screen: Console) -> Iterator[Counter]:
    """A progress bar on a terminal, lines elsewhere."""
    counter = Counter(title, total, screen)
    if not screen.is_terminal:
        yield counter
        return
    with Live(get_renderable=counter.shown, console=screen, refresh_per_second=4) as live:
        yield counter
        live.transient = counter.done == 0  # Nothing was to be done: nothing stays on the screen.


class TrainingDisplay:
    """Raw loss, σ and weight of each task, images a second and the time left."""

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
        """Count below the table on a terminal; elsewhere as ``counting`` does."""
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
        """Time left, from the pace since the first entry."""
        assert self.first is not None
        steps = entry["step"] - self.first["step"]
        if steps == 0:
            return "--:--"
        return time_left((entry["seconds"] - self.first["seconds"]) / steps * (self.steps - entry["step"]))

    def _head(self, entry: Entry) -> tuple[str, str]:
        """What stands before the bar, and what after it."""
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
