"""A trained model from Python: ``load(run).predict(image)``."""

from pathlib import Path

from equipoise.scenes.inference.predictor import NetworkPredictor, ScenePredictor
from equipoise.scenes.model.files import load_model
from equipoise.scenes.runs.run_folder import RunFolder


def load(folder: str | Path) -> ScenePredictor:
    """Load the model of a run or export, ready to predict; runs no code from its files.

    It predicts in the precision that the run recorded, as ``equipoise evaluate`` does; an export predicts in float32.

    Args:
        folder: a run's folder, or one with ``model.json`` and ``model.safetensors`` alone.

    Raises:
        RunError: the folder holds no model, or a damaged one, or one of another version.

    Example:
        >>> scene = load("runs/demo").predict("street.png")  # doctest: +SKIP
    """
    model = load_model(Path(folder))
    return ScenePredictor(model, NetworkPredictor(model, RunFolder(Path(folder)).precision()))
