"""Checkpoints are complete or absent: written to a temporary folder, synced, the manifest last, then renamed."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from equipoise.scenes.io.atomic import sync_folder, write_synced
from equipoise.scenes.io.files import there
from equipoise.scenes.io.json import read_json

MANIFEST = "manifest.json"
NAME = re.compile(r"step-\d{8,}")


def write_checkpoint(folder: Path, step: int, files: Mapping[str, bytes]) -> Path:
    """Write ``folder/step-XXXXXXXX`` atomically: readers see all of it or nothing, even if this process is killed."""
    final, temporary = folder / f"step-{step:08d}", folder / f".writing-{step:08d}"
    shutil.rmtree(temporary, ignore_errors=True)
    manifest = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    try:
        temporary.mkdir(parents=True)
        for name, data in files.items():
            write_synced(temporary / name, data)
        write_synced(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())
        sync_folder(temporary)
        if there(final):
            remove_checkpoint(final, files)
        temporary.rename(final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)  # Free the space again where the disk is full.
        raise
    sync_folder(folder)
    return final


def newest_checkpoint(folder: Path, needed: Iterable[str] = ()) -> tuple[Path | None, list[str]]:
    """The newest checkpoint whose files match its manifest, and those passed over, each with the reason.

    ``needed``: files that it must contain.
    """
    passed_over: list[str] = []
    for path in checkpoints(folder)[::-1]:
        fault = checkpoint_fault(path, needed)
        if fault is None:
            return path, passed_over
        passed_over.append(f"{path}: {fault}")
    return None, passed_over


def checkpoints(folder: Path) -> list[Path]:
    """Everything named like a checkpoint, in the order of steps; other names belong to the user."""
    found = {path: NAME.fullmatch(path.name) for path in folder.glob("step-*")}
    return sorted((path for path, match in found.items() if match), key=lambda path: int(path.name[5:]))


def checkpoint_fault(path: Path, needed: Iterable[str] = ()) -> str | None:
    """What is wrong with a checkpoint, or ``None``."""
    try:
        if not (path / MANIFEST).is_file():
            return f"{MANIFEST} is missing"
        manifest = read_json(path / MANIFEST)
        if missing := sorted(set(needed) - manifest.keys()):
            return f"{MANIFEST} does not list {missing[0]}"
        for name, entry in manifest.items():
            file = path / name
            if Path(name).name != name or file.is_symlink() or (file.exists() and not file.is_file()):
                return f"{MANIFEST} names {name!r}, which is not a file in the same folder"
            if (size := file.stat().st_size) != entry["bytes"]:
                return f"{name} has {size} bytes instead of {entry['bytes']}"
            if hashlib.sha256(file.read_bytes()).hexdigest() != entry["sha256"]:
                return f"{name} does not match its checksum"
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"{MANIFEST} cannot be read ({error})"
    return None


def prune_checkpoints(folder: Path, keep: int, step: int, files: Iterable[str]) -> None:
    """Remove all but the newest ``keep`` checkpoints up to ``step``, and the leftovers of interrupted writes.

    Checkpoints beyond the step were passed over when the run was resumed, so they are not counted.
    """
    known = [path for path in checkpoints(folder) if int(path.name[5:]) <= step]
    kept = [path for path in known if (path / MANIFEST).is_file()][-keep:]
    for path in [*(set(known) - set(kept)), *folder.glob(".writing-*")]:
        remove_checkpoint(path, files)


def remove_checkpoint(path: Path, files: Iterable[str]) -> None:
    """Remove a checkpoint's files, and its folder if that is then empty; of a symbolic link only the link."""
    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    for name in (MANIFEST, *files):
        with suppress(OSError):
            (path / name).unlink(missing_ok=True)
    with suppress(OSError):
        path.rmdir()
