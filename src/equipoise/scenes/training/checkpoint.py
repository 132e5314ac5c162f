"""Checkpoints that are whole or not there: written beside, synced, the manifest last, then renamed."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from equipoise.scenes.configuration import parse_json

MANIFEST = "manifest.json"


def write_checkpoint(folder: Path, step: int, files: Mapping[str, bytes]) -> Path:
    """Write ``folder/step-XXXXXXXX`` so that a reader sees all of it or nothing, whatever kills this process."""
    final, temporary = folder / f"step-{step:08d}", folder / f".writing-{step:08d}"
    shutil.rmtree(temporary, ignore_errors=True)
    manifest = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    try:
        temporary.mkdir(parents=True)
        for name, data in files.items():
            write_synced(temporary / name, data)
        write_synced(temporary / MANIFEST, json.dumps(manifest, indent=1).encode())
        sync_folder(temporary)
    except OSError:
        shutil.rmtree(temporary, ignore_errors=True)  # A full disk shall not stay fuller for it.
        raise
    if final.exists():
        shutil.rmtree(final)
    temporary.rename(final)
    sync_folder(folder)
    return final


def newest_checkpoint(folder: Path) -> tuple[Path | None, list[str]]:
    """The newest checkpoint whose files are all as its manifest says, and what was passed over, with the reason."""
    passed_over: list[str] = []
    for path in sorted(folder.glob("step-*"), reverse=True):
        fault = checkpoint_fault(path)
        if fault is None:
            return path, passed_over
        passed_over.append(f"{path}: {fault}")
    return None, passed_over


def checkpoint_fault(path: Path) -> str | None:
    """What is wrong with a checkpoint; ``None`` where nothing is."""
    try:
        manifest = parse_json((path / MANIFEST).read_bytes())
        for name, entry in manifest.items():
            if Path(name).name != name:
                return f"{MANIFEST} names {name!r}, which is no file beside it"
            data = (path / name).read_bytes()
            if len(data) != entry["bytes"]:
                return f"{name} has {len(data)} bytes instead of {entry['bytes']}"
            if hashlib.sha256(data).hexdigest() != entry["sha256"]:
                return f"{name} does not match its checksum"
    except FileNotFoundError as error:
        return f"{Path(str(error.filename)).name} is missing"
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        return f"{MANIFEST} cannot be read ({error})"
    return None


def prune_checkpoints(folder: Path, keep: int) -> None:
    """Remove all but the newest ``keep`` checkpoints, and what an interrupted write left."""
    for path in [*sorted(folder.glob("step-*"))[:-keep], *folder.glob(".writing-*")]:
        shutil.rmtree(path, ignore_errors=True)


def write_synced(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file and, by default, wait until the disk has it."""
    with naming(path), path.open("wb") as file:
        file.write(data)
        file.flush()
        if sync:
            os.fsync(file.fileno())


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the block names the file, as one of a full disk does not by itself."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def write_atomic(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Replace one file so that a reader sees the old one or the new one, never a part.

    ``sync``: wait until the disk has it, so that this holds after a power cut, too.
    """
    temporary = path.with_name(f".{path.name}.writing")
    try:
        write_synced(temporary, data, sync=sync)
        with naming(path):
            temporary.replace(path)
    except OSError:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def sync_folder(path: Path) -> None:
    """Wait until the disk has the folder's entries (a rename among them)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
