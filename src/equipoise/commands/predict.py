"""``equipoise predict RUN INPUT``."""

from contextlib import closing
from pathlib import Path

from equipoise.commands.display import console, counting, say
from equipoise.commands.inputs import Inputs, found_images
from equipoise.commands.predict_video import predict_video, video_name
from equipoise.commands.predicting import Job, Report, alone_in, contents_of
from equipoise.commands.sizes import parsed_tiling
from equipoise.errors import RunError, UsageError, UserError
from equipoise.scenes.data.cityscapes import read_camera
from equipoise.scenes.grouping import DEFAULT
from equipoise.scenes.inference.pipeline import pipeline
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.outputs import chosen
from equipoise.scenes.outputs.collection import Collection
from equipoise.scenes.outputs.output import FARTHEST_M, Contents, OutputSettings
from equipoise.scenes.outputs.pictures import Overlays
from equipoise.scenes.runs.load import computing, load
from equipoise.scenes.training.device import choose_device
from equipoise.scenes.wording import counted


def predict(
    run: Path,
    input: str,
    /,
    *,
    out: Path,
    write: str = "",
    overwrite: bool = False,
    every: int = 1,
    camera: Path | None = None,
    farthest: float = FARTHEST_M,
    tile: str = "",
    overlap: float | None = None,
    grouping: str = DEFAULT,
    json: bool = False,
    device: str = "auto",
) -> None:
    """Predict the scene in an image, in each image of a folder or pattern, in each frame of a video, or of a camera.

    Writes colour overlays for each image, PNGs of classes, instances and 16-bit inverse depth, as far as the model
    predicts them, and a JSON file that describes them. An image that cannot be read is reported, the others are
    predicted, and the exit status is 3. Hidden files and pictures other than PNG, JPEG and WebP are left out and
    reported. Of a video, the overlays become videos, and other outputs are written for each frame.

    Args:
        run: the folder of a run or of an export.
        input: an image, a folder (with its subfolders), a pattern such as "photos/*.jpg", a video, or a camera of this
            machine such as camera:0 (Linux; until Ctrl-C).
        out: the folder for the predictions.
        write: what to write, separated by commas: overlays, labels, disparity, panoptic, coco, cityscapes, ply,
            interval, or all that the model allows. By default overlays, labels and disparity; overlays for videos.
        overwrite: replace earlier predictions there.
        every: predict every n-th frame of a video.
        camera: the camera of the images, a JSON file as Cityscapes has them, in px of each image; by default that of
            the training images. Point clouds need one.
        farthest: leave points beyond this depth out of point clouds, m.
        tile: run the network on overlapping parts of each image, height x width in px of its input, such as 512x1024,
            to save memory; by default on whole images, resized to the size it was trained at.
        overlap: the fraction of a tile that it shares with the next one; 0.25 by default.
        grouping: how pixels are grouped into objects: votes, or the paper's optics, which needs scikit-learn and takes
            seconds an image.
        json: print a line of JSON for each image on standard output as it is done, and a summary as the last line.
        device: the device to compute on: auto, cpu, cuda, cuda:1 or mps; auto takes a GPU if there is one.
    """
    tiling, where = parsed_tiling(tile, overlap), choose_device(device)
    if every < 1:
        raise UsageError(f"--every: expected 1 or more, found {every}")
    if not farthest > 0:
        raise UsageError(f"--farthest: expected metres above 0, found {farthest}")
    model, given = load(run, device), None if camera is None else read_camera(camera)
    contents, video = contents_of(model, given), video_name(input)
    names = [word.strip() for word in write.split(",")] if write else [Overlays.name] if video else None
    try:
        model.expect_grouping(grouping)
        outputs, faults = chosen(names, contents)
    except UsageError as error:
        raise UsageError(f"--{error}") from None
    say(f"predicting {computing(run, where, device)}", console())
    for name, fault in faults.items() if write else ():
        say(f"left out {name}: {fault}", console())
    if model.groups_by_votes:
        say(BY_VOTES, console())
    settings = OutputSettings(farthest_m=farthest)
    job = Job(
        model=model,
        tiling=tiling,
        grouping=grouping,
        camera=given,
        outputs=outputs,
        settings=settings,
        out=out,
        overwrite=overwrite,
    )
    if video:
        predict_video(job, contents, input, every, Report(lines=json))
    elif every > 1:
        raise UsageError(f"--every: expected it with a video, found {input}")
    else:
        inputs = found_images(input, out)
        with alone_in(out):
            _predict_images(job, contents, inputs, Report(lines=json))


BY_VOTES = (
    "this model predicts no countable classes, so objects are found where many pixels point to one place: expect some "
    "that are not objects"
)


def _predict_images(job: Job, contents: Contents, inputs: Inputs, report: Report) -> None:
    for line in inputs.left_out():
        say(line, console())
    names = inputs.names.values()
    taken = [path for name in names if path_exists(path := job.out / f"{name}.json")]
    if taken and not job.overwrite:
        raise RunError(f"expected no file at {taken[0]}, found one: choose another --out, or --overwrite")
    collection = Collection(job.out, job.outputs, contents, overwrite=job.overwrite)
    collection.prepare(names)
    with (
        counting("predicting", len(names), console()) as counter,
        closing(pipeline(inputs.items(), job.predict, job.write)) as results,
    ):
        for done in results:
            if isinstance(done.result, UserError):
                if report.error(done.source, done.result):
                    break  # The next picture could not be written either.
            else:
                report.done(done.source, done.result)
                collection.add(done.name, done.file_name, done.result.facts)
            counter.advance()
    words = f"{report.written} of {counted(len(names), 'image')} predicted in {job.out}"
    report.end(words, collection.write() if report.written else None, left_out=inputs.skipped())
