"""The command ``equipoise``: its table of commands, and how errors are reported."""

import errno
import io
import os
import signal
import sys
import warnings
from contextlib import suppress
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

from equipoise.commands.line import printable
from equipoise.errors import RunError, UserError
from equipoise.version import __version__

if TYPE_CHECKING:
    from cyclopts import App


def main() -> None:
    """Run the command line; report a user's mistake in one line, with its exit status."""
    try:
        from cyclopts import CycloptsError
    except ModuleNotFoundError as error:
        sys.exit(f"the commands need the scene system ({error.name} is missing): pip install 'equipoise[scenes]'")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # File names may contain anything.
    warnings.filterwarnings("ignore", module=r"PIL\.")  # About metadata; damaged pictures have errors of our own.
    warnings.showwarning = lambda message, *place: print(f"equipoise: {printable(str(message))}", file=sys.stderr)
    stop = Stop()
    try:
        command, bound, _ = app().parse_args(exit_on_error=False, print_error=False)  # Imports the command's module.
        stop.listen()
        command(*bound.args, **bound.kwargs)
    except CycloptsError as error:
        fail(" ".join(str(error).split()), 2)
    except BaseException as error:
        if stop.signal is not None:  # Native code may have replaced the exception.
            fail("stopped", 128 + stop.signal)
        ending = known(error)
        if ending is None:
            raise
        fail(*ending)
    finally:
        stop.end_silently()


class Stop:
    """Turns a signal into an exception, so that half-written files are removed."""

    signal: int | None = None

    def listen(self) -> None:
        """Handle signals from now on; those that are ignored (nohup) stay ignored."""
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, self._stop)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.signal = number
        raise KeyboardInterrupt

    def end_silently(self) -> None:
        """Let a later signal end the process at once, since the command is done."""
        for number in signal.valid_signals():
            if callable(signal.getsignal(number)):
                signal.signal(number, signal.SIG_DFL)


def known(error: BaseException) -> tuple[str, int] | None:
    """Return the message and the exit status of an error; ``None`` for a defect of the program."""
    if isinstance(error, UserError):
        return str(error), error.exit_status
    if isinstance(error, KeyboardInterrupt):
        return "stopped", 130
    if isinstance(error, BrokenPipeError):
        return "", 141  # The reader has closed the pipe, as head does.
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _ran_out(error)):
        return NO_MEMORY, 6
    if isinstance(error, OSError) and error.errno == errno.EIO and error.filename is None:
        return "stopped: the terminal was closed", 129
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        room = ": make room" if error.errno == errno.ENOSPC else ""
        return f"{where}expected to read or write, found: {error.strerror or error}{room}", RunError.exit_status
    return None


def _ran_out(error: RuntimeError) -> bool:
    from equipoise.scenes.training.memory import is_out_of_memory  # Imports torch: not for a wrong option.

    return is_out_of_memory(error)


NO_MEMORY = "expected enough memory, found too little: lower training.batch_size, data.size or the model's channels"


def fail(line: str, status: int) -> NoReturn:
    """Print the message as one line on standard error, and exit."""
    rank = os.environ.get("RANK", "0")
    who = "equipoise" if rank == "0" else f"equipoise (process {rank})"
    with suppress(OSError):  # Standard error may be closed.
        if line:
            print(f"{who}: {printable(line)}", file=sys.stderr)
    sys.exit(status)


def app() -> "App":
    """Return the application; a command's module is imported when it is called."""
    from cyclopts import App

    commands = App(
        name="equipoise",
        version=__version__,
        help="Train one network for several tasks with losses weighed by their learned noise.",
    )
    for name, says in COMMANDS.items():
        commands.command("equipoise.commands.{0}:{0}".format(name.replace("-", "_")), name=name, help=says)
    return commands


COMMANDS = {
    "demo": "Generate street scenes, train on them, evaluate, and write a report, in about nine minutes.",
    "generate": "Generate street scenes with exact labels.",
    "describe": "Look at a folder of images and labels, and draft its description.",
    "check": "Read a whole data set and report its contents and errors.",
    "train": "Train a network from a recipe, evaluate it, and write a report.",
    "compare": "Compare ways of weighing the losses on your data: the table of the paper, with intervals.",
    "evaluate": "Compute the figures of a trained run.",
    "predict": "Predict the scene in an image, a folder of images, or the images that match a pattern.",
    "report": "Write the report of a run again.",
    "export": "Write a trained model as ONNX or as a PyTorch program, for use without Equipoise.",
    "convert-weights": "Convert published weights (.pth) for model.encoder_weights.",
}
"""What each command does, in the order of a first session. Each is in the module of its name."""
