"""``equipoise predict RUN INPUT``."""

import glob
import json as json_format
import os
import sys
from collections import Counter
from pathlib import Path

from equipoise.commands.display import console, counting, output
from equipoise.errors import DataError, UsageError
from equipoise.scenes.data.files import walked
from equipoise.scenes.data.images import SUFFIXES
from equipoise.scenes.predict import load


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
    written, failed = {}, []
    with counting("predicting", len(names), console()) as counter:
        for path, name in names.items():
            try:
                files = model.predict(path).save(out, name=name, overwrite=overwrite)
                written[str(path)] = [str(file) for file in files]
            except DataError as error:
                failed.append(str(error))
                print(f"equipoise: {error}", file=sys.stderr)
            counter.advance()
    if json:
        print(json_format.dumps({"written": written, "failed": failed}, indent=1))
    else:
        output().print(f"{len(written)} of {len(names)} images predicted in {out}", highlight=False)
    if failed:
        sys.exit(DataError.exit_status)


def found_images(text: str, out: Path) -> dict[Path, str]:
    """The images that an argument names, each with the name its predictions get below ``out``."""
    path = Path(text)
    if path.is_dir():
        if out.resolve() == path.resolve():
            raise UsageError(f"--out: expected another folder than that of the images, found {out}")
        files = [p for p in walked(path) if p.suffix.lower() in SUFFIXES and not p.is_relative_to(out)]
        if not files:
            raise UsageError(f"expected images ({', '.join(SUFFIXES)}) in {path}, found none")
        return _named(files, path)
    if path.is_file():
        return {path: path.stem}
    files = sorted(p for p in map(Path, glob.glob(text, recursive=True)) if p.is_file())  # noqa: PTH207
    if not files:
        raise UsageError(f"expected an image, a folder or a pattern of images, found nothing at {text}: check the path")
    return _named(files, Path(os.path.commonpath([p.parent for p in files])))


def _named(files: list[Path], base: Path) -> dict[Path, str]:
    """Each file's path from ``base`` on, without suffix; of two that would share a name both keep theirs."""
    plain = {path: path.relative_to(base).with_suffix("").as_posix() for path in files}
    counts = Counter(plain.values())
    return {path: name if counts[name] == 1 else f"{name}_{path.suffix[1:]}" for path, name in plain.items()}
