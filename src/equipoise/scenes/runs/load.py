"""A trained model from Python: ``load(run).predict(image)``."""

from pathlib import Path

import torch

from equipoise.errors import RunError, UsageError
from equipoise.scenes.inference.onnx_predictor import OnnxPredictor, check_unchanged, read_exported
from equipoise.scenes.inference.predictor import NetworkPredictor, Predictor, ScenePredictor
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.run_files import EXPORT, ONNX, WEIGHTS
from equipoise.scenes.model.described import DescribedModel
from equipoise.scenes.model.export_record import read_export_record
from equipoise.scenes.model.files import load_model
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.device import CPU, choose_device, described
from equipoise.scenes.training.precision import precision_on


def load(folder: str | Path, device: str = "auto") -> ScenePredictor:
    """Load the model of a run or export, ready to predict; runs no code from its files.

    A run predicts in the precision that it recorded, as ``equipoise evaluate`` does; an export predicts in float32. A
    model that was trained in 16 bits predicts in float32 on a device that cannot compute so. onnxruntime runs an
    export's ``model.onnx``, on the CPU; where there is none, the network is built from ``model.safetensors``. A
    ``model.pt2`` is never opened, since PyTorch's reader of such files can be made to run code.

    Args:
        folder: a run's folder, an export's, or one with ``model.json`` and ``model.safetensors`` alone.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. It need not be the one that
            the model was trained on.

    Raises:
        RunError: the folder holds no model, or a damaged one, or one of another version.
        UsageError: there is no such device here; the export needs onnxruntime, which is not installed.

    Example:
        >>> scene = load("runs/demo").predict("street.png")  # doctest: +SKIP
    """
    chosen = choose_device(device, "device")
    computing(Path(folder), chosen, device)
    return ScenePredictor(*open_model(Path(folder), chosen))


def open_model(folder: Path, device: torch.device = CPU) -> tuple[DescribedModel, Predictor]:
    """The model of a run or export, and what computes its locations; raises as ``load`` does.

    onnxruntime computes on the CPU, whatever the device.
    """
    record = read_export_record(folder)
    if record is not None and "onnx" in record.forms:
        exported = read_exported(folder, record)
        return exported, OnnxPredictor(folder, exported)
    if record is None and path_exists(folder / ONNX) and not path_exists(folder / WEIGHTS):
        raise RunError(f"expected {EXPORT} beside {folder / ONNX}, found none: name a folder that export wrote")
    if record is not None:
        check_unchanged(folder / WEIGHTS, record)
    model = load_model(folder).to(device)
    return model, NetworkPredictor(model, precision_on(RunFolder(folder).precision(), device))


def computing(folder: Path, device: torch.device, wanted: str) -> str:
    """Where and in which precision a model computes, for the line that a command prints.

    Raises:
        UsageError: a GPU is wanted for an export that onnxruntime runs.
    """
    record = read_export_record(folder)
    if record is None or "onnx" not in record.forms:
        return f"on {described(device, wanted)}, in {precision_on(RunFolder(folder).precision(), device)}"
    if wanted not in ("auto", "cpu"):
        raise UsageError(f"--device: expected cpu or auto for {folder / ONNX}, found {wanted!r}: name the run instead")
    return "on cpu by onnxruntime, in float32"
