"""Predict the frames of a video or of a camera: overlays become videos, other outputs are written for each frame."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.commands.display import console, counting
from equipoise.commands.predicting import Job, Report, alone_in
from equipoise.errors import RunError, UserError
from equipoise.scenes.inference.pipeline import Done, Item, pipeline
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.images import SUFFIXES as PICTURES
from equipoise.scenes.io.predictions import listed
from equipoise.scenes.io.video import SUFFIXES, Frame, VideoReader, VideoWriter, open_camera
from equipoise.scenes.outputs.collection import RESERVED, Collection
from equipoise.scenes.outputs.output import Contents
from equipoise.scenes.outputs.pictures import Overlays
from equipoise.scenes.outputs.writer import Written, expect_free, write_record
from equipoise.scenes.wording import counted

CAMERA = re.compile(r"camera:(\d{1,3})")


def video_name(text: str) -> str:
    """Return the name of the predictions of a video or camera; empty if the input is neither."""
    if found := CAMERA.fullmatch(text):
        return f"camera{found[1]}"
    path = Path(text)
    if path.suffix.lower() not in SUFFIXES or path.suffix.lower() in PICTURES or not path.is_file():
        return ""
    return path.name.replace(".", "_") if path.stem in RESERVED else path.stem


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameItem(Item):
    """A frame to predict, and when it is shown."""

    frame: Frame


@dataclass(frozen=True, kw_only=True, eq=False)
class FrameDone:
    """A predicted frame: its overlays by task, and its own files if there are any."""

    time: int
    overlays: dict[str, npt.NDArray[np.uint8]]
    written: Written | None
    sigma: dict[str, Any]


def predict_video(job: Job, contents: Contents, source: str, every: int, report: Report) -> None:
    """Predict a video or a camera, which runs until Ctrl-C."""
    name, camera = video_name(source), CAMERA.fullmatch(source)
    reader = open_camera(int(camera[1]), every=every) if camera else VideoReader(Path(source), source, every=every)
    with closing(reader), alone_in(job.out):
        others = [output for output in job.outputs if output.name != Overlays.name]
        run = VideoRun(replace(job, outputs=others), contents, reader, name, report)
        run.drawn = len(others) < len(job.outputs)
        run.prepare()
        run.predict(until_stopped=camera is not None)


class VideoRun:
    """One video on its way through the network."""

    drawn = True
    """Whether overlays are written."""

    def __init__(self, job: Job, contents: Contents, reader: VideoReader, name: str, report: Report) -> None:
        self.job, self.reader, self.name, self.report = job, reader, name, report
        self.collection = Collection(job.out, job.outputs, contents, overwrite=job.overwrite)
        self.tasks = contents.tasks
        self.frames = 0
        self.sigma: dict[str, Any] = {}
        self.writers: dict[str, VideoWriter] = {}

    @property
    def videos(self) -> dict[str, Path]:
        """The file of each task's overlays."""
        return {task: self.job.out / f"{self.name}_{task}_overlay.mp4" for task in self.tasks if self.drawn}

    def prepare(self) -> None:
        """Check that the files can be written; raises ``RunError``."""
        record = self.job.out / f"{self.name}.json"
        if path_exists(record) and not self.job.overwrite:
            raise RunError(f"expected no file at {record}, found one: choose another --out, or --overwrite")
        expect_free([*self.videos.values(), record], set(listed(record)) if self.job.overwrite else None)
        frames = sorted(record.with_suffix("").glob("*.json")) if self.job.overwrite else []
        self.collection.prepare(f"{self.name}/{frame.stem}" for frame in frames)
        try:
            self.job.out.mkdir(parents=True, exist_ok=True)
            for path in (frame.parent / file for frame in frames for file in listed(frame)):
                path.unlink(missing_ok=True)  # An earlier prediction may have had more frames.
        except OSError as error:
            raise RunError(f"{self.job.out}: expected a folder to write to, found: {error.strerror}") from None

    def predict(self, *, until_stopped: bool) -> None:
        """Predict all frames; a camera's video is kept when Ctrl-C ends it."""
        interrupted: KeyboardInterrupt | None = None
        try:
            with ExitStack() as files, counting("predicting", self.reader.count, console()) as counter:
                try:
                    with closing(pipeline(self._items(), self.job.predict, self._finish)) as results:
                        for done in results:
                            self._take(done, files)
                            counter.advance()
                except KeyboardInterrupt as stop:
                    if not until_stopped:
                        raise
                    interrupted = stop
        except UserError as error:
            self.report.error(self.reader.name, error, "video")
        else:
            self.report.done(self.reader.name, self._record(), "video", frames=self.frames)
        joint = self.collection.write() if self.collection.entries else None
        self.report.end(f"{counted(self.frames, 'frame')} of {self.reader.name} predicted in {self.job.out}", joint)
        if interrupted:
            raise interrupted

    def _items(self) -> Iterator[Item]:
        for frame in self.reader.frames():
            name, source = f"{self.name}/{frame.index:06d}", f"{self.reader.name}, frame {frame.index}"
            yield FrameItem(name=name, source=source, file_name=f"{name}.png", image=frame.image, frame=frame)

    def _finish(self, item: Item, scene: Scene) -> FrameDone:
        """Draw the overlays and write the other files, in a thread."""
        assert isinstance(item, FrameItem)
        return FrameDone(
            time=item.frame.time,
            overlays={task: np.asarray(scene.overlay(task)) for task in self.videos},
            written=self.job.write(item, scene) if self.job.outputs else None,
            sigma=scene.sigma,
        )

    def _take(self, done: Done[FrameDone], files: ExitStack) -> None:
        if isinstance(done.result, UserError):
            raise done.result
        self.frames, self.sigma = self.frames + 1, done.result.sigma
        for task, overlay in done.result.overlays.items():
            if task not in self.writers:
                size = (overlay.shape[0], overlay.shape[1])
                opened = partial(VideoWriter, size=size, rate=self.reader.rate, time_base=self.reader.time_base)
                self.writers[task] = files.enter_context(opened(self.videos[task]))
            self.writers[task].write(overlay, done.result.time)
        if done.result.written is not None:
            self.report.done(done.source, done.result.written)
            self.collection.add(done.name, done.file_name, done.result.written.facts)

    def _record(self) -> Written:
        rate, every = float(self.reader.rate), self.reader.every
        paths = [writer.path for writer in self.writers.values()]
        files = [path.name for path in paths]
        facts = {"format": 1, "sigma": self.sigma, "frames": self.frames, "rate": rate, "every": every, "files": files}
        written = write_record(self.job.out, self.name, {}, facts, overwrite=True)
        return Written(paths=[*paths, *written.paths], facts=facts)
