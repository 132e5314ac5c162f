"""Find the pictures for ``equipoise predict``, and the files that it leaves out."""

import glob
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from equipoise.errors import DataError, UsageError, UserError
from equipoise.scenes.inference.pipeline import Item
from equipoise.scenes.io.files import list_files
from equipoise.scenes.io.images import SUFFIXES, read_image
from equipoise.scenes.io.kinds import SUPPORTED, UNSUPPORTED, by_suffix
from equipoise.scenes.io.names import is_hidden
from equipoise.scenes.io.predictions import prediction_files
from equipoise.scenes.io.video import SUFFIXES as VIDEOS
from equipoise.scenes.outputs.collection import RESERVED

SHOWN = 3


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """The pictures to predict, and the pictures that are left out.

    Attributes:
        names: the names for the predictions, by picture.
        base: the folder of the pictures.
        hidden: hidden pictures, and pictures in hidden folders.
        unsupported: pictures in formats that are not supported.
        videos: videos, which are read only if they are named themselves.
    """

    names: dict[Path, str]
    base: Path = Path()
    hidden: tuple[Path, ...] = ()
    unsupported: tuple[Path, ...] = ()
    videos: tuple[Path, ...] = ()

    def items(self) -> Iterator[Item]:
        """Read the pictures one by one."""
        for path, name in self.names.items():
            image = _read(path)
            yield Item(name=name, source=str(path), file_name=path.relative_to(self.base).as_posix(), image=image)

    def left_out(self) -> Iterator[str]:
        """Yield a line for each reason to leave out pictures."""
        if self.unsupported:
            yield f"left out {by_suffix(self.unsupported)}, not supported ({SUPPORTED}): {_some(self.unsupported)}"
        if self.hidden:
            files = "1 hidden picture" if len(self.hidden) == 1 else f"{len(self.hidden)} hidden pictures"
            yield f"left out {files}: {_some(self.hidden)}"
        if self.videos:
            yield f"left out {by_suffix(self.videos)}, videos, which are read if named: {_some(self.videos)}"

    def skipped(self) -> dict[str, list[str]]:
        """Return the paths that are left out by reason, for JSON."""
        kinds = {"hidden": self.hidden, "unsupported": self.unsupported, "videos": self.videos}
        return {kind: [*map(str, paths)] for kind, paths in kinds.items()}


def _read(path: Path) -> npt.NDArray[np.uint8] | UserError:
    """Return a picture, or why it cannot be read."""
    try:
        return read_image(path)
    except UserError as error:
        return error
    except MemoryError:
        return too_large(str(path))


def too_large(source: str) -> DataError:
    """The error for a picture that exhausts the memory."""
    return DataError(f"{source}: expected a picture that fits in memory, found one that does not: make it smaller")


def _some(paths: Sequence[Path]) -> str:
    more = f" and {len(paths) - SHOWN} more" if len(paths) > SHOWN else ""
    return ", ".join(map(str, paths[:SHOWN])) + more


def found_images(text: str, out: Path) -> Inputs:
    """Return the images that an argument stands for, without the files of earlier predictions."""
    path = Path(text)
    if not text:
        raise UsageError("expected an image, a folder or a pattern of images, found an empty text")
    if path.is_file():
        return Inputs(names=_named([path], path.parent), base=path.parent)
    if path.is_dir():
        return _pictures(list_files(path), path, out, text)
    files = _each_once(p for p in map(Path, glob.glob(text, recursive=True)) if p.is_file())  # noqa: PTH207
    if not files:
        hint = "in a pattern, [ ] stands for one of the characters inside" if "[" in text else "check the path"
        if text.isdecimal():
            hint = f"for a camera, write camera:{text}"
        raise UsageError(f"expected an image, a folder or a pattern of images, found nothing at {text}: {hint}")
    base = Path(os.path.commonpath([p.parent for p in files]))
    own = _own(files)
    return _pictures([path for path in files if path not in own], base, out, text)


def _each_once(files: Iterable[Path]) -> list[Path]:
    """Return each file once, by its shortest path, sorted; ** may find it repeatedly through links."""
    shortest: dict[Path, Path] = {}
    for path in sorted(files, key=lambda path: (len(path.parts), path)):
        shortest.setdefault(Path(os.path.realpath(path.parent)) / path.name, path)
    return sorted(shortest.values())


def _pictures(files: list[Path], base: Path, out: Path, text: str) -> Inputs:
    """Select the pictures to predict from files below ``base``."""
    below = out.resolve()
    if base.resolve().is_relative_to(below):
        raise UsageError(f"--out: expected a folder that does not contain the images, found {out}: choose another")
    candidates = [p for p in files if not p.resolve().is_relative_to(below)]
    dotted = {path for path in candidates if is_hidden(path.relative_to(base).as_posix())}
    pictures = [path for path in candidates if path.suffix.lower() in SUFFIXES]
    found = [path for path in pictures if path not in dotted]
    inputs = Inputs(
        names=_named(found, base),
        base=base,
        videos=tuple(path for path in candidates if path.suffix.lower() in VIDEOS and path not in dotted),
        hidden=tuple(path for path in pictures if path in dotted),
        unsupported=tuple(p for p in candidates if p.suffix.lower() in UNSUPPORTED and p not in dotted),
    )
    if not found:
        left_out = "".join(f"; {line}" for line in inputs.left_out())
        raise UsageError(f"expected images ({', '.join(SUFFIXES)}) at {text}, found none{left_out}")
    return inputs


def _own(files: list[Path]) -> set[Path]:
    """Return those of the files that earlier predictions wrote; a pattern may match some without their record."""
    folders = {path.parent for path in files}
    return {folder / name for folder in folders for name in prediction_files(folder, os.listdir(folder))}  # noqa: PTH208


def _named(files: list[Path], base: Path) -> dict[Path, str]:
    """Name each file by its path below ``base`` without the suffix, which is kept if two names would be equal.

    It is kept for ``RESERVED`` names as well.
    """
    plain = {path: path.relative_to(base).with_suffix("").as_posix() for path in files}
    counts = Counter(plain.values())
    names: dict[Path, str] = {}
    taken = {name for name, count in counts.items() if count == 1 and name not in RESERVED}
    for path, name in plain.items():
        if name not in taken:
            name = chosen = f"{name}_{path.suffix[1:]}"
            number = 2
            while name in taken:
                name, number = f"{chosen}_{number}", number + 1
            taken.add(name)
        names[path] = name
    return names
