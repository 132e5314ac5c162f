"""What an exported model costs: its size, and onnxruntime's time for an image against PyTorch's, without grouping.

All three tasks, untrained networks: the time does not depend on the weights. Each image goes through alone. The times
are processor time of one thread, which other processes disturb least.
"""

import tempfile
import time
from functools import partial
from pathlib import Path

import torch

from benchmarks.measure import side_by_side
from equipoise.scenes.export.export import export_run
from equipoise.scenes.inference.predictor import NetworkPredictor
from equipoise.scenes.labels.cityscapes_classes import CLASSES
from equipoise.scenes.labels.vocabulary import SceneVocabulary
from equipoise.scenes.model.description import ModelDescription
from equipoise.scenes.model.files import load_model, model_files
from equipoise.scenes.model.joint import SceneModel
from equipoise.scenes.networks.settings import ModelRecipe
from equipoise.scenes.runs.load import open_model
from equipoise.scenes.training.precision import Precision

NETWORKS = [
    ("small", 8, 128, (128, 256)),
    ("small", 8, 128, (512, 1024)),
    ("resnet18", 16, 128, (256, 512)),
    ("resnet50", 16, 256, (256, 512)),
]
"""Encoder, output stride, ASPP channels, size of the image."""
PRECISIONS: tuple[Precision, ...] = ("float32", "bfloat16")
LABELS = ("semantic", "instance", "inverse_depth")


def run() -> list[str]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [line for network in NETWORKS for line in _measured(*network)]
    finally:
        torch.set_num_threads(threads)


def _measured(encoder: str, stride: int, channels: int, size: tuple[int, int]) -> list[str]:
    torch.manual_seed(0)
    description = ModelDescription(
        tasks=("semantic", "instance", "depth"),
        vocabulary=SceneVocabulary(labels=LABELS, classes=CLASSES, inverse_depth_unit="px"),
        input_size=size,
        model=ModelRecipe(encoder_name=encoder, output_stride=stride, aspp_channels=channels),
        likelihood={},
    )
    with tempfile.TemporaryDirectory() as name:
        run, exported = Path(name) / "run", Path(name) / "export"
        run.mkdir()
        for file, data in model_files(SceneModel(description)).items():
            (run / file).write_bytes(data)
        record = export_run(run, exported)
        onnx, weights = (p.stat().st_size / 1e6 for p in (exported / "model.onnx", run / "model.safetensors"))
        model, (_, computed) = load_model(run), open_model(exported)
    images = torch.randint(0, 256, (1, 3, *size), dtype=torch.uint8)
    title = f"{encoder}, stride {stride}, {size[0]}x{size[1]}"
    worst = max(each.relative for each in record.agreement["onnx"].values())
    lines = [f"{title}: {onnx:.1f} MB (the run's weights {weights:.1f} MB), differs by {worst:.1e} of the spread"]
    for precision in PRECISIONS:
        network = NetworkPredictor(model, precision)
        ratio = side_by_side(
            partial(computed, images), partial(network, images), rounds=11, warm_up=2, clock=time.process_time
        )
        lines.append(f"{title}: onnxruntime in float32 against PyTorch in {precision}: {ratio}")
    return lines
