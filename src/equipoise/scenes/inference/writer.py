"""Write a scene: an overlay and label pictures for each task, and a JSON record that describes them."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from equipoise.errors import RunError, UsageError
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.predictions import listed
from equipoise.scenes.tasks import TASKS


def write_scene(scene: Scene, folder: Path, *, name: str, overwrite: bool) -> list[Path]:
    """Write the files of a scene into ``folder`` and return their paths; see ``Scene.save``."""
    path = Path(name)
    if not path.name or path.is_absolute() or name != path.as_posix() or ".." in path.parts or "\0" in name:
        raise UsageError(f"save: expected a name below the folder, found {name!r}")
    files, facts = _files(scene, name)
    pictures = {file: folder / path.parent / file for file in files}
    record = folder / f"{name}.json"
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        if not record.parent.resolve().is_relative_to(folder.resolve()):
            raise RunError(f"expected {record} below {folder}, found a link out of it: choose another folder")
        earlier = set(listed(record))
        _expect_free([*pictures.values(), record], earlier if overwrite else None)
        # The record comes first, so that an interrupted save can be overwritten, and is not taken for input images.
        unfinished = facts | {"unfinished": True, "files": sorted({*files, *earlier} - {record.name})}
        write_atomic(record, json.dumps(unfinished).encode(), sync=False)
        for file, picture in files.items():
            buffer = io.BytesIO()
            picture.save(buffer, "PNG", compress_level=3)
            write_atomic(pictures[file], buffer.getvalue(), sync=False)
        for file in earlier - {*files, record.name}:
            (record.parent / file).unlink(missing_ok=True)
        write_atomic(record, (json.dumps(facts, indent=1) + "\n").encode(), sync=False)
    except OSError as error:
        where = error.filename or folder
        raise RunError(f"{where}: expected to write a scene, found: {error.strerror or error}") from None
    return [*pictures.values(), record]


def _files(scene: Scene, name: str) -> tuple[dict[str, Image.Image], dict[str, Any]]:
    """Return the pictures by file name, and the record that describes them."""
    name = Path(name).name
    height, width = scene.size
    record: dict[str, Any] = {"format": 1, "height": height, "width": width, "sigma": scene.sigma}
    if scene.camera is not None:
        record["camera"] = dataclasses.asdict(scene.camera) | {"doubt": scene.camera_doubt}
    files = {f"{name}_{task}_overlay.png": scene.overlay(task) for task in scene.predicted()}
    for task in scene.predicted():
        for label in TASKS[task](scene.vocabulary).label_pictures(scene):
            file = f"{name}_{label.ending}.png"
            files[file] = Image.fromarray(label.pixels)
            record[label.key] = {"file": file, **label.facts}
    return files, record | {"files": list(files)}


def _expect_free(paths: list[Path], replaceable: set[str] | None) -> None:
    """Raise ``RunError`` if a file or a link would be lost; ``replaceable`` names those that may be."""
    for path in paths:
        if path_exists(path) and replaceable is None:
            raise RunError(f"expected no file at {path}, found one: choose another folder, or overwrite")
        if path_exists(path) and path.name not in (replaceable or ()):
            raise RunError(f"expected an earlier prediction at {path}, found another file: choose another folder")
