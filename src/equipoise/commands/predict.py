"""``equipoise predict RUN INPUT``."""

import errno
import glob
import json as json_format
import os
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from equipoise.commands.display import console, counting, output, say
from equipoise.commands.line import printable
from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.data.files import there, walked
from equipoise.scenes.data.images import SUFFIXES
from equipoise.scenes.predict import ScenePredictor, load
from equipoise.scenes.scene import Scene, listed
from equipoise.scenes.wording import counted


def predict(run: Path, input: str, /, *, out: Path, overwrite: bool = False, json: bool = False) -> None:
    """Predict the scenes in an image, a folder of images, or the images that a pattern names.

    Writes for each image colour overlays, a class PNG, an instance PNG, 16-bit inverse depth with its scale, and a JSON
    file that says what they hold. An image that cannot be read is told, the others are done, and the exit status is 3.

    Args:
        run: the folder that train wrote.
        input: an image, a folder (searched with its subfolders), or a pattern such as "photos/*.jpg".
        out: where the predictions go.
        overwrite: replace predictions that lie there.
        json: print what was written as JSON on standard output.
    """
    model = load(run)
    names = found_images(input, out)
    taken = [path for name in names.values() if there(path := out / f"{name}.json")]
    if taken and not overwrite:
        raise RunError(f"expected no file at {taken[0]}, found one: choose another --out, or --overwrite")
    if "instance" in model.tasks and "semantic" not in model.tasks:
        console().print("objects are not grouped: that needs a model of classes, too", highlight=False)
    written, failed = {}, {}
    with counting("predicting", len(names), console()) as counter:
        for path, name in names.items():
            try:
                files = predicted(model, path).save(out, name=name, overwrite=overwrite)
                written[str(path)] = [str(file) for file in files]
            except (DataError, RunError, UsageError) as error:
                failed[str(error)] = error.exit_status
                print(f"equipoise: {printable(str(error))}", file=sys.stderr)
                if isinstance(error.__context__, OSError) and error.__context__.errno in NO_PLACE:
                    break  # What cannot be written for one picture cannot be for the next.
            counter.advance()
    if json:
        print(json_format.dumps({"written": written, "failed": list(failed)}, indent=1))
    else:
        say(f"{len(written)} of {counted(len(names), 'image')} predicted in {out}", output())
    if failed:
        sys.exit(max(failed.values()))


NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EFBIG)


def predicted(model: ScenePredictor, path: Path) -> Scene:
    """The scene in one picture; one that wants too much memory is at fault alone."""
    try:
        return model.predict(path)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        raise DataError(
            f"{path}: expected a picture that fits in memory, found one that does not: make it smaller"
        ) from None


def found_images(text: str, out: Path) -> dict[Path, str]:
    """The images that an argument names, each with the name its predictions get below ``out``.

    Hidden files are left out, and what predict wrote itself.
    """
    path = Path(text)
    if not text:
        raise UsageError("expected an image, a folder or a pattern of images, found an empty text")
    if path.is_file():
        return {path: path.stem}
    if path.is_dir():
        return _named(_pictures(walked(path), path, out, text), path)
    files = _each_once(p for p in map(Path, glob.glob(text, recursive=True)) if p.is_file())  # noqa: PTH207
    if not files:
        hint = ": in a pattern [ ] stand for one of some letters" if "[" in text else ": check the path"
        raise UsageError(f"expected an image, a folder or a pattern of images, found nothing at {text}{hint}")
    base = Path(os.path.commonpath([p.parent for p in files]))
    return _named(_pictures(files, base, out, text), base)


def _each_once(files: Iterable[Path]) -> list[Path]:
    """Each file by its shortest path, sorted: ** follows links that lead back again and again."""
    shortest: dict[Path, Path] = {}
    for path in sorted(files, key=lambda path: (len(path.parts), path)):
        shortest.setdefault(Path(os.path.realpath(path.parent)) / path.name, path)
    return sorted(shortest.values())


def _pictures(files: list[Path], base: Path, out: Path, text: str) -> list[Path]:
    """Of files below ``base`` the pictures to predict."""
    below, own = out.resolve(), _own({path.parent for path in files})
    if base.resolve().is_relative_to(below):
        raise UsageError(f"--out: expected another folder than that of the images, found {out}")
    shown = [p for p in files if not any(part.startswith(".") for part in p.relative_to(base).parts)]
    pictures = [p for p in shown if p.suffix.lower() in SUFFIXES]
    found = [p for p in pictures if not p.resolve().is_relative_to(below) and p not in own]
    if not found:
        raise UsageError(f"expected images ({', '.join(SUFFIXES)}) at {text}, found none")
    return found


def _own(folders: set[Path]) -> set[Path]:
    """The files that earlier predictions wrote into some folders."""
    return {folder / name for folder in folders for record in folder.glob("*.json") for name in listed(record)}


def _named(files: list[Path], base: Path) -> dict[Path, str]:
    """Each file's path from ``base`` on, without suffix; of those that would share a name each keeps its own."""
    plain = {path: path.relative_to(base).with_suffix("").as_posix() for path in files}
    counts = Counter(plain.values())
    names: dict[Path, str] = {}
    taken = {name for name, count in counts.items() if count == 1}
    for path, name in plain.items():
        if counts[name] > 1:
            name = chosen = f"{name}_{path.suffix[1:]}"
            number = 2
            while name in taken:
                name, number = f"{chosen}_{number}", number + 1
            taken.add(name)
        names[path] = name
    return names
