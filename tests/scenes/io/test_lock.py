"""One process at a time holds a folder's lock, and no lock file is left."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path

import pytest

from equipoise.errors import RunError
from equipoise.scenes.io.lock import LOCK, exclusive_lock
from tests.support.commands import reset_signals

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no locking on Windows")
HOLDER = """
import sys, time
from pathlib import Path
from equipoise.scenes.io.lock import exclusive_lock
with exclusive_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        preexec_fn=reset_signals,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


@pytest.mark.parametrize("error", [None, ValueError, KeyboardInterrupt, SystemExit])
def test_no_lock_file_is_left(tmp_path, error):
    with nullcontext() if error is None else pytest.raises(error), exclusive_lock(tmp_path):
        assert (tmp_path / LOCK).exists()
        if error is not None:
            raise error
    assert list(tmp_path.iterdir()) == []


def test_a_second_process_gets_an_error_and_the_lock_stays(tmp_path):
    with holder(tmp_path) as process:
        with pytest.raises(RunError, match="found another process there"), exclusive_lock(tmp_path):
            pytest.fail("two processes hold the same lock")
        assert (tmp_path / LOCK).exists()
        process.send_signal(signal.SIGINT)
    assert not (tmp_path / LOCK).exists()


def test_the_lock_file_of_a_killed_process_is_taken_over(tmp_path):
    with holder(tmp_path) as process:
        process.kill()
    assert (tmp_path / LOCK).exists()
    with exclusive_lock(tmp_path):
        pass
    assert not (tmp_path / LOCK).exists()


def test_waiting_threads_enter_one_at_a_time(tmp_path):
    """Although each removes the file that the others wait for."""
    inside, most, turns = 0, 0, []

    def work() -> None:
        nonlocal inside, most
        for _ in range(20):
            with exclusive_lock(tmp_path, wait=True):
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
