"""A process of ``generate``: jobs come as lines ``SPLIT INDEX`` on standard input, and a line goes out after each."""

import contextlib
import os
import signal
import sys
from pathlib import Path

from equipoise.scenes.streets.generate import FAILED, NORMALS, WRITTEN, write_street


def work(out: Path, size: tuple[int, int], seed: int, *, normals: bool) -> None:
    """Write the streets that are asked for, until the input ends."""
    for line in sys.stdin.read().splitlines():
        split, index = line.split()
        try:
            write_street(out, size, seed, (split, int(index)), normals=normals)
            sys.stdout.write(WRITTEN)
            sys.stdout.flush()
        except OSError as error:
            with contextlib.suppress(OSError):  # Who asked may have ended.
                sys.stdout.write(f"{FAILED}{error.strerror or error}\n")
                sys.stdout.flush()
            os._exit(1)


if __name__ == "__main__":
    # Ctrl-C reaches every process of a terminal; the one that started this one ends it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    folder, height, width, number, *more = sys.argv[1:]
    work(Path(folder), (int(height), int(width)), int(number), normals=more == [NORMALS])
