"""One process at a time holds a folder, and no lock file stays behind."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from equipoise.errors import RunError
from equipoise.scenes.io.lock import LOCK, alone_in
from tests.support.commands import heed_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing is locked on Windows")
HOLDER = """
import sys, time
from pathlib import Path
from equipoise.scenes.io.lock import alone_in
with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=heed_signals,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_nothing_stays_behind(tmp_path, error):
    with nullcontext() if error is None else pytest.raises(error), alone_in(tmp_path):
        assert (tmp_path / LOCK).exists()
        if error is not None:
            raise error
    assert list(tmp_path.iterdir()) == []


def test_another_process_is_refused_and_its_lock_stays(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(RunError, match="found another process there"), alone_in(tmp_path):
            pytest.fail("two processes hold one folder")
        assert (tmp_path / LOCK).exists()
        process.send_signal(signal.SIGINT)
    assert not (tmp_path / LOCK).exists()


def test_what_a_killed_process_left_is_taken_over(tmp_path):
    with holder(tmp_path) as process:
        process.kill()
    assert (tmp_path / LOCK).exists()
    with alone_in(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_those_that_wait_come_one_at_a_time(tmp_path):
    """Though each removes the file that the next ones wait for."""
    inside, most, turns = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with alone_in(tmp_path, wait=True):
                inside += 1
                most = max(most, inside)
                time.sleep(0.0005)
                inside -= 1
            turns.append(1)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (most, len(turns)) == (1, 120)
    assert list(tmp_path.iterdir()) == []
