"""A trained model from Python: ``load(run).predict(image)``."""

from pathlib import Path

from equipoise.errors import RunError
from equipoise.scenes.inference.onnx_predictor import OnnxPredictor, check_unchanged, read_exported
from equipoise.scenes.inference.predictor import NetworkPredictor, Predictor, ScenePredictor
from equipoise.scenes.io.files import path_exists
from equipoise.scenes.io.run_files import EXPORT, ONNX, WEIGHTS
from equipoise.scenes.model.described import DescribedModel
from equipoise.scenes.model.export_record import read_export_record
from equipoise.scenes.model.files import load_model
from equipoise.scenes.runs.run_folder import RunFolder


def load(folder: str | Path) -> ScenePredictor:
    """Load the model of a run or export, ready to predict; runs no code from its files.

    A run predicts in the precision that it recorded, as ``equipoise evaluate`` does; an export predicts in float32.
    onnxruntime runs an export's ``model.onnx``; where there is none, the network is built from ``model.safetensors``.
    A ``model.pt2`` is never opened, since PyTorch's reader of such files can be made to run code.

    Args:
        folder: a run's folder, an export's, or one with ``model.json`` and ``model.safetensors`` alone.

    Raises:
        RunError: the folder holds no model, or a damaged one, or one of another version.
        UsageError: the export needs onnxruntime, which is not installed.

    Example:
        >>> scene = load("runs/demo").predict("street.png")  # doctest: +SKIP
    """
    return ScenePredictor(*open_model(Path(folder)))


def open_model(folder: Path) -> tuple[DescribedModel, Predictor]:
    """The model of a run or export, and what computes its locations; raises as ``load`` does."""
    record = read_export_record(folder)
    if record is not None and "onnx" in record.forms:
        exported = read_exported(folder, record)
        return exported, OnnxPredictor(folder, exported)
    if record is None and path_exists(folder / ONNX) and not path_exists(folder / WEIGHTS):
        raise RunError(f"expected {EXPORT} beside {folder / ONNX}, found none: name a folder that export wrote")
    if record is not None:
        check_unchanged(folder / WEIGHTS, record)
    model = load_model(folder)
    return model, NetworkPredictor(model, RunFolder(folder).precision())
