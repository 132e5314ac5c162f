"""Run commands on full and read-only disks, with real mounts in a private namespace."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.scenes.inference.test_predictor import write_run
from tests.support.cityscapes import save, write_cityscapes
from tests.support.commands import RECIPE

UNSHARE = ["unshare", "--map-root-user", "--mount"]


def can_mount() -> bool:
    try:
        done = subprocess.run([*UNSHARE, "mount", "-t", "tmpfs", "tmpfs", "/mnt"], capture_output=True, timeout=60)
    except OSError:
        return False
    return done.returncode == 0


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_mount(), reason="this machine lets tests mount nothing (unshare --mount)"),
]


def in_namespace(home: Path, script: str) -> subprocess.CompletedProcess[str]:
    """Run a shell script that may mount; ``equipoise`` is the command, ``said STATUS`` prints its status and line."""
    program = f"{shlex.quote(sys.executable)} -W error -m equipoise"
    prelude = f"""
        set -u
        equipoise() {{
            {program} "$@" >/dev/null 2>errors
            echo "$? $(grep '^equipoise' errors)"
            grep -c Traceback errors
        }}
    """
    return subprocess.run(
        [*UNSHARE, "sh", "-c", prelude + script],
        cwd=home, capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def endings(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Return the status and error line of each command; check that none printed a traceback."""
    assert done.returncode in (0, 1), done.stderr
    lines = done.stdout.splitlines()
    assert lines[1::2] == ["0"] * (len(lines) // 2), done.stdout
    return lines[::2]


@pytest.fixture
def run(home: Path) -> Path:
    (home / "model").mkdir()
    return write_run(home / "model", ("semantic", "instance", "depth"))


def test_a_full_disk_ends_training_in_one_line_and_resume_goes_on(home):
    (home / "recipe.toml").write_text(RECIPE.format(steps=6).replace("batch_size", "checkpoint_every = 2\nbatch_size"))
    (home / "disk").mkdir()
    first, second, _ = endings(
        in_namespace(
            home,
            """
            mount -t tmpfs -o size=3m tmpfs disk
            equipoise train recipe.toml --out disk/run
            ls -A disk/run/checkpoints > left
            mount -o remount,size=200m disk
            equipoise train recipe.toml --out disk/run --overwrite --steps 4
            cp -r disk/run kept
            mount -t tmpfs -o size=3m tmpfs disk
            equipoise train recipe.toml --out disk/run
            """,
        )
    )
    assert first.startswith("5 equipoise: disk/run/checkpoints: expected to write a checkpoint of step 2")
    assert "No space left on device" in first
    assert "--overwrite" in first
    assert (home / "left").read_text() == ""
    assert second == "0 "
    assert (home / "kept/report.html").exists()


def test_other_commands_on_a_full_disk(home, run):
    (home / "recipe.toml").write_text(
        RECIPE.format(steps=2).replace('cache_folder = "cache"', 'cache_folder = "disk/cache"')
    )
    (home / "disk").mkdir()
    lines = endings(
        in_namespace(
            home,
            """
            mount -t tmpfs -o size=16k tmpfs disk
            equipoise generate disk/streets --train 2 --val 0
            rm -rf disk/*
            equipoise train recipe.toml --out elsewhere
            rm -rf disk/*
            equipoise predict model data/rgb --out disk/out
            rm -rf disk/*
            equipoise check data/data.toml --sheet disk/sheet.png
            """,
        )
    )
    assert "of free space for the cache of resized samples, found 12.3 kB" in lines[1], lines
    for line in (lines[0], lines[2]):
        assert "No space left on device" in line, lines
    statuses = [line.split()[0] for line in lines]
    assert statuses[:3] == ["5", "3", "5"]


def test_a_disk_that_fills_while_predictions_are_written(home, run):
    """Several are done and others wait in the writer threads: one line, and no record of what is not there."""
    for name in range(40):
        pixels = np.random.default_rng(name).integers(0, 256, (120, 160, 3)).astype(np.uint8)
        save(home / f"photos/{name:02d}.png", pixels)
    (home / "disk").mkdir()
    (line,) = endings(
        in_namespace(
            home,
            """
            mount -t tmpfs -o size=600k tmpfs disk
            equipoise predict model photos --out disk/out
            cp -r disk/out kept
            """,
        )
    )
    assert line.startswith("5 "), line
    assert "No space left on device" in line
    records = [json.loads(path.read_text() or "{}") for path in (home / "kept").glob("*.json")]
    done = [record for record in records if record and not record.get("unfinished")]
    assert 1 <= len(done) < 40
    for record in done:
        assert all((home / "kept" / file).stat().st_size for file in record["files"])
    assert len(records) - len(done) <= 8, "the rest was not begun"


def test_read_only_outputs(home, run):
    (home / "locked").mkdir()
    write_run_files(home, run)
    lines = endings(
        in_namespace(
            home,
            """
            mkdir inner && cp -r trained inner/ && mount --bind inner locked && mount -o remount,bind,ro locked
            equipoise train recipe.toml --out locked/run
            equipoise generate locked/streets --train 1 --val 1
            equipoise predict model data/rgb --out locked/out
            equipoise check data/data.toml --sheet locked/sheet.png
            equipoise demo --out locked/demo
            equipoise report locked/trained
            """,
        )
    )
    assert [line.split()[0] for line in lines] == ["5", "5", "5", "5", "5", "5"], lines
    for line in lines:
        assert "Read-only file system" in line
        assert "locked" in line


def write_run_files(home: Path, run: Path) -> None:
    """Write a run's record beside its model, enough for a report."""
    shutil.copytree(run, home / "trained")
    (home / "trained/run.json").write_text(json.dumps({"tasks": ["depth"]}))


def test_read_only_data_train(home):
    write_cityscapes(home / "city", "train", 3)
    write_cityscapes(home / "city", "val", 2)
    (home / "recipe.toml").write_text(
        RECIPE.format(steps=2).replace('"folder"', '"cityscapes"').replace("data/data.toml", "city")
    )
    lines = endings(
        in_namespace(
            home,
            """
            mount --bind city city && mount -o remount,bind,ro city
            equipoise check city
            equipoise train recipe.toml
            """,
        )
    )
    assert lines == ["0 ", "0 "]
    assert (home / "runs/recipe/report.html").exists()
