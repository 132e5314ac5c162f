"""``equipoise predict RUN INPUT``."""

import errno
import json as json_format
import sys
from pathlib import Path

from equipoise.commands.display import console, counting, output, say
from equipoise.commands.inputs import found_images
from equipoise.commands.line import printable
from equipoise.commands.sizes import parsed_tiling
from equipoise.errors import DataError, RunError, UsageError
from equipoise.scenes.inference.predictor import ScenePredictor
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.inference.tiles import Tiling
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.runs.load import computing, load
from equipoise.scenes.training.device import choose_device
from equipoise.scenes.wording import counted


def predict(
    run: Path,
    input: str,
    /,
    *,
    out: Path,
    overwrite: bool = False,
    tile: str = "",
    overlap: float | None = None,
    json: bool = False,
    device: str = "auto",
) -> None:
    """Predict the scenes in an image, a folder of images, or the images that a pattern names.

    Writes for each image colour overlays, a class PNG, an instance PNG, 16-bit inverse depth with its scale, and a JSON
    file that says what they hold. An image that cannot be read is reported, the others are predicted, and the exit
    status is 3. Hidden files, and pictures in a folder that are no PNG, JPEG or WebP, are left out and counted.

    Args:
        run: the folder that train wrote, or one that export wrote.
        input: an image, a folder (searched with its subfolders), or a pattern such as "photos/*.jpg".
        out: where the predictions go.
        overwrite: replace predictions that lie there.
        tile: run the network on overlapping parts of each image, height x width in px of its input, such as 512x1024,
            to save memory; by default on whole images, resized to the size it was trained at.
        overlap: the fraction of a tile that it shares with the next one; 0.25 by default.
        json: print what was written as JSON on standard output.
        device: what to compute on: auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.
    """
    tiling, where = parsed_tiling(tile, overlap), choose_device(device)
    model = load(run, device)
    say(f"predicting {computing(run, where, device)}", console())
    inputs = found_images(input, out)
    names = inputs.names
    for line in inputs.left_out():
        say(line, console())
    taken = [path for name in names.values() if path_exists(path := out / f"{name}.json")]
    if taken and not overwrite:
        raise RunError(f"expected no file at {taken[0]}, found one: choose another --out, or --overwrite")
    if model.groups_by_votes:
        say(BY_VOTES, console())
    written, failed = {}, {}
    with counting("predicting", len(names), console()) as counter:
        for path, name in names.items():
            try:
                files = predicted(model, path, tiling).save(out, name=name, overwrite=overwrite)
                written[str(path)] = [str(file) for file in files]
            except (DataError, RunError, UsageError) as error:
                failed[str(error)] = error.exit_status
                print(f"equipoise: {printable(str(error))}", file=sys.stderr)
                if isinstance(error.__context__, OSError) and error.__context__.errno in NO_PLACE:
                    break  # What cannot be written for one picture cannot be for the next.
            counter.advance()
    if json:
        print(json_format.dumps({"written": written, "failed": list(failed), "left_out": inputs.skipped()}, indent=1))
    else:
        say(f"{len(written)} of {counted(len(names), 'image')} predicted in {out}", output())
    if failed:
        sys.exit(max(failed.values()))


BY_VOTES = (
    "objects are found from vectors alone, where many pixels point to one place, as this model predicts no countable "
    "classes: expect some that are none"
)
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EFBIG)


def predicted(model: ScenePredictor, path: Path, tiling: Tiling | None = None) -> Scene:
    """The scene in one picture; one that wants too much memory is at fault alone."""
    try:
        if tiling is None:
            return model.predict(path)
        return model.predict(path, tile=tiling.size, overlap=tiling.overlap)
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "DefaultCPUAllocator" not in str(error):
            raise
        raise DataError(
            f"{path}: expected a picture that fits in memory, found one that does not: make it smaller"
        ) from None
