"""Load a trained model from Python."""

from pathlib import Path

import torch

from equipoise.errors import RunError, UsageError
from equipoise.scenes.inference.onnx_predictor import OnnxPredictor, read_exported
from equipoise.scenes.inference.predictor import NetworkPredictor, Predictor, ScenePredictor
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.run_files import EXPORT, ONNX, WEIGHTS
from equipoise.scenes.model.described import DescribedModel
from equipoise.scenes.model.export_record import check_files, read_export_record
from equipoise.scenes.model.files import load_model
from equipoise.scenes.runs.run_folder import RunFolder
from equipoise.scenes.training.device import CPU, choose_device, described
from equipoise.scenes.training.precision import precision_on


def load(folder: str | Path, device: str = "auto") -> ScenePredictor:
    """Load the model of a run or export, ready to predict. Loading runs no code from the folder.

    A run predicts in the precision that it recorded, as ``equipoise evaluate`` does; an export predicts in float32. A
    model that was trained in 16 bits predicts in float32 on a device that cannot compute in 16 bits. onnxruntime runs
    an export's ``model.onnx`` on the CPU; without one, the network is built from ``model.safetensors``. A
    ``model.pt2`` is never opened, since PyTorch's reader of such files can be made to run code.

    Args:
        folder: the folder of a run or an export, or one with just ``model.json`` and ``model.safetensors``.
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda``, ``cuda:1`` or ``mps``. It need not be the one that
            the model was trained on.

    Returns:
        A predictor; its ``predict(image)`` takes a path, a PIL image or a ``uint8`` array ``(H, W, 3)``.

    Raises:
        RunError: the folder holds no model, a damaged one, or one of another version.
        UsageError: there is no such device; or the export needs onnxruntime, which is not installed.

    Example:
        ``demo_run`` stands for the folder of your run, such as ``runs/demo``.

        >>> import numpy as np
        >>> from equipoise.scenes import load
        >>> model = load(demo_run)
        >>> model.tasks
        ('semantic', 'instance', 'depth')
        >>> scene = model.predict(np.zeros((48, 80, 3), np.uint8))
        >>> scene.semantic.shape, scene.semantic.dtype
        ((48, 80), dtype('uint8'))
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
        check_files(folder, record)
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
