"""``equipoise predict RUN INPUT``."""

import errno
import json as json_format
import sys
from pathlib import Path

from equipoise.commands.display import console, counting, output, say
from equipoise.commands.inputs import found_images
from equipoise.commands.line import printable
from equipoise.commands.sizes import parsed_tiling
from equipoise.errors import DataError, OutOfMemoryError, RunError, UsageError
from equipoise.scenes.inference.predictor import ScenePredictor
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.inference.tiles import Tiling
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.runs.load import computing, load
from equipoise.scenes.training.device import choose_device
from equipoise.scenes.training.memory import is_out_of_memory
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
    """Predict the scene in an image, in each image of a folder, or in the images that match a pattern.

    Writes colour overlays for each image, PNGs of classes, instances and 16-bit inverse depth, as far as the model
    predicts them, and a JSON file that describes them. An image that cannot be read is reported, the others are
    predicted, and the exit status is 3. Hidden files and pictures other than PNG, JPEG and WebP are left out and
    reported.

    Args:
        run: the folder of a run or of an export.
        input: an image, a folder (with its subfolders), or a pattern such as "photos/*.jpg".
        out: the folder for the predictions.
        overwrite: replace earlier predictions there.
        tile: run the network on overlapping parts of each image, height x width in px of its input, such as 512x1024,
            to save memory; by default on whole images, resized to the size it was trained at.
        overlap: the fraction of a tile that it shares with the next one; 0.25 by default.
        json: print a list of the written files as JSON on standard output.
        device: the device to compute on: auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.
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
                    break  # The next picture could not be written either.
            counter.advance()
    if json:
        print(json_format.dumps({"written": written, "failed": list(failed), "left_out": inputs.skipped()}, indent=1))
    else:
        say(f"{len(written)} of {counted(len(names), 'image')} predicted in {out}", output())
    if failed:
        sys.exit(max(failed.values()))


BY_VOTES = (
    "this model predicts no countable classes, so objects are found where many pixels point to one place: expect some "
    "that are not objects"
)
NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EFBIG)


def predicted(model: ScenePredictor, path: Path, tiling: Tiling | None = None) -> Scene:
    """Predict one picture; report one that is too large for the memory as an error of its own."""
    try:
        if tiling is None:
            return model.predict(path)
        return model.predict(path, tile=tiling.size, overlap=tiling.overlap)
    except OutOfMemoryError as error:
        raise OutOfMemoryError(f"{path}: {error}") from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise DataError(
            f"{path}: expected a picture that fits in memory, found one that does not: make it smaller"
        ) from None
