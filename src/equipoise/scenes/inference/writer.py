"""A scene's files: overlays, label pictures, 16-bit inverse depth, and a record that says what they hold."""

import dataclasses
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from equipoise.errors import RunError, UsageError
from equipoise.scenes.grouping import Instance
from equipoise.scenes.inference.scene import Scene
from equipoise.scenes.io.atomic import write_atomic
from equipoise.scenes.io.files import there
from equipoise.scenes.io.json import read_json
from equipoise.scenes.tasks import TASKS
from equipoise.scenes.visual.colors import offset_colors

DISPARITY_SCALE = 256.0


def write_scene(scene: Scene, folder: Path, *, name: str, overwrite: bool) -> list[Path]:
    """Write overlays, class and instance PNGs, 16-bit inverse depth, and ``NAME.json`` that says what they hold.

    ``overwrite``: replace an earlier prediction of this name, and nothing else.

    Raises:
        RunError: a file is there already, or cannot be written.
    """
    if not Path(name).name or name != Path(name).as_posix() or ".." in Path(name).parts or "\0" in name:
        raise UsageError(f"save: expected a name below the folder, found {name!r}")
    if Path(name).is_absolute():
        raise UsageError(f"save: expected a name below the folder, found {name!r}")
    files, facts = _files(scene, name)
    pictures = {file: folder / Path(name).parent / file for file in files}
    record = folder / f"{name}.json"
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        if not record.parent.resolve().is_relative_to(folder.resolve()):
            raise RunError(f"expected {record} below {folder}, found a link out of it: choose another folder")
        earlier = set(listed(record))
        _expect_free([*pictures.values(), record], earlier if overwrite else None)
        # What is about to lie here, before it does: an interrupted one can be overwritten, and is no input.
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
    """The pictures by the names of their files, and what the record says of them."""
    name = Path(name).name
    height, width = scene.image.shape[:2]
    facts: dict[str, Any] = {"format": 1, "height": height, "width": width, "sigma": scene.sigma}
    files = {f"{name}_{task}_overlay.png": scene.overlay(task) for task in scene.predicted()}
    if scene.semantic is not None:
        files[f"{name}_semantic.png"] = Image.fromarray(scene.semantic)
        facts["semantic"] = {
            "file": f"{name}_semantic.png",
            "classes": {index: c.name for index, c in enumerate(scene.vocabulary.classes)},
            "colors": {c.name: list(c.color) for c in scene.vocabulary.classes},
        }
    if scene.instance is not None:
        files[f"{name}_instance.png"] = Image.fromarray(scene.instance.astype(np.uint16))
        facts["instance"] = {
            "file": f"{name}_instance.png",
            "grouped_by": "vectors" if scene.grouped_by_votes else "classes and vectors",
            "instances": [_described(scene, i) for i in scene.instances or ()],
        }
    if scene.offsets is not None and scene.grouped_by_votes:
        longest = max(1.0, float(np.quantile(np.hypot(*scene.offsets), 0.98)))
        everywhere = np.ones(scene.size, bool)
        files[f"{name}_offsets.png"] = Image.fromarray(offset_colors(scene.offsets, everywhere, longest))
        facts["instance_offsets"] = {
            "file": f"{name}_offsets.png",
            "value": "the vector to the object's centroid: direction as hue, length as saturation",
            "longest_px": longest,
        }
    if scene.inverse_depth is not None:
        top = float(scene.inverse_depth.max())
        scale = (
            min(DISPARITY_SCALE, 65534 / max(top, 1e-9)) if scene.inverse_depth_unit == "px" else 65534 / max(top, 1e-9)
        )
        stored = np.round(scene.inverse_depth.astype(np.float64) * scale) + 1
        files[f"{name}_disparity.png"] = Image.fromarray(stored.clip(1, 65535).astype(np.uint16))
        facts["inverse_depth"] = {
            "file": f"{name}_disparity.png",
            "unit": scene.inverse_depth_unit,
            "scale": scale,
            "value": "(p - 1) / scale for the stored number p",
        }
        if scene.camera is not None:
            facts["camera"] = dataclasses.asdict(scene.camera) | {"doubt": scene.camera_doubt}
        facts["inverse_depth"]["depth_m"] = _metres_in_words(scene)
    for task in scene.predicted():
        picture = TASKS[task](scene.vocabulary).label_picture(scene.outputs[task])
        if picture is not None:
            files[f"{name}_{task}.png"] = Image.fromarray(picture)
            facts[task] = {"file": f"{name}_{task}.png"}
    facts["files"] = list(files)
    return files, facts


def _metres_in_words(scene: Scene) -> str | None:
    """How a reader of the files gets metres; ``None`` where they cannot be known."""
    if scene.inverse_depth_unit == "1/m":
        return "1 / value"
    stereo = scene.camera is not None and scene.camera.baseline_m is not None
    return "camera.fx * camera.baseline_m / value" if scene.inverse_depth_unit == "px" and stereo else None


def _described(scene: Scene, instance: Instance) -> dict[str, Any]:
    return {
        "id": instance.id,
        "class": None if instance.semantic is None else scene.vocabulary.classes[instance.semantic].name,
        "score": round(instance.score, 4),
        "box": list(instance.box),
        "pixels": instance.pixels,
    }


def listed(record: Path) -> list[str]:
    """The files of an earlier prediction, as its record lists them; none where it is no such record."""
    try:
        facts = read_json(record)
    except (OSError, ValueError):
        return []
    files = facts.get("files") if isinstance(facts, dict) and facts.get("format") == 1 else None
    if not isinstance(files, list) or "sigma" not in facts:
        return []
    return [*(str(file) for file in files if Path(str(file)).name == file), record.name]


def _expect_free(paths: list[Path], replaceable: set[str] | None) -> None:
    """Raise ``RunError`` where something would be lost; a link is something, wherever it leads."""
    for path in paths:
        if there(path) and replaceable is None:
            raise RunError(f"expected no file at {path}, found one: choose another folder, or overwrite")
        if there(path) and path.name not in (replaceable or ()):
            raise RunError(f"expected an earlier prediction at {path}, found another file: choose another folder")
