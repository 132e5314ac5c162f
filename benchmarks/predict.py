"""A folder to overlays, labels and disparity, against the network alone, at 512x1024.

The clock says how well reading, network and writing overlap; it needs two free cores. Processor time does not depend on
other programs: on busy cores a folder takes its processor time divided by their number.
"""

import json
import os
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import side_by_side
from equipoise.commands.inputs import found_images
from equipoise.commands.predicting import Job, contents_of
from equipoise.errors import UserError
from equipoise.scenes.config.recipe import ModelRecipe
from equipoise.scenes.data.cityscapes import CityscapesDataset
from equipoise.scenes.inference.pipeline import pipeline
from equipoise.scenes.inference.predictor import NetworkPredictor, ScenePredictor, network_input
from equipoise.scenes.io.images import read_image
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.outputs import chosen
from equipoise.scenes.streets import generate
from equipoise.scenes.tasks import make_tasks

SIZE, IMAGES, ROUNDS = (512, 1024), 20, 3


def run() -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        generate(Path(folder) / "streets", train=IMAGES, val=0, size=SIZE)
        dataset = CityscapesDataset(Path(folder) / "streets", "train")
        model, paths = predictor(dataset), [dataset.files(index)["image"] for index in range(len(dataset))]
        images = [network_input([read_image(path)], SIZE) for path in paths]

        def network() -> None:
            for image in images:
                model.network(image)

        def folder_of_images() -> None:
            predict_folder(model, Path(folder))

        clocks: dict[str, Callable[[], float]] = {"clock": time.perf_counter, "processor time": time.process_time}
        return [
            f"{IMAGES} images, {torch.get_num_threads()} threads, by the {name}, load {os.getloadavg()[0]:.0f}: "
            f"folder against network alone {ratio(folder_of_images, network, clock)} (aim: 1.5)"
            for name, clock in clocks.items()
        ]


def ratio(one: Callable[[], None], other: Callable[[], None], clock: Callable[[], float]) -> str:
    return str(side_by_side(one, other, rounds=ROUNDS, warm_up=1, clock=clock))


class Truthful(ScenePredictor):
    """Runs the network, and answers with the labels, so that what follows has the objects of real streets."""

    network: NetworkPredictor

    @classmethod
    def of(cls, dataset: CityscapesDataset) -> "Truthful":
        torch.manual_seed(0)
        tasks = ("semantic", "instance", "depth")
        model = SceneModel(
            ModelDescription(
                tasks=tasks, vocabulary=dataset.vocabulary, input_size=SIZE, model=ModelRecipe(), likelihood={}
            )
        ).eval()
        network = NetworkPredictor(model)
        true = {network_input([dataset[k].image], SIZE).sum().item(): k for k in range(len(dataset))}
        answers = {total: locations(dataset, index) for total, index in true.items()}

        def answer(images: Tensor) -> dict[str, Tensor]:
            network(images)
            return answers[images.sum().item()]

        predictor = cls(model, answer)
        predictor.network = network
        return predictor


def locations(dataset: CityscapesDataset, index: int) -> dict[str, Tensor]:
    """What a network that knows the labels would put out."""
    sample = dataset[index]
    tasks = make_tasks(("semantic", "instance", "depth"), dataset.vocabulary)
    found: dict[str, Any] = {
        name: np.nan_to_num(task.target(sample).astype(np.float32)) for name, task in tasks.items()
    }
    classes = torch.from_numpy(found["semantic"]).long().clamp_max(len(dataset.vocabulary.classes) - 1)
    logits = torch.nn.functional.one_hot(classes, len(dataset.vocabulary.classes)).permute(2, 0, 1).float() * 9
    arrays = {name: torch.from_numpy(found[name])[None] for name in ("instance", "depth")}
    return {"semantic": logits[None].contiguous(), **arrays}


def predictor(dataset: CityscapesDataset) -> Truthful:
    return Truthful.of(dataset)


def predict_folder(model: ScenePredictor, folder: Path) -> None:
    """What ``equipoise predict`` does with a folder, but for loading the model and the progress bar."""
    out = folder / "out"
    contents = contents_of(model, None)
    outputs, _ = chosen(None, contents)
    job = Job(model=model, outputs=outputs, out=out, overwrite=True)
    inputs = found_images(str(folder / "streets/leftImg8bit"), out)
    with closing(pipeline(inputs.items(), job.predict, job.write)) as results:
        for done in results:
            if isinstance(done.result, UserError):
                raise done.result
            json.dumps(done.result.facts)
