"""``equipoise predict RUN INPUT``."""

import glob
import json as json_format
import sys
from pathlib import Path

from rich.console import Console

from equipoise.commands.display import console, counting
from equipoise.errors import DataError, UsageError
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
    names = found_images(input)
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
        Console().print(f"{len(written)} of {len(names)} images predicted in {out}", highlight=False)
    if failed:
        sys.exit(DataError.exit_status)


def found_images(text: str) -> dict[Path, str]:
    """The images that an argument names, each with the name its predictions get."""
    path = Path(text)
    if path.is_dir():
        files = sorted(p for p in path.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
        if not files:
            raise UsageError(f"expected images ({', '.join(SUFFIXES)}) in {path}, found none")
        return _unique({p: p.relative_to(path).with_suffix("").as_posix() for p in files})
    if path.exists():
        return {path: path.stem}
    files = sorted(Path(p) for p in glob.glob(text, recursive=True))  # noqa: PTH207
    if not files:
        raise UsageError(f"expected an image, a folder or a pattern, found nothing at {text}: check the path")
    return _unique({p: p.stem for p in files if p.is_file()})


def _unique(names: dict[Path, str]) -> dict[Path, str]:
    """Two images of one name keep their suffix (and, if that does not tell them apart, their folder)."""
    for tell in (lambda p: p.name.replace(".", "_"), lambda p: "_".join(p.parts).replace(".", "_")):
        counts: dict[str, int] = {}
        for name in names.values():
            counts[name] = counts.get(name, 0) + 1
        names = {path: name if counts[name] == 1 else tell(path) for path, name in names.items()}
    return names
