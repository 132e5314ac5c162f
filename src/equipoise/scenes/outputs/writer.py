"""Write a scene: the files of each output, and a JSON record that describes them."""

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.errors import RunError, UsageError
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.predictions import listed
from equipoise.scenes.outputs.output import Contents, Entry, Output, OutputSettings


@dataclass(frozen=True, kw_only=True)
class Written:
    """A prediction on disk.

    Attributes:
        paths: its files, the record last.
        facts: the contents of the record.
    """

    paths: list[Path]
    facts: dict[str, Any]


def write_scene(
    scene: Scene,
    folder: Path,
    outputs: Sequence[Output],
    *,
    name: str,
    overwrite: bool,
    settings: OutputSettings | None = None,
    joint: bool = False,
) -> Written:
    """Write the files of a scene into ``folder``; see ``Scene.save``.

    Args:
        scene: the prediction.
        folder: where to write.
        outputs: what to write; everything they need is there.
        name: the start of the file names; it may contain ``/`` for subfolders.
        overwrite: replace an earlier prediction of this name.
        settings: the settings of the outputs.
        joint: write the JSON files about all images as well, for this image alone, as ``NAME_….json``.
    """
    path = Path(name)
    if not path.name or path.is_absolute() or name != path.as_posix() or ".." in path.parts or "\0" in name:
        raise UsageError(f"save: expected a name below the folder, found {name!r}")
    files, facts = _files(scene, path.name, outputs, settings or OutputSettings())
    if joint:
        entry = Entry(name=path.name, file_name=path.name, size=scene.size, facts=facts)
        contents = Contents.of(scene)
        for output in outputs:
            files |= {f"{path.name}_{file}": _json(v) for file, v in output.joint([entry], contents).items()}
        facts["files"] = list(files)
    return write_record(folder, name, files, facts, overwrite=overwrite)


def write_record(
    folder: Path, name: str, files: Mapping[str, Callable[[], bytes]], facts: dict[str, Any], *, overwrite: bool
) -> Written:
    """Write files and the record ``NAME.json``, and remove files of an earlier one that this one does not list.

    ``facts["files"]`` names all files of the record, which may include some that exist already. Raises ``RunError``
    where files of others would be lost.
    """
    record = folder / f"{name}.json"
    places = {file: record.parent / file for file in files}
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        if not record.parent.resolve().is_relative_to(folder.resolve()):
            raise RunError(f"expected {record} below {folder}, found a link out of it: choose another folder")
        earlier = set(listed(record))
        expect_free([*places.values(), record], earlier if overwrite else None)
        # The record comes first, so that an interrupted save can be overwritten, and is not taken for input images.
        kept = {*facts["files"], record.name}
        unfinished = facts | {"unfinished": True, "files": sorted({*kept, *earlier} - {record.name})}
        write_atomic(record, json.dumps(unfinished).encode(), sync=False)
        for file, contents in files.items():
            write_atomic(places[file], contents(), sync=False)
        for file in earlier - kept:
            (record.parent / file).unlink(missing_ok=True)
        write_atomic(record, (json.dumps(facts, indent=1) + "\n").encode(), sync=False)
    except OSError as error:
        where = error.filename or folder
        raise RunError(f"{where}: expected to write a scene, found: {error.strerror or error}") from None
    return Written(paths=[*places.values(), record], facts=facts)


def _files(
    scene: Scene, name: str, outputs: Sequence[Output], settings: OutputSettings
) -> tuple[dict[str, Callable[[], bytes]], dict[str, Any]]:
    """Return what makes the files, by file name, and the record that describes them."""
    height, width = scene.size
    record: dict[str, Any] = {"format": 1, "height": height, "width": width, "sigma": scene.sigma}
    if scene.camera is not None:
        record["camera"] = dataclasses.asdict(scene.camera) | {"doubt": scene.camera_doubt}
    files: dict[str, Callable[[], bytes]] = {}
    for output in outputs:
        made = output.files(scene, name, settings)
        files |= made.files
        record |= made.facts
    return files, record | {"files": list(files)}


def _json(value: Any) -> Callable[[], bytes]:
    return lambda: (json.dumps(value) + "\n").encode()


def expect_free(paths: Sequence[Path], replaceable: set[str] | None) -> None:
    """Raise ``RunError`` if a file or a link would be lost; ``replaceable`` names those that may be."""
    for path in paths:
        if path_exists(path) and replaceable is None:
            raise RunError(f"expected no file at {path}, found one: choose another folder, or overwrite")
        if path_exists(path) and path.name not in (replaceable or ()):
            raise RunError(f"expected an earlier prediction at {path}, found another file: choose another folder")
