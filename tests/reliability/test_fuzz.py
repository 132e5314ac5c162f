"""Damaged files give a clear error or a right answer, never a traceback, a hang, or a changed file."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from equipoise.errors import UserError
from equipoise.scenes import load
from equipoise.scenes.config.recipe import ModelRecipe, read_recipe
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.data.description import read_description
from equipoise.scenes.data.folder import FolderDataset
from equipoise.scenes.io.images import read_colors, read_image, read_labels
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.model.files import model_files
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.report import build_report
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.checkpoint import newest_checkpoint, write_checkpoint
from tests.scenes.report.test_page import write_run as write_finished
from tests.support.cityscapes import write_cityscapes, write_folder
from tests.support.tiny import VOCABULARY

RECIPE = """
tasks = ["semantic"]
[data]
kind = "folder"
path = "data.toml"
size = [32, 48]
[training]
steps = 4
[optimizer]
lr = 1e-3
"""


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """Truncate data, flip bits, or overwrite, repeat or replace bytes."""
    changed = bytearray(data)
    kind = rng.integers(5)
    place = int(rng.integers(len(changed)))
    if kind == 0:
        return bytes(changed[:place])
    if kind == 1:
        for _ in range(int(rng.integers(1, 6))):
            changed[int(rng.integers(len(changed)))] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        length = int(rng.integers(1, 64))
        changed[place : place + length] = rng.integers(0, 256, length, dtype=np.uint8).tobytes()
    elif kind == 3:
        changed[place:place] = changed[place : place + int(rng.integers(1, 200))]
    else:
        changed[place : place + 4] = int(rng.choice([0, 1, 2**31 - 1, 2**32 - 1])).to_bytes(4, "big")
    return bytes(changed)


def cases(folder: Path) -> dict[str, tuple[Path, Callable[[], object], int]]:
    """Return by name: the file to damage, the function that reads it, and the number of trials."""
    rng = np.random.default_rng(0)
    photo = Image.fromarray(rng.integers(0, 255, (40, 60, 3)).astype(np.uint8))
    paths = {ending: folder / f"photo.{ending}" for ending in ("png", "jpg", "webp")}
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x8825] = 6, "maker", {1: "N", 2: (1.0, 2.0, 3.0)}
    for path in paths.values():
        photo.save(path, exif=exif)
    write_cityscapes(folder / "city", count=1)
    city = CityscapesDataset(folder / "city", "train")
    camera = folder / "city/camera/train/town/town_000000_000000_camera.json"
    description = write_folder(folder / "data")
    (folder / "data/recipe.toml").write_text(RECIPE)
    torch.manual_seed(0)
    small = ModelRecipe(aspp_channels=4)
    model = SceneModel(
        ModelDescription(tasks=("depth",), vocabulary=VOCABULARY, input_size=(32, 32), model=small, likelihood={})
    )
    files = model_files(model)
    run = write_finished(folder / "finished")
    (folder / "run").mkdir()
    for name, data in files.items():
        (folder / "run" / name).write_bytes(data)
    write_checkpoint(folder / "checkpoints", 7, {"state.json": b'{"step": 7}', "model.safetensors": b"x" * 500})
    manifest = next(p for p in (folder / "checkpoints").rglob("*") if "manifest" in p.name)
    labels, recipe = folder / "data/classes/a/0.png", folder / "data/recipe.toml"
    dataset = FolderDataset(description, "train")
    return {
        "PNG": (paths["png"], lambda: read_image(paths["png"]), 300),
        "JPEG": (paths["jpg"], lambda: read_image(paths["jpg"]), 300),
        "WebP": (paths["webp"], lambda: read_image(paths["webp"]), 150),
        "labels": (labels, lambda: read_labels(labels), 300),
        "colours": (labels, lambda: read_colors(labels), 100),
        "a sample": (labels, lambda: dataset[0], 100),
        "16 bit": (folder / "data/depth/a/0.png", lambda: dataset[0], 150),
        "description": (description, lambda: read_description(description), 250),
        "recipe": (recipe, lambda: read_recipe(recipe), 200),
        "model.json": (folder / "run/model.json", lambda: load(folder / "run"), 60),
        "weights": (folder / "run/model.safetensors", lambda: load(folder / "run"), 60),
        "camera": (camera, lambda: city.camera(0), 60),
        "instances": (city.files(0)["instance"], lambda: city[0], 60),
        "run.json": (run / "run.json", lambda: build_report(RunFolder(run)), 60),
        "log": (run / "log.jsonl", lambda: build_report(RunFolder(run)), 60),
        "metrics": (run / "metrics.json", lambda: build_report(RunFolder(run)), 60),
        "manifest": (manifest, lambda: newest_checkpoint(folder / "checkpoints"), 100),
    }


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns about unreadable metadata
def test_damaged_files(tmp_path):
    rng, tried, refused = np.random.default_rng(1), 0, 0
    for name, (path, read, times) in cases(tmp_path).items():
        whole = path.read_bytes()
        for _ in range(times):
            data = damaged(whole, rng)
            path.write_bytes(data)
            started = time.monotonic()
            said = ""
            try:
                read()
            except UserError as error:
                refused, said = refused + 1, str(error)
            assert "\n" not in said, name
            assert time.monotonic() - started < 10, name
            assert path.read_bytes() == data, name
            tried += 1
        path.write_bytes(whole)
        read()
    assert tried >= 2000
    assert refused > tried / 3
