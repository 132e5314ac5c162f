"""No half checkpoint is ever loaded: kills at every write, cut files, flipped bytes, full disks."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from equipoise.scenes.training.checkpoint import newest_checkpoint, prune_checkpoints, write_checkpoint

FILES = {"model.safetensors": b"weights" * 100, "state.json": b'{"step": 1}'}


def test_written_checkpoint_is_read_back(tmp_path: Path):
    path = write_checkpoint(tmp_path, 7, FILES)
    assert newest_checkpoint(tmp_path) == (path, [])
    assert {name: (path / name).read_bytes() for name in FILES} == FILES


@pytest.mark.parametrize("name", [*FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove", "empty"])
def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path: Path, name: str, damage: str):
    good = write_checkpoint(tmp_path, 1, FILES)
    bad = write_checkpoint(tmp_path, 2, FILES)
    data = bytearray((bad / name).read_bytes())
    match damage:
        case "truncate":
            (bad / name).write_bytes(data[: len(data) // 2])
        case "flip":
            # In the manifest a flipped byte must break a figure, not white space: take one of the checksum's.
            place = data.index(b"sha256") + 12 if name == "manifest.json" else len(data) // 2
            data[place] ^= 1
            (bad / name).write_bytes(data)
        case "remove":
            (bad / name).unlink()
        case "empty":
            (bad / name).write_bytes(b"")
    path, passed_over = newest_checkpoint(tmp_path)
    assert path == good
    assert len(passed_over) == 1
    assert str(bad) in passed_over[0]


def test_pruning_keeps_the_newest_and_removes_half_writes(tmp_path: Path):
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, step, FILES)
    (tmp_path / ".writing-00000004").mkdir()
    prune_checkpoints(tmp_path, 2, 3, FILES)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_only_checkpoints_count_as_such(tmp_path: Path):
    """Empty folders, files and other names take no place, and what the user keeps there stays."""
    for step in (1, 2, 3):
        write_checkpoint(tmp_path, step, FILES)
    (tmp_path / "step-00000000").mkdir()
    (tmp_path / "step-00000001/notes.txt").write_text("mine")
    shutil.copytree(tmp_path / "step-00000001", tmp_path / "step-best")
    prune_checkpoints(tmp_path, 2, 3, FILES)
    assert [p.name for p in (tmp_path / "step-00000001").iterdir()] == ["notes.txt"]
    assert newest_checkpoint(tmp_path)[0] == tmp_path / "step-00000003"
    assert {p.name for p in tmp_path.iterdir()} >= {"step-00000002", "step-00000003", "step-best"}
    assert not (tmp_path / "step-00000000").exists()
    (tmp_path / "step-00000004").write_text("a file in its place")
    assert newest_checkpoint(tmp_path)[0] == tmp_path / "step-00000003"
    assert write_checkpoint(tmp_path, 4, FILES) == newest_checkpoint(tmp_path)[0]


def test_a_broken_newer_checkpoint_takes_no_place_from_one_that_holds(tmp_path: Path):
    """As when a run went on from step 1, since what lay beyond was damaged."""
    for step in (1, 3):
        write_checkpoint(tmp_path, step, FILES)
    (tmp_path / "step-00000003/state.json").write_bytes(b"damaged")
    good = write_checkpoint(tmp_path, 2, FILES)
    prune_checkpoints(tmp_path, 1, 2, FILES)
    assert newest_checkpoint(tmp_path)[0] == good
    assert not (tmp_path / "step-00000001").exists()


@pytest.mark.parametrize(
    ("manifest", "told"),
    [
        ("{}", "does not list state.json"),
        ('{"state.json": {"bytes": 1}}', "instead of 1"),
        ('{"/dev/zero": {"bytes": 0, "sha256": ""}, "state.json": {}}', "not a file in the same folder"),
        (
            '{"../step-00000001/state.json": {"bytes": 11, "sha256": ""}, "state.json": {}}',
            "not a file in the same folder",
        ),
        ('{"pipe": {"bytes": 0, "sha256": ""}, "state.json": {}}', "not a file in the same folder"),
        ('{"link": {"bytes": 11, "sha256": ""}, "state.json": {}}', "not a file in the same folder"),
        ("[" * 100_000, "cannot be read"),
        ("[]", "cannot be read"),
    ],
)
def test_a_manifest_is_not_trusted(tmp_path: Path, manifest: str, told: str):
    good = write_checkpoint(tmp_path, 1, FILES)
    bad = write_checkpoint(tmp_path, 2, FILES)
    os.mkfifo(bad / "pipe")
    (bad / "link").symlink_to(good / "state.json")
    (bad / "manifest.json").write_text(manifest)
    path, passed_over = newest_checkpoint(tmp_path, ["state.json"])
    assert path == good
    assert told in passed_over[0]


def _killed_at(folder: Path, call: int) -> int:
    """Write checkpoint 2 in a process that kills itself at the given fsync or rename; returns its exit status."""
    program = f"""
        import os, pathlib, signal
        from equipoise.scenes.training import checkpoint
        count = 0
        def deadly(function):
            def wrapped(*arguments, **named):
                global count
                count += 1
                if count == {call}:
                    os.kill(os.getpid(), signal.SIGKILL)
                return function(*arguments, **named)
            return wrapped
        os.fsync = deadly(os.fsync)
        pathlib.Path.rename = deadly(pathlib.Path.rename)
        files = {{"model.safetensors": b"new" * 9, "state.json": b"x"}}
        checkpoint.write_checkpoint(pathlib.Path({str(folder)!r}), 2, files)
    """
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], check=False).returncode


@pytest.mark.slow
def test_a_kill_at_any_write_boundary_leaves_the_last_whole_checkpoint(tmp_path: Path):
    good = write_checkpoint(tmp_path, 1, FILES)
    statuses = []
    for call in range(1, 20):
        statuses.append(_killed_at(tmp_path, call))
        path, passed_over = newest_checkpoint(tmp_path)
        assert passed_over == []
        # Only the sync of the parent folder comes after the rename: from there on the new one is whole.
        assert path == (good if call <= 5 else tmp_path / "step-00000002")
        if statuses[-1] == 0:
            break
    assert statuses[:-1] == [-signal.SIGKILL] * 6
    assert statuses[-1] == 0


def test_a_full_disk_leaves_the_last_whole_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    good = write_checkpoint(tmp_path, 1, FILES)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(tmp_path, 2, FILES)
    assert newest_checkpoint(tmp_path) == (good, [])
