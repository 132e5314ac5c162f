"""A task that the package does not know goes from training to the report: two new classes, and a line in two tables."""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from equipoise.commands.evaluate import evaluate
from equipoise.commands.predict import predict
from equipoise.commands.report import report
from equipoise.commands.train import train
from equipoise.scenes.data import cityscapes
from equipoise.scenes.io.images import image_size, read_labels
from equipoise.scenes.labels import LABELS
from equipoise.scenes.labels.label import Array, CityscapesPlace, Label, Reader, Source, Stored
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.tasks import TASKS, Primary
from equipoise.scenes.tasks.pictures import LabelPicture, PredictedScene, Scale
from equipoise.scenes.tasks.regression import RegressionTask
from equipoise.scenes.tasks.task import upsampled
from equipoise.scenes.visual.colors import Picture
from tests.support.cityscapes import save, write_cityscapes

NAME = "temperature"
RECIPE = """
tasks = ["semantic", "instance", "depth", "normals", "temperature"]
[data]
kind = "cityscapes"
path = "data"
size = [32, 64]
cache_folder = "cache"
[model]
aspp_channels = 8
[training]
steps = 4
batch_size = 2
log_every = 1
validate_every = 2
"""


class StoredTemperature(Reader):
    """8 bits: kelvin − 273; 0 has no label."""

    def stored(self, path: Path) -> Stored:
        return read_labels(path)

    def understood(self, stored: Stored, path: Path) -> Array:
        return np.where(stored == 0, np.nan, stored + 273.0).astype(np.float32)


class TemperatureLabel(Label):
    name = table = title = NAME
    about = "the temperatures."
    dtype, absent = "float32", np.nan
    cityscapes = CityscapesPlace(
        folder="heat", ending="heat.png", reader=lambda source: StoredTemperature(), official=False
    )

    def reader(self, source: Source) -> Reader:
        return StoredTemperature()

    def colors(self, array: Array, vocabulary: SceneVocabulary) -> Picture:
        grey = np.nan_to_num(array - 273).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, -1)


class Errors:
    def __init__(self) -> None:
        self.count, self.total, self.near = 0, 0.0, 0

    def update(self, prediction: Array, target: Array) -> None:
        errors = np.abs(prediction - target)[~np.isnan(target)]
        self.count, self.total = self.count + errors.size, self.total + float(errors.sum())
        self.near += int((errors < 1e6).sum())

    def merge(self, other: "Errors") -> None:
        self.count, self.total = self.count + other.count, self.total + other.total
        self.near += other.near

    def compute(self) -> dict[str, Any]:
        if not self.count:
            return dict.fromkeys(("mae", "near"), float("nan"))
        return {"mae": self.total / self.count, "near": self.near / self.count}


class TemperatureTask(RegressionTask):
    name = label = NAME
    title = "temperatures"
    primary = Primary(metric="mae", label="temperature error", unit="K", better="lower")
    figure_names = {"near": ("not far off", "%")}  # noqa: RUF012
    channels = 1

    def target_of(self, array: Array, sample: Any) -> Array:
        return array[None]

    def prediction(self, location: Tensor, size: tuple[int, int]) -> Array:
        return upsampled(location, size).numpy()

    def metrics(self) -> Errors:
        return Errors()

    def colors(self, values: Array, truth: Array) -> Picture:
        return TemperatureLabel().colors(values[0], self.vocabulary)

    def scale(self, prediction: Array, truth: Array) -> Scale:
        return Scale(low=273.0, high=528.0, unit="K", meaning="warm is bright")

    def picture_note(self, tasks: Mapping[str, Any]) -> str:
        return "Temperature: black has no label."

    def label_pictures(self, scene: PredictedScene) -> Iterator[LabelPicture]:
        pixels = (scene.outputs[self.name][0] * 10).clip(0, 65535).astype(np.uint16)
        yield LabelPicture(ending="heat", key="heat", pixels=pixels, facts={"unit": "K / 10"})


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set with five kinds of label; the package knows the fifth for the length of a test."""
    label = TemperatureLabel()
    monkeypatch.setitem(LABELS, NAME, label)
    monkeypatch.setitem(cityscapes.PLACES, NAME, (label.cityscapes.folder, label.cityscapes.ending))
    monkeypatch.setitem(TASKS, NAME, TemperatureTask)
    for split in ("train", "val"):
        write_cityscapes(tmp_path / "data", split)
        for path in sorted((tmp_path / f"data/leftImg8bit/{split}").rglob("*.png")):
            base = path.relative_to(tmp_path / "data/leftImg8bit").as_posix().removesuffix("leftImg8bit.png")
            save(tmp_path / f"data/heat/{base}heat.png", np.tile(np.arange(1, 65, dtype=np.uint8), (32, 1)))
            save(tmp_path / f"data/normals/{base}normals.png", np.full((32, 64, 3), (128, 128, 0), np.uint8))
    (tmp_path / "recipe.toml").write_text(RECIPE)
    return tmp_path


def test_a_fifth_task_needs_no_change_elsewhere(data, capsys):
    run = data / "run"
    train(data / "recipe.toml", out=run)
    evaluate(run, json=True)
    report(run)
    image = next((data / "data/leftImg8bit/val").rglob("*.png"))
    predict(run, str(image), out=data / "out")

    figures = json.loads((run / "metrics.json").read_text())
    assert list(figures["tasks"]) == list(TASKS)
    assert figures["primary"][NAME]["unit"] == "K"
    assert figures["baselines"]["constant"][NAME] == pytest.approx(16)
    assert figures["baselines"]["position"][NAME] == pytest.approx(0, abs=1e-3)

    page = (run / "report.html").read_text()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page.split("</style>")[-1]))
    for words in (
        "temperature error, K", "not far off, % 100", f"{NAME}, raw loss", f"{NAME}, predicted", f"{NAME}, truth",
        "273 – 528 K, warm is bright", "Temperature: black has no label.", f"{NAME}, temperature error, K",
        "depth, normals and temperatures, learned together",
    ):  # fmt: skip
        assert words.lower() in text.lower(), words
    assert len(set(re.findall(r'class="chart color(\d)', page))) == 6, "five tasks, and what belongs to none"

    name = image.stem
    assert image_size(data / f"out/{name}_{NAME}_overlay.png") == (32, 64)
    record = json.loads((data / f"out/{name}.json").read_text())
    assert record["heat"] == {"file": f"{name}_heat.png", "unit": "K / 10"}
    assert read_labels(data / f"out/{name}_heat.png", wide=True).max() > 255
    assert f"{name}_heat.png" in record["files"]
