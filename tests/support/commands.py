"""The command as a process, and how it ends.

``equipoise(...)`` forks from a process that has imported the command's libraries already, which takes two seconds: the
tests run some hundred commands. ``command(...)`` is for tests that need a process with a start of its own.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any
from unittest import mock

FORK = multiprocessing.get_context("forkserver")
PRELOADED = ("main", "check", "demo", "evaluate", "export", "predict")
FORK.set_forkserver_preload(["matplotlib", "jinja2", *(f"equipoise.commands.{c}" for c in PRELOADED)])

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


def equipoise(*arguments: object, cwd: Path | None = None, **variables: object) -> subprocess.CompletedProcess[str]:
    words, given = [str(argument) for argument in arguments], environment() | {k: str(v) for k, v in variables.items()}
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        streams = [DupFd(file.fileno()) for file in (out, err)]
        process = FORK.Process(target=_run, args=(words, cwd, given, *streams))
        with mock.patch.dict(os.environ, environment()):  # For the server, which the first command starts.
            process.start()
        process.join(300)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(words, 300)
        for stream in (out, err):
            stream.seek(0)
        return subprocess.CompletedProcess(words, process.exitcode, out.read(), err.read())


def _run(words: list[str], cwd: Path | None, given: dict[str, str], out: Any, err: Any) -> None:
    """Become the command: its arguments, folder, environment and streams."""
    os.dup2(out.detach(), 1)
    os.dup2(err.detach(), 2)
    os.chdir(cwd or ".")
    os.environ.update(given)
    sys.argv = ["equipoise", *words]
    from equipoise.commands.main import main

    main()


def command(*arguments: object) -> list[str]:
    start = "from equipoise.commands.main import main; main()"
    return [sys.executable, "-c", start, *map(str, arguments)]


def environment() -> dict[str, str]:
    return os.environ | {"OMP_NUM_THREADS": "1", "COLUMNS": "160"}


def reset_signals() -> None:
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
def silent_progress(title: str, total: int) -> Iterator[Callable[[], None]]:
    """Progress that nobody sees."""
    yield lambda: None
