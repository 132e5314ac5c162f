"""The command ``equipoise``: one table of commands, and one way for a mistake to end."""

import errno
import io
import os
import signal
import sys
import warnings
from types import FrameType
from typing import TYPE_CHECKING

from equipoise.commands.line import printable
from equipoise.errors import RunError, UserError
from equipoise.version import __version__

if TYPE_CHECKING:
    from cyclopts import App


def main() -> None:
    """Run the command line; a user's mistake ends in one line and its exit status."""
    try:
        from cyclopts import CycloptsError
    except ModuleNotFoundError as error:
        sys.exit(f"the commands need the scene system ({error.name} is missing): pip install 'equipoise[scenes]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # Names of files may hold anything.
    signal.signal(signal.SIGTERM, _end)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _end)
    warnings.filterwarnings("ignore", module=r"PIL\.")  # Metadata that nobody reads; damage ends in our own line.
    try:
        app().__call__(exit_on_error=False, print_error=False)
    except CycloptsError as error:
        fail(" ".join(str(error).split()), 2)
    except UserError as error:
        fail(str(error), error.exit_status)
    except BrokenPipeError:
        sys.exit(141)
    except MemoryError:
        fail(NO_MEMORY, 6)
    except RuntimeError as error:
        if "DefaultCPUAllocator" not in str(error):
            raise
        fail(NO_MEMORY, 6)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        room = ": make room" if error.errno == errno.ENOSPC else ""
        fail(f"{where}expected to read or write, found: {error.strerror or error}{room}", RunError.exit_status)
    except KeyboardInterrupt:
        fail("stopped", 130)
    finally:
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):  # All is said and done: a later one ends at once, silently.
                signal.signal(number, signal.SIG_DFL)


def _end(number: int, frame: FrameType | None) -> None:
    """End as a shell expects of a process that a signal ended, what lies half written removed on the way."""
    fail("stopped", 128 + number)


NO_MEMORY = "expected enough memory, found too little: lower training.batch_size, data.size or the model's channels"


def fail(line: str, status: int) -> None:
    """Say what is wrong in one line, and end."""
    rank = os.environ.get("RANK", "0")
    who = "equipoise" if rank == "0" else f"equipoise (process {rank})"
    print(f"{who}: {printable(line)}", file=sys.stderr)
    sys.exit(status)


def app() -> "App":
    """All commands; each is imported when it is called."""
    from cyclopts import App

    commands = App(
        name="equipoise",
        version=__version__,
        help="Train one network for several tasks, and let it learn how to weigh their losses.",
    )
    for name, says in COMMANDS.items():
        commands.command(f"equipoise.commands.{name}:{name}", name=name, help=says)
    return commands


COMMANDS = {
    "demo": "The whole path on generated streets, start to finish.",
    "generate": "Generate street scenes with exact labels.",
    "check": "Read a whole data set and say what it holds and what is wrong with it.",
    "train": "Train a network as a recipe says, evaluate it, and write a report.",
    "evaluate": "Evaluate a trained run.",
    "predict": "Predict the scenes in an image, a folder, or the images that a pattern names.",
    "report": "Write report.html of a run again.",
}
"""Name → what it does, in the order of a first hour; each lies in the module of its name."""
