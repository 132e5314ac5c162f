"""What a person sees while something long runs: live on a terminal, plain lines elsewhere."""

import errno
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, Any, Self, cast

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from equipoise.scenes.training.log import Entry

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


class Counter:
    """Counts up to a total, in words: ``advance()`` after each."""

    def __init__(self, title: str, total: int, screen: Console) -> None:
        self.title, self.total, self.screen, self.done = title, total, screen, 0
        self.started = self.printed = time.monotonic()
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=screen,
        )
        self.task = self.bar.add_task(title, total=total)

    def advance(self, count: int = 1) -> None:
        """Note that ``count`` more are done."""
        self.done += count
        self.bar.update(self.task, completed=self.done)
        now = time.monotonic()
        if not self.screen.is_terminal and (self.done >= self.total or now - self.printed > PLAIN_SECONDS):
            rate = self.done / max(now - self.started, 1e-9)
            self.screen.print(f"{self.title} {self.done}/{self.total}, {rate:.1f} a second", highlight=False)
            self.printed = now


@contextmanager
def counting(title: str, total: int, screen: Console) -> Iterator[Counter]:
    """A progress bar on a terminal, lines elsewhere."""
    counter = Counter(title, total, screen)
    if not screen.is_terminal:
        yield counter
        return
    with counter.bar:
        yield counter


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
            self.screen.print(self._line(entry), highlight=False, soft_wrap=True)
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
            live.update(Group(shown, Text(f"{title} {done}/{total}")))

        yield advance
        live.update(shown)

    def _left(self, entry: Entry) -> str:
        """Time left, from the pace since the first entry."""
        assert self.first is not None
        steps = entry["step"] - self.first["step"]
        if steps == 0:
            return "--:--"
        seconds = (entry["seconds"] - self.first["seconds"]) / steps * (self.steps - entry["step"])
        return f"{int(seconds // 60)}:{int(seconds % 60):02d}"

    def _line(self, entry: Entry) -> str:
        head = f"step {entry['step']}/{self.steps}, {entry['images_per_second']:.1f} images/s, {self._left(entry)} left"
        return " | ".join([head, *(f"{n} {_terms(t)}" for n, t in entry["tasks"].items())])

    def _table(self, entry: Entry) -> Group:
        done = int(40 * entry["step"] / self.steps)
        bar = f"[green]{'━' * done}[/][dim]{'━' * (40 - done)}[/]"
        head = (
            f"step {entry['step']}/{self.steps} {bar} {entry['images_per_second']:.1f} images/s, "
            f"{self._left(entry)} left"
        )
        table = Table(box=None, padding=(0, 2))
        table.add_column("task")
        for title in ("raw loss", "σ", "weight"):
            table.add_column(title, justify="right", min_width=8)
        for name, term in entry["tasks"].items():
            table.add_row(name, *(number(term[key]) for key in ("loss", "sigma", "weight")))
        return Group(Text.from_markup(head), table)


def _terms(term: dict[str, Any]) -> str:
    return f"loss {number(term['loss'])} σ {number(term['sigma'])} weight {number(term['weight'])}"


def number(value: Any) -> str:
    """Three significant figures; a dash for no value."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return "[" + ", ".join(number(item) for item in value) + "]"
    return f"{value:.3g}"
