"""The folder of an export: written beside, renamed when complete, replaced only if it is an export."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path

from equipoise.errors import RunError
from equipoise.scenes.io.atomic import sync_folder, write_synced
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.run_files import CARD, DESCRIPTION, EXPORT, METRICS, ONNX, TORCH_EXPORT, WEIGHTS

OWN = (EXPORT, ONNX, TORCH_EXPORT, CARD, DESCRIPTION, WEIGHTS, f"{METRICS}-*.json")
"""Patterns of all that export, and evaluate after it, write into such a folder."""


def expect_room(out: Path, *, overwrite: bool) -> None:
    """Raise ``RunError`` where an export would replace something: with ``overwrite`` anything but an export."""
    if not path_exists(out):
        return
    if not out.is_dir():
        raise RunError(f"expected a folder at {out}, found something else: choose another --out")
    names = sorted(path.name for path in out.iterdir())
    if names and not overwrite:
        raise RunError(f"expected no files in {out}, found some: choose another --out, or --overwrite an export")
    foreign = [name for name in names if not any(fnmatch(name, pattern) for pattern in OWN)]
    if names and (foreign or EXPORT not in names):
        found = foreign[0] if foreign else f"no {EXPORT}"
        raise RunError(f"expected an export at {out} to overwrite, found {found}: choose another --out")


def write_folder(out: Path, files: Mapping[str, bytes], *, overwrite: bool) -> None:
    """Write all files or none: a reader sees the old folder or the new one, never part of it.

    Raises:
        OSError: the folder cannot be written; nothing is left behind.
        RunError: see ``expect_room``.
    """
    out = out.resolve()  # The folder that a link leads to is replaced, not the link.
    expect_room(out, overwrite=overwrite)
    writing, former = (out.with_name(f".{out.name}.{what}") for what in ("writing", "former"))
    shutil.rmtree(writing, ignore_errors=True)
    made = [path for path in out.parents if not path_exists(path)]
    try:
        writing.mkdir(parents=True)
        for name, data in files.items():
            write_synced(writing / name, data)
        sync_folder(writing)
        _swap(out, writing, former)
    except BaseException:
        shutil.rmtree(writing, ignore_errors=True)
        with suppress(OSError):
            for path in made:
                path.rmdir()
        raise
    sync_folder(out.parent)
    shutil.rmtree(former, ignore_errors=True)


def _swap(out: Path, writing: Path, former: Path) -> None:
    """Put ``writing`` in the place of ``out``, which becomes ``former`` if it is there."""
    shutil.rmtree(former, ignore_errors=True)
    if path_exists(out):
        out.rename(former)
    try:
        writing.rename(out)
    except BaseException:
        if path_exists(former):
            former.rename(out)
        raise
