"""The command's first step, outside the package: a signal while torch is being imported shows no traceback."""

import os
import signal
import sys
from types import FrameType


def main() -> None:
    """Import the commands, which takes a second, and run the one that is asked for."""
    if signal.getsignal(signal.SIGINT) == signal.default_int_handler:
        signal.signal(signal.SIGINT, _end)
    from equipoise.commands.main import main as run

    run()


def _end(number: int, frame: FrameType | None) -> None:
    """End at once: an exception out of an import may be caught there, or leave half a module."""
    sys.stderr.write("equipoise: stopped\n")
    sys.stderr.flush()
    os._exit(128 + number)
