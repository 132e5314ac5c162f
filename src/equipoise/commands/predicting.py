"""What ``equipoise predict`` does with one image or frame, and how it reports on them."""

import errno
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from equipoise.commands.display import output, say
from equipoise.commands.inputs import too_large
from equipoise.commands.line import printable
from equipoise.errors import OutOfMemoryError, RunError, UserError
from equipoise.scenes.cameras.camera import Camera, camera_doubts
from equipoise.scenes.cameras.metres import default_camera
from equipoise.scenes.cameras.model_camera import ModelCamera
from equipoise.scenes.grouping import DEFAULT
from equipoise.scenes.inference.pipeline import Item
from equipoise.scenes.inference.predictor import ScenePredictor
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.inference.tiles import Tiling
from equipoise.scenes.io.lock import exclusive_lock
from equipoise.scenes.outputs.output import Contents, Output, OutputSettings
from equipoise.scenes.outputs.writer import Written, write_scene
from equipoise.scenes.training.memory import is_out_of_memory

NO_PLACE = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EFBIG)
"""Errors of one file after which no other file can be written either."""


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make a folder for predictions, and keep other processes from writing predictions there meanwhile.

    Raises ``RunError`` if another process does, or if nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"{folder}: expected a folder to write to, found: {error.strerror}") from None
    with exclusive_lock(folder):
        yield


@dataclass(frozen=True, kw_only=True, eq=False)
class Job:
    """How images are predicted and written.

    Attributes:
        model: the predictor.
        tiling: the tiles; ``None``: whole images.
        grouping: how pixels are grouped into objects.
        camera: the camera of the images; ``None``: that of the model.
        outputs: what is written for each image.
        settings: the settings of the outputs.
        out: the folder for the predictions.
        overwrite: whether earlier predictions are replaced.
    """

    model: ScenePredictor
    tiling: Tiling | None = None
    grouping: str = DEFAULT
    camera: Camera | None = None
    outputs: Sequence[Output] = ()
    settings: OutputSettings = field(default_factory=OutputSettings)
    out: Path
    overwrite: bool = False

    def predict(self, item: Item) -> Scene:
        """Predict one image."""
        scene = predicted(self.model, item.image, item.source, self.tiling, self.grouping)
        if self.camera is None:
            return scene
        doubt = "; ".join(camera_doubts(self.camera, scene.size))
        return replace(scene, camera=self.camera.scaled_to(scene.size), camera_doubt=doubt)

    def write(self, item: Item, scene: Scene) -> Written:
        """Write one scene."""
        return write_scene(
            scene, self.out, self.outputs, name=item.name, overwrite=self.overwrite, settings=self.settings
        )


def predicted(
    model: ScenePredictor, image: Any, source: str, tiling: Tiling | None = None, grouping: str = DEFAULT
) -> Scene:
    """Predict one picture; report one that is too large for the memory as an error of its own."""
    try:
        if tiling is None:
            return model.predict(image, grouping=grouping)
        return model.predict(image, tile=tiling.size, overlap=tiling.overlap, grouping=grouping)
    except OutOfMemoryError as error:
        raise OutOfMemoryError(f"{source}: {error}") from None
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise too_large(source) from None


def contents_of(model: ScenePredictor, camera: Camera | None) -> Contents:
    """What the model's scenes will hold, with a camera that was given or that of the model."""
    described = model.model.description
    own, doubt = default_camera(
        ModelCamera(camera=described.camera, spread=described.camera_spread), described.input_size
    )
    return Contents(
        tasks=described.tasks,
        vocabulary=described.vocabulary,
        camera=camera or own,
        camera_doubt="" if camera else doubt,
        intervals=tuple(model.half_widths(described.input_size)),
    )


class Report:
    """Reports on each image as it is done: errors on standard error, JSON lines on standard output if wanted."""

    def __init__(self, *, lines: bool) -> None:
        self.lines = lines
        self.written = 0
        self.failed: list[str] = []
        self.status = 0
        self._doubts: set[str] = set()

    def done(self, source: str, written: Written, kind: str = "image", **more: Any) -> None:
        """Report a written prediction."""
        self.written += 1
        self._line({kind: source, **more, "files": [str(path) for path in written.paths]})

    def error(self, source: str, error: UserError, kind: str = "image") -> bool:
        """Report an error; return whether the next image would have it too."""
        self.failed.append(str(error))
        self.status = max(self.status, error.exit_status)
        print(f"equipoise: {printable(str(error))}", file=sys.stderr)
        self._line({kind: source, "error": str(error)})
        return isinstance(error.__context__, OSError) and error.__context__.errno in NO_PLACE

    def end(self, words: str, joint: Written | None = None, **more: Any) -> None:
        """Print the last line, and exit with the status of the worst error if there was any."""
        files = [str(path) for path in joint.paths] if joint else []
        if self.lines:
            self._line({"summary": {"written": self.written, "failed": len(self.failed), "files": files, **more}})
        else:
            say(words, output())
        if self.status:
            sys.exit(self.status)

    def _line(self, facts: dict[str, Any]) -> None:
        if self.lines:
            print(json.dumps(facts), flush=True)
