"""The command as a process, and how it ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

RECIPE = """
tasks = ["semantic", "instance", "depth"]
[data]
kind = "folder"
path = "data/data.toml"
size = [32, 48]
cache_folder = "cache"
[model]
aspp_channels = 16
[training]
steps = {steps}
batch_size = 2
log_every = 1
"""


def equipoise(*arguments: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), cwd=cwd, capture_output=True, text=True, timeout=300, env=environment())


def command(*arguments: object) -> list[str]:
    start = "from equipoise.commands.main import main; main()"
    return [sys.executable, "-c", start, *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}


def heed_signals() -> None:
    """For a child process: the children of nohup, and of a shell's background, ignore some."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The one line that a mistake ends in; progress may stand before it."""
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("equipoise: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@contextmanager
def uncounted(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Progress that nobody sees."""
    yield lambda: None
